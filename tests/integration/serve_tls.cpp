// `perdure serve` over TLS: what it takes, what it refuses, and certificates that change while it runs.
#include "support/catch.hpp"
#include "support/http_client.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using test::http_connection;
using test::http_request;
using test::served;
using test::text_of;
using test::workplace;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

bool lacks_tools() {
  if (std::system("command -v curl > /dev/null && command -v openssl > /dev/null") == 0) return false;
  std::cout << "\nskipped: no curl or openssl on this machine\n";
  return true;
}

struct secured {
  workplace here;
  std::string certificate = here.path("server.crt").string(), key = here.path("server.key").string();
  std::unique_ptr<served> at;

  explicit secured(std::vector<std::string> more = {}) {
    make("first");
    std::filesystem::copy_file(here.path("first.crt"), certificate);
    std::filesystem::copy_file(here.path("first.key"), key);
    more.insert(more.end(), {"--tls-cert", certificate, "--tls-key", key});
    at = std::make_unique<served>(here, more);
  }
  /// NAME.crt and NAME.key, which nobody but a client that has the former trusts.
  void make(const std::string& name) const {
    const auto to = here.path(name).string();
    REQUIRE(std::system(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=" + name +
                         " -addext subjectAltName=IP:127.0.0.1 -keyout '" + to + ".key' -out '" + to + ".crt' 2> /dev/null")
                            .c_str()) == 0);
  }
  struct outcome {
    int code;
    std::string out;
  };
  [[nodiscard]] outcome shell(const std::string& command) const {
    const auto file = here.path("shell").string();
    const auto code = std::system(("(" + command + ") > '" + file + "' 2>&1").c_str());
    return {code, test::slurp(file)};
  }
  [[nodiscard]] std::string base() const { return "https://127.0.0.1:" + std::to_string(at->port()); }
  [[nodiscard]] outcome curl(const std::string& arguments, const std::string& trusted = "first") const {
    return shell("curl -sS -m 20 --cacert '" + here.path(trusted + ".crt").string() + "' -H 'Authorization: Bearer " +
                 at->admin() + "' " + arguments);
  }
  [[nodiscard]] outcome handshake(const std::string& options) const {
    return shell("openssl s_client -connect 127.0.0.1:" + std::to_string(at->port()) + " " + options + " < /dev/null");
  }
};

}  // namespace

TEST_CASE("over TLS everything goes as without: kept connections, large bodies, streams") {
  if (lacks_tools()) return;
  const secured s;
  CHECK(has(text_of(s.at->told().at("listening")), "https://127.0.0.1:"));
  CHECK(has(s.curl(s.base() + "/healthz").out, "ok"));
  const auto kept = s.curl("-v " + s.base() + "/healthz " + s.base() + "/openapi.json " + s.base() + "/readyz");
  CHECK(kept.code == 0);
  CHECK(has(kept.out, "Re-using existing connection"));
  CHECK(s.curl("--compressed " + s.base() + "/openapi.json").out == s.curl(s.base() + "/openapi.json").out);

  const auto tasks = "do:\n  - a:\n      set: {x: 1}\n  - b:\n      wait: {milliseconds: 300}\n";
  s.here.write("put.yaml", std::string{"document: {dsl: '1.0.3', namespace: default, name: put, version: 1.0.0}\n"} + tasks);
  CHECK(has(s.curl("-X PUT " + s.base() + "/api/v1/workflows/put -H 'Content-Type: application/yaml' --data-binary @'" +
                   s.here.path("put.yaml").string() + "'")
                .out,
            "1.0.0"));
  s.here.write("large.json", R"({"workflow":"put","input":")" + std::string(3'000'000, 'x') + "\"}");
  const auto begun = s.curl(s.base() + "/api/v1/runs -H 'Content-Type: application/json' -H 'Expect:' --data-binary @'" +
                            s.here.path("large.json").string() + "'");
  REQUIRE(begun.code == 0);
  const auto run = text_of(payload::parse_text(begun.out).value().value().at("run_id"));
  const auto events = s.curl("-N -H 'Accept: text/event-stream' " + s.base() + "/api/v1/runs/" + run + "/events");
  CHECK(events.code == 0);
  CHECK(has(events.out, "event: run_ended"));
  CHECK(s.curl(s.base() + "/api/v1/runs/" + run).out.size() > 3'000'000);
}

TEST_CASE("TLS before 1.2 is refused, and who speaks plainly is told") {
  if (lacks_tools()) return;
  const secured s{{"--header-time", "500ms"}};
  CHECK(has(s.handshake("-tls1_2").out, "TLSv1.2"));
  CHECK(has(s.handshake("-tls1_3").out, "TLSv1.3"));
  CHECK(s.handshake("-tls1_1 -cipher DEFAULT@SECLEVEL=0").code != 0);
  CHECK(s.handshake("-tls1 -cipher DEFAULT@SECLEVEL=0").code != 0);
  CHECK(s.handshake("-tls1_2 -cipher AES128-SHA256").code != 0);  // without forward secrecy
  CHECK(has(s.handshake("-alpn h2,http/1.1").out, "ALPN protocol: http/1.1"));
  http_connection plain{s.at->port()};
  plain.send(http_request("GET", "/healthz"));
  const auto told = plain.read();
  CHECK(told.status == 400);
  CHECK(has(told.body, "https"));
  // Handshakes that never come to an end hold nobody up, and are given up.
  std::vector<std::unique_ptr<http_connection>> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(std::make_unique<http_connection>(s.at->port()));
    if (i % 2 == 0) silent.back()->send("\x16\x03\x01");
  }
  CHECK(s.curl(s.base() + "/healthz").code == 0);
  for (const auto& each : silent) CHECK(each->ends(5s));
}

TEST_CASE("a renewed certificate is shown to new connections, and a bad one leaves the old") {
  if (lacks_tools()) return;
  const secured s;
  s.make("second");
  CHECK(s.curl(s.base() + "/healthz", "second").code != 0);
  const auto replace = [&](const std::string& name) {
    std::filesystem::copy_file(s.here.path(name + ".key"), s.key, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::copy_file(s.here.path(name + ".crt"), s.certificate, std::filesystem::copy_options::overwrite_existing);
  };
  replace("second");
  s.at->node().signal(SIGHUP);
  CHECK(workplace::eventually([&] { return s.curl(s.base() + "/healthz", "second").code == 0; }, 10s));
  CHECK(s.curl(s.base() + "/healthz").code != 0);
  s.here.write("server.crt", "no certificate");
  std::this_thread::sleep_for(1500ms);
  CHECK(s.curl(s.base() + "/healthz", "second").code == 0);
  s.at->node().signal(SIGTERM);
  CHECK(has(s.at->node().finish().err, "the old one stays"));
}

TEST_CASE("files of TLS that are missing or do not belong together are told before anything is served") {
  if (lacks_tools()) return;
  const secured s;
  s.make("other");
  const workplace elsewhere;
  const auto with = [&](const std::string& certificate, const std::string& key) {
    return elsewhere.call({"serve", "--listen", "0.0.0.0:0", "--tls-cert", certificate, "--tls-key", key});
  };
  CHECK(has(with(s.certificate, s.here.path("other.key").string()).err, "no private key of this certificate"));
  const auto missing = with("none.crt", "none.key");
  CHECK(missing.code == 1);  // not 2: an address that others reach is fine with TLS
  CHECK(has(missing.err, "none.crt"));
  CHECK(elsewhere.call({"serve", "--listen", "127.0.0.1:0", "--tls-cert", s.certificate}).code == 2);
  CHECK(!std::filesystem::exists(elsewhere.path("data")));
}
