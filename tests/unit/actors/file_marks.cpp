// Files that were handed in: what stands for them, where their paths are put in, and that those do not come back out.
#include "actors/capabilities/file_marks.hpp"

#include "support/catch.hpp"

using namespace perdure;
using namespace perdure::actors;

namespace {

const std::string sha(64, 'a');
const std::string path = "/srv/data/files/acme/content/" + sha;

std::shared_ptr<file_marks> marks(const std::string& key = std::string(32, 'k')) {
  return std::make_shared<file_marks>("/srv/data/files", [key]() -> result<std::string> { return key; });
}

/// Answers with what it was asked.
class parrot : public capability {
 public:
  void start(capability_request request) override {
    asked = request.spec.value();
    if (fails) return request.done({.error = failure{.code = "process", .message = "no " + std::string{request.spec.text()}}});
    request.done({.value = request.spec});
  }
  void stop_all() override {}
  json::value asked;
  bool fails = false;
};

}  // namespace

TEST_CASE("a mark holds no path, becomes one where it stands in a text, and foreign ones stay") {
  const auto book = marks();
  const auto mark = *book->mark_of("acme", sha);
  CHECK(mark.find("/srv") == std::string::npos);
  CHECK(mark == *book->mark_of("acme", sha));
  CHECK(mark != *book->mark_of("other", sha));
  auto forged = mark;
  forged[forged.size() - 3] = forged[forged.size() - 3] == '0' ? '1' : '0';
  const auto put = [&](file_marks& by, const std::string& text) {
    json::value value{{"list", {text, 1}}};
    std::vector<file_marks::used> used;
    REQUIRE(by.put_in(value, used));
    return value.at("list").at(0);
  };
  CHECK(put(*book, mark) == json::value(path));
  CHECK(put(*book, "cat '" + mark + "' " + mark) == json::value("cat '" + path + "' " + path));
  CHECK(put(*book, forged + mark) == json::value(forged + path));
  CHECK(put(*marks(std::string(32, 'x')), mark) == json::value(mark));
  for (const std::string odd : {"{{perdure-file:", "{{perdure-file:}}", "{{perdure-file:a:b}}", "{{perdure-file:a/../../b:0}}"})
    CHECK(put(*book, odd) == json::value(odd));
}

TEST_CASE("a capability gets paths, and what comes back of them is marks again") {
  const auto inner = std::make_shared<parrot>();
  const auto book = marks();
  const auto mark = *book->mark_of("acme", sha);
  const auto door = with_files(book, inner);
  core::outcome end;
  const auto call = [&](const json::value& spec) {
    door->start({.spec = payload{spec}, .done = [&](core::outcome out) { end = std::move(out); }});
  };
  const json::value spec{{"arguments", {mark, "x"}}, {"n", 1}};
  call(spec);
  CHECK(inner->asked.at("arguments").at(0) == json::value(path));
  CHECK(end.value.value() == spec);
  inner->fails = true;
  call(spec);
  REQUIRE(end.error);
  CHECK(end.error->message.find("/srv") == std::string::npos);
  CHECK(end.error->message.find(mark) != std::string::npos);
  inner->fails = false;
  call(json::value{{"arguments", {"plain"}}});
  CHECK(inner->asked == json::value{{"arguments", {"plain"}}});
}

TEST_CASE("without the key nothing is begun; a job's spec gets paths") {
  const auto none = std::make_shared<file_marks>("/srv", []() -> result<std::string> {
    return error{errc::io_error, "no disk"};
  });
  const auto mark = *marks()->mark_of("acme", sha);
  const auto inner = std::make_shared<parrot>();
  core::outcome end;
  with_files(none, inner)->start({.spec = payload{json::value(mark)}, .done = [&](core::outcome out) { end = std::move(out); }});
  REQUIRE(end.error);
  CHECK(inner->asked.is_null());
  CHECK(with_paths(*none, payload{json::value(mark)}).error().code == errc::io_error);
  CHECK(with_paths(*marks(), payload{json::value(mark)})->value() == json::value(path));
  CHECK(with_paths(*none, payload{json::value(1)})->value() == json::value(1));
}
