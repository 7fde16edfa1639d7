// Documents that show a certificate to a server which asks for one: a server of OpenSSL's own program.
#include <iostream>

#include "support/catch.hpp"
#include "support/program.hpp"

using namespace perdure;
using perdure::test::workplace;

namespace {

/// An authority, a server's certificate and a client's, and a server that takes no client without one.
class asking_server {
 public:
  explicit asking_server(const workplace& here) {
    const auto folder = here.path("tls");
    std::filesystem::create_directory(folder);
    const auto script = here.write(
        "tls/serve", "set -e\ncd '" + folder.string() +
                         "'\n"
                         "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2\n"
                         "printf 'subjectAltName=DNS:localhost' > names\n"
                         "for each in server client; do\n"
                         "  openssl req -newkey rsa:2048 -nodes -keyout $each.key -out $each.csr -subj /CN=localhost\n"
                         "  openssl x509 -req -in $each.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $each.pem -days 2 "
                         "-extfile names\n"
                         "done\n"
                         "touch ready\n"
                         "exec openssl s_server -accept 127.0.0.1:0 -cert server.pem -key server.key -CAfile ca.pem -Verify 1 "
                         "-verify_return_error -www > told\n");
    const char* words[] = {"/bin/sh", script.c_str(), nullptr};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    REQUIRE(::posix_spawn(&pid_, words[0], &files, nullptr, const_cast<char**>(words), environ) == 0);
    posix_spawn_file_actions_destroy(&files);
    REQUIRE(workplace::eventually([&] {
      const auto told = test::slurp(folder / "told");
      const auto at = told.find("ACCEPT 127.0.0.1:");
      const auto end = at == std::string::npos ? at : told.find('\n', at);
      if (end != std::string::npos) port_ = told.substr(at + 17, end - at - 17);
      return !port_.empty();
    }));
  }
  ~asking_server() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] std::string url() const { return "https://localhost:" + port_ + "/"; }

 private:
  pid_t pid_ = -1;
  std::string port_;
};

}  // namespace

TEST_CASE("a call with a certificate from a secret is let in where one without is not, and the journal does not hold it") {
  if (std::system("command -v openssl > /dev/null 2>&1") != 0) {
    std::cout << "\nskipped: there is no openssl program" << std::endl;
    return;
  }
  const workplace here;
  const asking_server server{here};
  const auto pem = [&](const std::string& name) { return test::slurp(here.path("tls") / name); };
  const payload secret{json::value{{"certificate", pem("client.pem")}, {"key", pem("client.key")}}};
  ::setenv("PERDURE_SECRET_MINE", std::string{secret.text()}.c_str(), 1);
  ::setenv("PERDURE_CA_FILE", here.path("tls/ca.pem").c_str(), 1);
  const auto call = [&](const std::string& name, const std::string& policy) {
    const auto file =
        here.write(name + ".yaml", "document: {dsl: '1.0.3', namespace: default, name: " + name +
                                       ", version: 1.0.0}\nuse: {secrets: [mine]}\ndo:\n"
                                       "  - a: {call: http, with: {method: get, output: response, endpoint: {uri: '" +
                                       server.url() + "'" + policy + "}}, output: {as: .statusCode}}\n");
    return here.call({"run", file, "--json"}).json();
  };
  CHECK(call("with", ", authentication: {certificate: {use: mine}}").at("output") == 200);
  const auto refused = call("without", "").at("error");
  CHECK(refused.at("type") == "https://serverlessworkflow.io/spec/1.0.0/errors/communication");
  ::unsetenv("PERDURE_CA_FILE");
  CHECK(test::text_of(call("untrusted", ", authentication: {certificate: {use: mine}}").at("error").at("detail"))
            .find("certificate") != std::string::npos);
  ::unsetenv("PERDURE_SECRET_MINE");
  CHECK(test::slurp(here.path("data") / "journal.mdb").find("PRIVATE KEY") == std::string::npos);
}
