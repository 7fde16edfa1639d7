// TLS in front of a plain server of a test's own on loopback: takes it off and hands the bytes on, both ways. With certificates
// that are made on the spot.
//
// Concurrency: a thread per connection. Limitations: a connection ends when either side does.
#pragma once

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>

#include "support/loopback_listener.hpp"

namespace perdure::test {

struct tls_identity {
  std::string certificate, key;  ///< PEM
};

/// Signed by itself, for "DNS:localhost" or the like; `valid_s` from now on, negative: until then.
inline tls_identity make_identity(const std::string& name, long valid_s = 3'600) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{EVP_EC_gen("P-256"), EVP_PKEY_free};
  const std::unique_ptr<X509, decltype(&X509_free)> made{X509_new(), X509_free};
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -7'200);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), valid_s);
  X509_set_pubkey(made.get(), key.get());
  auto* subject = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("a test"), -1, -1, 0);
  X509_set_issuer_name(made.get(), subject);
  for (const auto& [kind, value] : {std::pair{NID_subject_alt_name, name}, {NID_basic_constraints, std::string{"CA:TRUE"}}}) {
    const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> part{
        X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str()), X509_EXTENSION_free};
    X509_add_ext(made.get(), part.get(), -1);
  }
  if (X509_sign(made.get(), key.get(), EVP_sha256()) == 0) throw std::runtime_error("no certificate could be made");
  const auto text = [](auto write) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> to{BIO_new(BIO_s_mem()), BIO_free};
    write(to.get());
    char* data = nullptr;
    const auto size = BIO_get_mem_data(to.get(), &data);
    return std::string(data, static_cast<std::size_t>(size));
  };
  return {text([&](BIO* to) { PEM_write_bio_X509(to, made.get()); }),
          text([&](BIO* to) { PEM_write_bio_PrivateKey(to, key.get(), nullptr, nullptr, 0, nullptr, nullptr); })};
}

class tls_front {
 public:
  /// Connections are handed on to the port. `protocol`: what is agreed on when the client offers it (ALPN); empty = nothing.
  tls_front(int port, const tls_identity& who, std::string protocol = {})
      : to_(port), protocol_(std::move(protocol)), context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free),
        listener_([this](int connection) { serve(connection); }) {
    const auto bio = [](const std::string& text) {
      return std::unique_ptr<BIO, decltype(&BIO_free)>{BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
    };
    const std::unique_ptr<X509, decltype(&X509_free)> certificate{
        PEM_read_bio_X509(bio(who.certificate).get(), nullptr, nullptr, nullptr), X509_free};
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{
        PEM_read_bio_PrivateKey(bio(who.key).get(), nullptr, nullptr, nullptr), EVP_PKEY_free};
    SSL_CTX_use_certificate(context_.get(), certificate.get());
    SSL_CTX_use_PrivateKey(context_.get(), key.get());
    SSL_CTX_set_alpn_select_cb(context_.get(), choose, this);
  }
  tls_front(const tls_front&) = delete;
  tls_front& operator=(const tls_front&) = delete;
  [[nodiscard]] int port() const { return listener_.port(); }
  [[nodiscard]] std::string address() const { return "localhost:" + std::to_string(port()); }
  /// Connections whose handshake the client brought to its end.
  [[nodiscard]] int trusted() const { return trusted_; }

 private:
  static int choose(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered, unsigned size,
                    void* own) {
    const auto& wanted = static_cast<tls_front*>(own)->protocol_;
    for (unsigned at = 0; at < size; at += offered[at] + 1U) {
      if (std::string_view{reinterpret_cast<const char*>(offered) + at + 1, offered[at]} != wanted) continue;
      *out = offered + at + 1;
      *out_size = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
  }
  void serve(int connection) {
    // OpenSSL writes to sockets of clients that have gone.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    const int inner = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto to = loopback_at(to_);
    const std::unique_ptr<SSL, decltype(&SSL_free)> secure{SSL_new(context_.get()), SSL_free};
    timeval limit{1, 0};  // a client that goes silent in the handshake does not hold up the end
    ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    SSL_set_fd(secure.get(), connection);
    if (SSL_accept(secure.get()) == 1 && ::connect(inner, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
      ++trusted_;
      hand_on(secure.get(), connection, inner);
    }
    ::close(inner);
  }
  void hand_on(SSL* secure, int connection, int inner) const {
    char part[8192];
    while (!listener_.over()) {
      pollfd watched[2]{{connection, POLLIN, 0}, {inner, POLLIN, 0}};
      if (SSL_pending(secure) == 0 && ::poll(watched, 2, 20) <= 0) continue;
      if (SSL_pending(secure) > 0 || watched[0].revents != 0) {
        const auto got = SSL_read(secure, part, sizeof part);
        if (got <= 0 && SSL_get_error(secure, got) != SSL_ERROR_WANT_READ) break;
        if (got > 0 && ::send(inner, part, static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) break;
      }
      if (watched[1].revents != 0) {
        const auto got = ::recv(inner, part, sizeof part, 0);
        if (got <= 0 || SSL_write(secure, part, static_cast<int>(got)) != got) break;
      }
    }
    SSL_shutdown(secure);
  }

  int to_;
  std::string protocol_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::atomic<int> trusted_{0};
  loopback_listener listener_;  // nobody knows its port before the context has its key
};

}  // namespace perdure::test
