// Requests from anybody: whatever bytes a client sends to a whole server, each answer is well-formed HTTP with a request id,
// errors have their shape, and the server is there afterwards.
//
// With PERDURE_LIBFUZZER this file is a libFuzzer target; else a test that changes the seeds in a random but repeatable way.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "support/http_client.hpp"
#include "support/temp_directory.hpp"
#include "tools/gateway/service.hpp"

namespace {

using perdure::test::http_connection;
using namespace std::chrono_literals;

/// A node with one workflow, served from this process.
class target {
 public:
  [[nodiscard]] std::uint16_t port() const { return service_->port(); }
  [[nodiscard]] const std::string& key() const { return key_; }
  target() {
    std::filesystem::create_directory(directory_.path() / "flows");
    std::ofstream{directory_.path() / "flows" / "brief.yaml"}
        << "document: {dsl: '1.0.3', namespace: default, name: brief, version: 1.0.0}\ndo:\n  - a: {set: {x: 1}}\n";
    perdure::tools::gateway::service_options how;
    how.data = directory_.path() / "data";
    how.workflows = directory_.path() / "flows";
    how.port = 0;
    how.limits.header_time = how.limits.body_time = how.limits.write_time = 500ms;
    how.limits.linger_time = 50ms;
    how.log = [](const perdure::log_record&) {};
    auto started = perdure::tools::gateway::service::start(std::move(how));
    if (!started) throw std::runtime_error(started.error().message);
    service_ = std::move(*started);
    std::ifstream{directory_.path() / "data" / "admin.key"} >> key_;
  }

 private:
  perdure::test::temp_directory directory_;
  std::unique_ptr<perdure::tools::gateway::service> service_;
  std::string key_;
};

/// What is wrong with an answer; empty = nothing.
std::string wrong_with(const perdure::test::http_answer& answer) {
  if (answer.status < 100 || answer.status > 599) return "status " + std::to_string(answer.status);
  if (answer.status == 100) return {};
  if (answer.header("x-request-id").empty()) return "no request id";
  for (const auto& [name, value] : answer.headers) {
    const auto plain = [](unsigned char c) { return c >= 0x20 && c != 0x7F; };
    if (name.empty() || !std::all_of(value.begin(), value.end(), plain)) return "header " + name + " is malformed";
  }
  if (answer.status < 400 || answer.body.empty()) return {};
  const auto read = perdure::payload::parse_text(answer.body);
  const auto value = read ? read->value() : perdure::json::value{};
  if (!value.is_object()) return "an error that is no JSON object: " + answer.body;
  const auto& body = value.get_object();
  if (!body.contains("code") && !body.contains("error")) return "an error without a code: " + answer.body;
  return {};
}

/// Sends the bytes, with KEY in them a good key, and nothing more; reads all that comes.
std::string complaint(const target& server, std::string bytes) {
  for (auto at = bytes.find("KEY"); at != std::string::npos; at = bytes.find("KEY", at)) bytes.replace(at, 3, server.key());
  http_connection to{server.port()};
  if (!to.open()) return "the server takes no connection";
  to.send(bytes);
  to.half_close();
  for (int answers = 0; answers < 100; ++answers) {
    const auto head = to.read_head(3s);
    if (head.status == 0) break;
    // What follows the head of an answer to HEAD, or of a stream, cannot be told without knowing the request.
    if (const auto wrong = wrong_with(head); !wrong.empty()) return wrong;
    const bool bodyless = head.status == 100 || head.status == 204 || bytes.find("HEAD") != std::string::npos;
    if (bodyless || head.header("transfer-encoding") == "chunked") {
      if (head.status == 100) continue;
      break;
    }
    auto whole = head;
    whole.body = to.read_body(static_cast<std::size_t>(std::atoll(head.header("content-length").c_str())));
    if (const auto wrong = wrong_with(whole); !wrong.empty()) return wrong;
  }
  if (!to.unread().empty() && !to.unread().starts_with("HTTP/1.") && bytes.find("HEAD") == std::string::npos &&
      to.unread().find("\r\n") != std::string::npos && bytes.find("stream") == std::string::npos)
    return "more bytes than the answer has: " + to.unread().substr(0, 100);
  http_connection after{server.port()};
  after.send(perdure::test::http_request("GET", "/healthz"));
  return after.read(5s).status == 200 ? "" : "the server is not there any more";
}

}  // namespace

#ifdef PERDURE_LIBFUZZER

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const target server;
  if (!complaint(server, {reinterpret_cast<const char*>(bytes), size}).empty()) __builtin_trap();
  return 0;
}

#else

#include "support/catch.hpp"
#include "support/seed.hpp"

namespace {

std::vector<std::string> seeds() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(PERDURE_SOURCE_DIR) / "tests/fuzz/seeds/requests"))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> out;
  for (const auto& file : files) out.push_back(perdure::test::slurp(file));
  return out;
}

/// One small change; `other` gives bytes to mix in.
void change(std::string& text, const std::string& other, std::mt19937_64& chance) {
  const auto below = [&](std::size_t n) { return n == 0 ? std::size_t{0} : static_cast<std::size_t>(chance() % n); };
  constexpr std::string_view pieces[] = {"\r\n",
                                         "\r\n\r\n",
                                         "\n",
                                         ": ",
                                         " ",
                                         "%00",
                                         "%2F",
                                         "%zz",
                                         "/",
                                         "?",
                                         "&",
                                         "=",
                                         "{",
                                         "}",
                                         "[",
                                         "\"",
                                         "..",
                                         "//",
                                         "\t",
                                         "0",
                                         "-1",
                                         "HTTP/1.0",
                                         "HTTP/9.9",
                                         "Content-Length: 5\r\n",
                                         "Transfer-Encoding: chunked\r\n",
                                         "Expect: 100-continue\r\n",
                                         "Connection: close\r\n",
                                         "\xFF",
                                         "\\u0000",
                                         "99999999999999999999"};
  const auto at = below(text.size() + 1);
  switch (below(6)) {
    case 0: text.erase(at, 1 + below(20)); break;
    case 1: text.insert(at, pieces[below(std::size(pieces))]); break;
    case 2:
      if (at < text.size()) text[at] = static_cast<char>(chance());
      break;
    case 3: text.insert(at, text.substr(below(text.size()), below(80))); break;
    case 4: text.insert(at, other.substr(below(other.size()), below(200))); break;
    default: text.resize(at);
  }
}

}  // namespace

TEST_CASE("changed requests are answered as HTTP has it, or not at all, and the server stays") {
  const auto texts = seeds();
  REQUIRE(texts.size() >= 8);
  const target server;
  for (const auto& text : texts) {
    CAPTURE(text);
    CHECK(complaint(server, text) == "");
  }
  std::mt19937_64 chance{perdure::test::session_seed()};
  for (int round = 0; round < 500; ++round) {
    auto text = texts[chance() % texts.size()];
    for (auto changes = 1 + chance() % 4; changes > 0; --changes) change(text, texts[chance() % texts.size()], chance);
    const auto wrong = complaint(server, text);
    if (wrong.empty()) continue;
    CAPTURE(round, text);
    FAIL(wrong);
  }
}

#endif
