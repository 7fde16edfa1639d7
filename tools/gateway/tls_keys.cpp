#include "tools/gateway/tls_keys.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string>
#include <string_view>

namespace perdure::tools::gateway {

namespace {

constexpr const char* ciphers_of_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20";

error tls_error(const std::string& what) {
  std::string reason;
  while (const auto code = ERR_get_error()) {
    const auto* text = ERR_reason_error_string(code);
    reason = text == nullptr ? "error " + std::to_string(code) : text;
  }
  return {errc::invalid_argument, what + (reason.empty() ? "" : ": " + reason)};
}

extern "C" int no_passphrase(char*, int, int, void*) { return 0; }

/// Clients may offer protocols; this server speaks one.
extern "C" int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                               unsigned int in_size, void*) {
  static constexpr std::string_view ours = "http/1.1";
  for (unsigned int at = 0; at < in_size; at += 1U + in[at]) {
    const std::string_view offered{reinterpret_cast<const char*>(in + at + 1), in[at]};
    if (at + 1U + in[at] > in_size) break;
    if (offered != ours) continue;
    *out = in + at + 1;
    *out_size = in[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

result<std::unique_ptr<tls_keys>> tls_keys::load(tls_files files) {
  auto made = std::unique_ptr<tls_keys>(new tls_keys(std::move(files)));
  made->seen_ = made->look();
  auto read = made->read();
  if (!read) return read.error();
  made->current_ = std::move(*read);
  return made;
}

std::shared_ptr<ssl_ctx_st> tls_keys::current() const {
  const std::lock_guard lock{mutex_};
  return current_;
}

result<bool> tls_keys::look_again() {
  const auto now = look();
  {
    const std::lock_guard lock{mutex_};
    if (now == seen_) return false;
    seen_ = now;
  }
  auto fresh = read();
  if (!fresh) return fresh.error();
  const std::lock_guard lock{mutex_};
  current_ = std::move(*fresh);
  return true;
}

tls_keys::seen tls_keys::look() const {
  const auto of = [](const std::filesystem::path& file) {
    std::error_code ignored;
    return state{std::filesystem::last_write_time(file, ignored), std::filesystem::file_size(file, ignored)};
  };
  return {of(files_.certificate), of(files_.key)};
}

result<std::shared_ptr<ssl_ctx_st>> tls_keys::read() const {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> out{SSL_CTX_new(TLS_server_method()), SSL_CTX_free};
  if (!out) return tls_error("TLS");
  auto* at = out.get();
  SSL_CTX_set_min_proto_version(at, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(at, ciphers_of_1_2);
  SSL_CTX_set_options(at, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Silent connections keep no buffers; writes may be taken up from wherever the rest of them is then.
  SSL_CTX_set_mode(at, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(at, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_default_passwd_cb(at, no_passphrase);
  SSL_CTX_set_alpn_select_cb(at, choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(at, files_.certificate.c_str()) != 1)
    return tls_error(files_.certificate.string() + ": no certificate can be read");
  if (SSL_CTX_use_PrivateKey_file(at, files_.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return tls_error(files_.key.string() + ": no private key of this certificate can be read");
  if (SSL_CTX_check_private_key(at) != 1) return tls_error("the private key is not the certificate's");
  return out;
}

}  // namespace perdure::tools::gateway
