// The HTTP backend against a service that misbehaves: what each of its answers means for the job.
#include "actors/backends/http_backend.hpp"

#include <future>

#include "core/hmac.hpp"
#include "perdure/backend_file.hpp"
#include "support/catch.hpp"
#include "support/remote_service.hpp"

using namespace std::chrono_literals;
using namespace perdure;
using test::remote_service;
using test::server_request;
using test::server_response;

namespace {

using answer = std::optional<server_response>;

/// A service, and a backend that speaks to it; calls wait for their answer.
struct desk {
  remote_service service;
  std::vector<std::string> log;
  std::shared_ptr<backend> at;

  void open(const std::string& more = "") {
    auto opened = read_backend(service.file(more), "service.yaml",
                               {.secrets = [](const std::string&) { return std::optional{std::string{"sesame-secret"}}; },
                                .log = [this](std::string_view what) { log.emplace_back(what); }});
    if (!opened) UNSCOPED_INFO(opened.error().message);
    REQUIRE(opened.has_value());
    at = opened->what;
  }
  template <class T, class F>
  result<T> wait(F call) {
    auto promise = std::make_shared<std::promise<result<T>>>();
    auto end = promise->get_future();
    call(backend_call{.deadline = std::chrono::steady_clock::now() + 15s},
         backend_answer<T>{[promise](result<T> got) { promise->set_value(std::move(got)); }});
    REQUIRE(end.wait_for(30s) == std::future_status::ready);
    return end.get();
  }
  result<std::string> submit(const std::string& key = "run/e/1/2", const json::value& spec = {{"do", "hangs"}}) {
    return wait<std::string>([&](const backend_call& how, auto done) {
      at->submit({.key = key, .executor = "e", .name = "n", .spec = payload{spec}}, how, std::move(done));
    });
  }
  result<job_report> status(const std::string& id = "job-1") {
    return wait<job_report>([&](const backend_call& how, auto done) { at->status(id, how, std::move(done)); });
  }
  result<void> cancel(const std::string& id = "job-1") {
    return wait<void>([&](const backend_call& how, auto done) { at->cancel(id, how, std::move(done)); });
  }
  result<std::optional<std::string>> find(const std::string& key) {
    return wait<std::optional<std::string>>([&](const backend_call& how, auto done) { at->find(key, how, std::move(done)); });
  }
  result<job_log_page> logs(const std::string& cursor = "", const std::string& id = "job-1") {
    return wait<job_log_page>(
        [&](const backend_call& how, auto done) { at->logs(id, {.cursor = cursor}, how, std::move(done)); });
  }
  result<std::vector<job_artifact>> artifacts(const std::string& id = "job-1") {
    return wait<std::vector<job_artifact>>([&](const backend_call& how, auto done) { at->artifacts(id, how, std::move(done)); });
  }
  result<std::shared_ptr<artifact_reader>> open_artifact(const std::string& name, const std::string& id = "job-1") {
    return wait<std::shared_ptr<artifact_reader>>(
        [&](const backend_call& how, auto done) { at->open_artifact(id, name, how, std::move(done)); });
  }
};

bool is_submit(const server_request& of) { return of.method == "POST" && of.path == "/v1/jobs"; }
bool is_look(const server_request& of) {
  return of.method == "GET" && of.path.starts_with("/v1/jobs/") && of.path.find('/', 9) == std::string::npos;
}

server_response status_of(const std::string& body) { return {.body = body}; }

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a submit carries the key, the credentials and the spec") {
  desk d;
  d.open("headers: {X-Team: blue}\n");
  REQUIRE(d.submit("run/e/1/2").value() == "job-1");
  const auto sent = d.service.server().requests().at(0);
  CHECK(sent.headers.at("idempotency-key") == "run/e/1/2");
  CHECK(sent.headers.at("authorization") == "Bearer sesame-secret");
  CHECK(sent.headers.at("x-team") == "blue");
  CHECK(sent.body == R"({"do":"hangs","meta":{"key":"run/e/1/2"}})");
}

TEST_CASE("what a refusal of a submit means depends on whether the job may be there") {
  const server_response page{.status = 404, .body = "<html>", .headers = {{"Content-Type", "text/html"}}};
  const auto [told, meant] =
      GENERATE_COPY(table<server_response, errc>({{{.status = 400, .body = "{}"}, errc::invalid_argument},
                                                  {{.status = 422}, errc::invalid_argument},
                                                  {{.status = 404}, errc::invalid_argument},
                                                  {page, errc::overloaded},
                                                  {{.status = 401}, errc::overloaded},
                                                  {{.status = 429}, errc::overloaded},
                                                  {{.status = 307}, errc::overloaded},
                                                  {{.status = 302}, errc::io_error},
                                                  {{.status = 408}, errc::io_error},
                                                  {{.status = 409}, errc::io_error},
                                                  {{.status = 500}, errc::io_error},
                                                  {{.status = 503}, errc::io_error},
                                                  {{.status = 200, .body = "<html>hello"}, errc::io_error},
                                                  {{.status = 200, .body = "{}"}, errc::io_error},
                                                  {{.status = 200, .body = R"({"job":{"id":null}})"}, errc::io_error},
                                                  {{.cut = true}, errc::io_error}}));
  desk d;
  d.service.before = [told = told](const server_request&) { return answer{told}; };
  d.open();
  const auto got = d.submit();
  REQUIRE_FALSE(got.has_value());
  INFO(told.status << " " << got.error().message);
  CHECK(to_string(got.error().code) == to_string(meant));
}

TEST_CASE("a service that is not there has surely not accepted the job") {
  desk d;
  d.open();
  std::string file;
  {
    remote_service gone;
    file = gone.file();
  }
  d.at = read_backend(file, "gone.yaml", {.secrets = [](const std::string&) { return std::optional{std::string{"x"}}; }})->what;
  const auto got = d.submit();
  REQUIRE_FALSE(got.has_value());
  CHECK(got.error().code == errc::overloaded);
}

TEST_CASE("a submit that the file's not_accepted names was not accepted") {
  desk d;
  d.service.before = [](const server_request&) { return answer{{.status = 503}}; };
  auto file = d.service.file();
  file.replace(file.find("  id: /job/id"), 0, "  not_accepted: [503]\n");
  d.at =
      read_backend(file, "service.yaml", {.secrets = [](const std::string&) { return std::optional{std::string{"x"}}; }})->what;
  CHECK(d.submit().error().code == errc::overloaded);
}

// libcurl sends a request a second time when a connection that it had kept open breaks before an answer: two jobs.
TEST_CASE("a submit whose connection breaks is sent once, also when it could have used an older connection") {
  desk d;
  std::atomic<int> submits{0};
  d.service.before = [&](const server_request& of) -> answer {
    if (is_submit(of)) {
      ++submits;
      return server_response{.cut = true};
    }
    auto out = status_of(R"({"state":"BUSY"})");
    out.keep = true;
    return out;
  };
  d.open();
  for (int i = 0; i < 3; ++i) {
    CHECK(d.status().has_value());
    CHECK(d.submit().error().code == errc::io_error);
  }
  CHECK(submits == 3);
}

TEST_CASE("a service that is too slow for a submit may have the job") {
  desk d;
  d.service.before = [](const server_request&) { return answer{{.delay_ms = 3'000}}; };
  d.open("");
  auto file = d.service.file();
  file.replace(file.find("timeout_s: 5"), 12, "timeout_s: 1");
  d.at =
      read_backend(file, "service.yaml", {.secrets = [](const std::string&) { return std::optional{std::string{"x"}}; }})->what;
  const auto got = d.submit();
  REQUIRE_FALSE(got.has_value());
  CHECK(got.error().code == errc::timeout);
}

TEST_CASE("an unknown status is reported, not guessed") {
  desk d;
  d.service.after = [](const server_request& of) -> answer {
    if (!is_look(of)) return std::nullopt;
    return status_of(R"({"state":"PONDERING","progress":{"done":-5,"total":-1,"text":7}})");
  };
  d.open();
  const auto got = d.status(d.submit().value());
  REQUIRE(got.has_value());
  CHECK_FALSE(got->status);
  CHECK(got->raw == "PONDERING");
  CHECK_FALSE(got->done);  // it was negative
  CHECK_FALSE(got->total);
  CHECK(got->text == "7");
}

TEST_CASE("progress never goes beyond its whole, and a share becomes a count") {
  desk d;
  const auto [body, done, total] = GENERATE(
      table<std::string, std::uint64_t, std::uint64_t>({{R"({"state":"BUSY","progress":{"done":1e300,"total":10}})", 10, 10},
                                                        {R"({"state":"BUSY","progress":{"done":3.9,"total":10}})", 3, 10}}));
  d.service.after = [body = body](const server_request& of) { return is_look(of) ? answer{status_of(body)} : std::nullopt; };
  d.open();
  const auto got = d.status(d.submit().value());
  REQUIRE(got.has_value());
  CHECK(got->done == done);
  CHECK(got->total == total);
}

TEST_CASE("an answer that is nonsense is an error that is tried again, and never the end of the job") {
  const auto body = GENERATE(std::string{""}, "<html><body>Log in</body></html>", "{\"state\":", "[]", "{\"state\":{}}", "null",
                             "\"DONE\"", std::string(100'000, '['), "{\"state\":\"DONE\"} trailing");
  desk d;
  d.service.after = [&](const server_request& of) { return is_look(of) ? answer{status_of(body)} : std::nullopt; };
  d.open();
  const auto got = d.status(d.submit().value());
  REQUIRE_FALSE(got.has_value());
  CHECK(got.error().code == errc::io_error);
  CHECK(got.error().message.size() < 2'000);
}

TEST_CASE("bytes that are no UTF-8 do not get into a result") {
  desk d;
  d.service.after = [](const server_request& of) -> answer {
    if (!is_look(of)) return std::nullopt;
    return status_of("{\"state\":\"DONE\",\"output\":{\"text\":\"a\xFF\xC0z\"}}");
  };
  d.open();
  const auto got = d.status(d.submit().value());
  REQUIRE(got.has_value());
  CHECK(got->status == job_status::succeeded);
  CHECK(got->result.text() == "{\"text\":\"a\uFFFD\uFFFDz\"}");
}

TEST_CASE("an answer of a gigabyte is cut off, and takes neither memory nor time") {
  desk d;
  d.service.before = [](const server_request&) { return answer{{.body = std::string(1U << 20, 'x'), .body_times = 1'024}}; };
  d.open();
  const auto begin = std::chrono::steady_clock::now();
  const auto submitted = d.submit();
  REQUIRE_FALSE(submitted.has_value());
  CHECK(submitted.error().code == errc::io_error);
  CHECK(has(submitted.error().message, "http_body_bytes"));
  CHECK_FALSE(d.status().has_value());
  CHECK_FALSE(d.logs().has_value());
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("redirects are not followed, so credentials go nowhere else") {
  desk d;
  std::atomic<int> requests{0};
  d.service.before = [&](const server_request&) -> answer {
    ++requests;
    return server_response{.status = 302, .headers = {{"Location", d.service.url("/jobs/other")}}};
  };
  d.open();
  const auto got = d.status("job-1");
  REQUIRE_FALSE(got.has_value());
  CHECK(got.error().code == errc::io_error);
  CHECK(requests == 1);
}

TEST_CASE("an id that leads elsewhere is refused, and the job is not submitted again") {
  const auto id = GENERATE(std::string{".."}, ".", "a\nb", std::string(5'000, 'x'));
  desk d;
  d.service.after = [&](const server_request& of) -> answer {
    if (!is_submit(of)) return std::nullopt;
    return remote_service::json_of({{"job", {{"id", id}}}}, 201);
  };
  d.open();
  const auto got = d.submit();
  REQUIRE_FALSE(got.has_value());
  CHECK(got.error().code == errc::unsupported);  // for good
  CHECK(d.status(id).error().code == errc::not_found);
  CHECK(d.cancel(id).error().code == errc::not_found);
  CHECK(d.service.server().requests().size() == 1);
}

TEST_CASE("an id with slashes, spaces or percent signs stays one part of the address") {
  desk d;
  d.service.id_prefix = "a/../b?c#d %2e&";
  d.open();
  const auto id = d.submit().value();
  CHECK(id == "a/../b?c#d %2e&1");
  CHECK(d.status(id).value().status == job_status::running);
  CHECK(d.cancel(id).has_value());
  CHECK(d.status(id).value().status == job_status::cancelled);
}

TEST_CASE("a job that is unknown right after its submit is not lost, and later it is") {
  desk d;
  d.service.before = [](const server_request& of) -> answer {
    if (is_submit(of)) return std::nullopt;
    return remote_service::json_of({{"error", "?"}}, 404);
  };
  d.open();
  const auto id = d.submit().value();
  CHECK(d.status(id).error().code == errc::io_error);
  CHECK(d.status("older").error().code == errc::not_found);
}

TEST_CASE("a page of a proxy that says 404 does not lose a job") {
  desk d;
  d.service.before = [](const server_request&) {
    return answer{{.status = 404, .body = "<!doctype html><h1>Not found</h1>", .headers = {{"Content-Type", "text/html"}}}};
  };
  d.open();
  CHECK(d.status("older").error().code == errc::io_error);
}

TEST_CASE("a service that asks for patience is left alone for so long") {
  desk d;
  std::atomic<int> requests{0};
  d.service.before = [&](const server_request&) -> answer {
    if (++requests > 1) return std::nullopt;
    return server_response{.status = 429, .headers = {{"Retry-After", "1"}}};
  };
  d.open();
  CHECK(d.submit().error().code == errc::overloaded);
  for (int i = 0; i < 5; ++i) CHECK(d.submit().error().code == errc::overloaded);
  CHECK(d.status().error().code == errc::overloaded);
  CHECK(requests == 1);
  std::this_thread::sleep_for(1'050ms);
  CHECK(d.submit().has_value());
}

TEST_CASE("how long to wait is told by the service's own clock, however wrong that is") {
  using actors::retry_after_of;
  CHECK(retry_after_of({{"retry-after", "7"}}) == 7s);
  CHECK(retry_after_of({{"Retry-After", "-7"}}) == 0s);
  CHECK(retry_after_of({{"Retry-After", "99999999999999999999"}}) == 900s);
  CHECK(retry_after_of({{"Retry-After", "1000000"}}) == 900s);
  CHECK_FALSE(retry_after_of({{"Retry-After", "soon"}}));
  CHECK_FALSE(retry_after_of({}));
  // Its clock is years off; what counts is the difference of its two dates.
  CHECK(retry_after_of({{"Date", "Wed, 01 Jan 2020 00:00:00 GMT"}, {"Retry-After", "Wed, 01 Jan 2020 00:00:30 GMT"}}) == 30s);
  CHECK(retry_after_of({{"Date", "Fri, 01 Jan 2100 00:00:00 GMT"}, {"Retry-After", "Fri, 01 Jan 2100 00:01:00 GMT"}}) == 60s);
  CHECK(retry_after_of({{"Date", "Fri, 01 Jan 2100 00:00:00 GMT"}, {"Retry-After", "Wed, 01 Jan 2020 00:00:30 GMT"}}) == 0s);
}

TEST_CASE("a check tells when the service's clock is wrong") {
  desk d;
  d.service.before = [](const server_request&) {
    return answer{{.body = "{}", .headers = {{"Date", "Wed, 01 Jan 2020 00:00:00 GMT"}}}};
  };
  d.open();
  const auto got = d.wait<std::string>([&](const backend_call& how, auto done) { d.at->check(how, std::move(done)); });
  REQUIRE(got.has_value());
  CHECK(has(*got, "behind ours"));
}

TEST_CASE("a secret that the service repeats is not shown") {
  desk d;
  d.service.before = [](const server_request& of) {
    return answer{{.status = 400, .body = "{\"error\":\"bad token: " + of.headers.at("authorization") + "\"}"}};
  };
  d.open();
  const auto got = d.submit();
  CHECK(has(got.error().message, "bad token"));
  CHECK_FALSE(has(got.error().message, "sesame-secret"));
}

TEST_CASE("a job is found among strangers, in any page, by nothing but its own key") {
  desk d;
  d.service.ignores_filter = true;
  d.open();
  std::string last;
  for (int i = 0; i < 7; ++i) last = d.submit("key/" + std::to_string(i)).value();
  CHECK(d.find("key/6").value() == last);
  CHECK_FALSE(d.find("key/7").value().has_value());
}

TEST_CASE("a list of jobs that never ends is an error, not a job that is not there") {
  desk d;
  std::atomic<int> pages{0};
  d.service.before = [&](const server_request&) {
    return answer{remote_service::json_of({{"items", json::array{}}, {"next", std::to_string(++pages)}})};
  };
  d.open();
  CHECK(d.find("key").error().code != errc::not_found);
  CHECK(pages == 1'000);
}

TEST_CASE("lists of files and pages of logs that never end do not hold anybody up") {
  desk d;
  std::atomic<int> pages{0};
  d.service.before = [&](const server_request& of) -> answer {
    const auto next = std::to_string(++pages);
    if (of.path.ends_with("/files")) return remote_service::json_of({{"files", json::array{}}, {"next", next}});
    return remote_service::json_of({{"lines", json::array{}}, {"next", next}, {"more", true}});
  };
  auto file = d.service.file();
  file.replace(file.find("  name: /name"), 0, "  next: /next\n");
  d.at =
      read_backend(file, "service.yaml", {.secrets = [](const std::string&) { return std::optional{std::string{"x"}}; }})->what;
  CHECK(d.artifacts().error().code == errc::limit_exceeded);
  CHECK(pages <= 1'001);
  CHECK_FALSE(d.logs()->has_more);
}

TEST_CASE("what has ended can be cancelled once more, and a job that cannot be cancelled says so") {
  desk d;
  std::atomic<bool> refuses{false};
  d.service.before = [&](const server_request& of) -> answer {
    if (!refuses || !of.path.ends_with("/cancel")) return std::nullopt;
    return server_response{.status = 400, .body = "{\"error\":\"not now\"}"};
  };
  d.open();
  const auto id = d.submit().value();
  d.service.set(id, "DONE");
  CHECK(d.cancel(id).has_value());  // the service said 409
  d.service.set(id, "BUSY");
  refuses = true;
  CHECK(d.cancel(id).error().code == errc::io_error);
}

TEST_CASE("lines of a log come once each, with a service that ignores the limit and repeats its last page") {
  desk d;
  d.service.before = [](const server_request& of) -> answer {
    if (of.path.find("/logs") == std::string::npos) return std::nullopt;
    return status_of(R"({"lines":[{"text":"a"},{"text":"b\r\n","at":1700000000,"from":"err"},"c"],"next":null})");
  };
  d.open();
  const auto page = [&](const std::string& cursor) {
    return d.wait<job_log_page>(
        [&](const backend_call& how, auto done) { d.at->logs("job-1", {.cursor = cursor, .limit = 2}, how, std::move(done)); });
  };
  const auto first = page("").value();
  REQUIRE(first.lines.size() == 2);
  CHECK(first.lines[1].text == "b");
  CHECK(first.lines[1].stream == "err");
  CHECK(first.lines[1].time == timestamp{1'700'000'000s});
  CHECK(first.has_more);
  const auto second = page(first.next_cursor).value();
  REQUIRE(second.lines.size() == 1);
  CHECK(second.lines[0].text == "c");
  CHECK_FALSE(second.has_more);
  CHECK(page(second.next_cursor).value().lines.empty());
  for (const auto* cursor : {"h", "h.", "x0.", "h0.%zz", "h0.%2", "h99999999999999999999.", "h0./"})
    CHECK(page(cursor).error().code == errc::invalid_argument);
}

TEST_CASE("artifacts whose names lead out of a folder are left out, and nothing else is opened") {
  desk d;
  d.service.before = [](const server_request& of) -> answer {
    if (!of.path.ends_with("/files")) return std::nullopt;
    return status_of(R"({"files":[{"name":"../x","bytes":1},{"name":"/etc/passwd"},{"name":""},{"name":"a/./b"},{"name":7},
                        {"name":"good/one.bin","bytes":-3}]})");
  };
  d.open();
  d.submit().value();
  const auto all = d.artifacts().value();
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "7");
  CHECK(all[1].name == "good/one.bin");
  CHECK(all[1].size_bytes == 0);
  CHECK(d.log.size() == 1);
  CHECK(d.open_artifact("../x").error().code == errc::not_found);
}

TEST_CASE("a file is read in pieces, or whole where the server gives none, also when it is larger than an answer may be") {
  const bool pieces = GENERATE(true, false);
  desk d;
  const std::size_t times = 12;
  const std::string block(1U << 20, 'y');
  d.service.before = [&](const server_request& of) -> answer {
    if (of.path.ends_with("/files")) return status_of(R"({"files":[{"name":"big","bytes":12582912}]})");
    if (!of.path.ends_with("/files/big")) return std::nullopt;
    if (!pieces || !of.headers.contains("range")) return server_response{.body = block, .body_times = times};
    const auto from = std::stoul(of.headers.at("range").substr(6));
    return server_response{
        .status = 206, .body = "piece", .headers = {{"Content-Range", "bytes " + std::to_string(from) + "-/*"}}};
  };
  d.open();
  d.submit().value();
  const auto reader = d.open_artifact("big").value();
  std::string buffer(1'000, '\0');
  const auto got = reader->read(times * block.size() - 10, buffer.data(), buffer.size());
  INFO((got ? std::string{} : got.error().message));
  CHECK(got.value() == (pieces ? 5U : 10U));
  CHECK(buffer.substr(0, 5) == (pieces ? "piece" : "yyyyy"));
}

TEST_CASE("a server that sends another piece than was asked for, or redirects for ever, gives an error") {
  const bool other = GENERATE(true, false);
  desk d;
  std::atomic<int> hops{0};
  d.service.before = [&](const server_request& of) -> answer {
    if (of.path.ends_with("/files")) return status_of(R"({"files":[{"name":"f"}]})");
    if (!of.path.ends_with("/files/f")) return std::nullopt;
    if (other) return server_response{.status = 206, .body = "piece", .headers = {{"Content-Range", "bytes 0-4/5"}}};
    ++hops;
    return server_response{.status = 302, .headers = {{"Location", of.path}}};
  };
  d.open();
  d.submit().value();
  char buffer[8];
  CHECK(d.open_artifact("f").value()->read(2, buffer, sizeof buffer).has_error());
  CHECK(hops <= 11);
}

TEST_CASE("an address of a file on another server gets no credentials, and none in a private network") {
  std::atomic<int> seen{0};
  std::atomic<bool> authorized{false};
  test::http_server other{[&](const server_request& of) {
    ++seen;
    if (of.headers.contains("authorization")) authorized = true;
    return server_response{.status = 206, .body = "data", .headers = {{"Content-Range", "bytes 0-3/4"}}};
  }};
  const bool allowed = GENERATE(true, false);
  desk d;
  d.service.before = [&](const server_request& of) -> answer {
    if (of.path.ends_with("/files")) return status_of(R"({"files":[{"name":"f"}]})");
    if (of.path.ends_with("/files/f")) return remote_service::json_of({{"url", other.url("/signed?token=1")}});
    return std::nullopt;
  };
  auto file = d.service.file();
  const std::string plain = "download: {path: \"/jobs/{id}/files/{name}\"}";
  file.replace(
      file.find(plain), plain.size(),
      "download: {path: \"/jobs/{id}/files/{name}\", url: /url, private_urls: " + std::string{allowed ? "true" : "false"} + "}");
  d.at = read_backend(file, "service.yaml",
                      {.secrets = [](const std::string&) { return std::optional{std::string{"sesame-secret"}}; }})
             ->what;
  d.submit().value();
  char buffer[8];
  const auto got = d.open_artifact("f").value()->read(0, buffer, sizeof buffer);
  CHECK(got.has_value() == allowed);
  CHECK(seen == (allowed ? 1 : 0));
  CHECK_FALSE(authorized);
  if (!got) CHECK_FALSE(has(got.error().message, "token"));
}

TEST_CASE("a spec that has no place for what is put into it is refused") {
  desk d;
  d.open();
  for (const auto& spec : {json::value("text"), json::value(nullptr), json::value{{"do", "ends"}, {"meta", "taken"}}})
    CHECK(d.submit("k", spec).error().code == errc::invalid_argument);
  CHECK(d.service.accepted() == 0);
}

TEST_CASE("without its secret nothing is sent, and the job waits") {
  desk d;
  d.at =
      read_backend(d.service.file(), "service.yaml", {.secrets = [](const std::string&) { return std::optional<std::string>{}; }})
          ->what;
  CHECK(d.submit().error().code == errc::overloaded);
  CHECK(d.service.server().requests().empty());
}

TEST_CASE("a callback counts only with its signature, whatever came with it") {
  desk d;
  std::vector<std::string> told;
  d.open(
      "webhook:\n  url: http://here/callback\n  key: /meta/key\n  id: /id\n  signature: {header: X-Signature, secret: s, prefix: "
      "\"sha256=\"}\n");
  d.at->notify([&](const std::string& key) { told.push_back(key); });
  auto& receiver = dynamic_cast<actors::callback_receiver&>(*d.at);
  const auto sign = [](const std::string& body) {
    std::string hex;
    for (const unsigned char c : core::hmac_sha256("sesame-secret", body)) {
      hex += "0123456789abcdef"[c >> 4U];
      hex += "0123456789ABCDEF"[c & 15U];
    }
    return "sha256=" + hex;
  };
  const std::string body = R"({"id":"job-1","meta":{"key":"run/e/1/2"},"state":"DONE"})";
  const auto send = [&](const std::string& text, const std::string& signature) {
    return receiver.take_callback({.headers = {{"x-signature", signature}}, .query = {}, .body = text});
  };
  CHECK(send(body, sign(body)).has_value());
  CHECK(send(body, sign(body)).has_value());  // once more: one more look
  CHECK(told == std::vector<std::string>{"run/e/1/2", "run/e/1/2"});
  CHECK(send(body, "sha256=00 , " + sign(body)).has_value());
  told.clear();
  CHECK(send(body, "").error().code == errc::invalid_argument);
  CHECK(send(body, sign(body).substr(7)).error().code == errc::invalid_argument);
  CHECK(send(body + " ", sign(body)).error().code == errc::invalid_argument);
  CHECK(send(body, sign(body) + "0").error().code == errc::invalid_argument);
  CHECK(receiver.take_callback({.headers = {}, .query = {}, .body = body}).error().code == errc::invalid_argument);
  // One that names its job by the id that was given to us, and one that names none.
  const std::string by_id = R"({"id":"job-1"})", by_none = "not json";
  CHECK(send(by_id, sign(by_id)).error().code == errc::not_found);
  d.submit("run/e/1/2").value();
  CHECK(send(by_id, sign(by_id)).has_value());
  CHECK(send(by_none, sign(by_none)).error().code == errc::not_found);
  CHECK(told == std::vector<std::string>{"run/e/1/2"});
}
