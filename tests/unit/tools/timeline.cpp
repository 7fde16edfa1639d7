#include "tools/view/timeline.hpp"

#include "support/catch.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/timeline_text.hpp"
#include "tools/view/time_axis.hpp"
#include "tools/view/timeline_svg.hpp"
#include "unit/tools/teller.hpp"

using namespace std::chrono_literals;
using namespace perdure;
using namespace perdure::core;
using namespace perdure::tools;
using test::json_payload;
using doing = timeline::doing;

namespace {

/// A run told event by event, each at a time of its own.
struct story {
  test::teller run;
  timeline_reader reader;
  timestamp begin = run.now;

  void at(duration when, const event& what) {
    run.now = begin + when - 1s;  // the teller adds one
    reader.add(run.event(what));
  }
  void start(std::string executor = "first") {
    at(0s, run_started{.workflow = "work", .version = "1.0.0", .input = json_payload("1"), .start = std::move(executor)});
  }
  [[nodiscard]] timeline read(duration now) const { return reader.read(begin + now); }
};

turn sleeps(activation_id id, duration from, duration until, timestamp begin) {
  turn out{.activation = id, .attempt = 1};
  out.issued.push_back({.ordinal = 0, .kind = step_kind::sleep, .due = begin + until});
  out.waits = true;
  (void)from;
  return out;
}

turn ends(activation_id id, activation_id next = 0, std::string executor = {}) {
  turn out{.activation = id, .attempt = 1, .finished = true};
  if (next != 0) {
    out.outputs.push_back({.kind = output_kind::message, .name = "m", .value = json_payload("1")});
    out.activations.push_back({.id = next, .executor = std::move(executor), .message = "m", .output = 0});
  }
  return out;
}

output scope(output_kind kind, std::uint32_t number, std::string reference, std::uint32_t attempt = 1) {
  auto name = reference.substr(reference.rfind('/') + 1);
  return {.kind = kind,
          .name = std::move(name),
          .reference = std::move(reference),
          .value = json_payload("null"),
          .number = number,
          .attempt = attempt};
}

std::vector<std::pair<doing, duration>> lengths(const timeline::row& of) {
  std::vector<std::pair<doing, duration>> out;
  for (const auto& each : of.spans) out.emplace_back(each.what, each.to - each.from);
  return out;
}

using spans = std::vector<std::pair<doing, duration>>;

/// Widest line of a text.
std::size_t width_of(const std::string& text) {
  std::size_t widest = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    widest = std::max(widest, cli::display_width(std::string_view{text}.substr(at, end - at)));
    at = end + 1;
  }
  return widest;
}

/// Well-formed as far as tags and quotes go; enough to see that nothing breaks out of its place.
bool balanced(const std::string& xml) {
  std::vector<std::string> open;
  for (std::size_t at = xml.find('<'); at != std::string::npos; at = xml.find('<', at + 1)) {
    const auto end = xml.find('>', at);
    if (end == std::string::npos) return false;
    const auto tag = xml.substr(at + 1, end - at - 1);
    if (tag.find('<') != std::string::npos || std::count(tag.begin(), tag.end(), '"') % 2 != 0) return false;
    if (tag.front() == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  return open.empty();
}

}  // namespace

TEST_CASE("a timeline has each executor's work and waits with their lengths") {
  story of;
  of.start();
  of.at(2s, sleeps(1, 2s, 9s, of.begin));
  of.at(9s, step_completed{.activation = 1, .ordinal = 0});
  of.at(10s, ends(1, 2, "second"));
  of.at(12s, ends(2));
  of.at(12s, run_ended{.status = run_status::succeeded, .output = json_payload("1")});
  const auto read = of.read(100s);
  REQUIRE(read.rows.size() == 2);
  CHECK(read.rows[0].name == "first");
  CHECK(lengths(read.rows[0]) == spans{{doing::running, 2s}, {doing::waiting, 7s}, {doing::running, 1s}});
  CHECK(read.rows[0].status == "succeeded");
  CHECK(lengths(read.rows[1]) == spans{{doing::running, 2s}});
  CHECK(read.rows[1].from == of.begin + 10s);
  CHECK(read.whole.took() == 12s);
  CHECK_FALSE(read.whole.open);
}

TEST_CASE("each try of an executor is a span of its own, with the failure between and the pause before the next") {
  story of;
  of.start();
  of.at(3s,
        attempt_failed{.activation = 1, .attempt = 1, .error = {.code = "busy", .message = "later"}, .retry_at = of.begin + 5s});
  of.at(5s, attempt_started{.activation = 1, .attempt = 2});
  of.at(6s, ends(1));
  of.at(6s, run_ended{.status = run_status::succeeded});
  const auto read = of.read(6s);
  REQUIRE(read.rows.size() == 1);
  const auto& row = read.rows[0];
  CHECK(lengths(row) == spans{{doing::running, 3s}, {doing::retrying, 2s}, {doing::running, 1s}});
  CHECK(row.spans[0].attempt == 1);
  CHECK(row.spans[2].attempt == 2);
  CHECK(row.failures == std::vector<timestamp>{of.begin + 3s});
  CHECK(row.attempts == 2);
  const auto text = cli::render_timeline(read, 100);
  CHECK(text.find("first ×2") != std::string::npos);
  CHECK(text.find("✗") != std::string::npos);
}

TEST_CASE("a run that still runs reaches to now, also when now is before its last event") {
  story of;
  of.start();
  of.at(4s, sleeps(1, 4s, 60s, of.begin));
  auto read = of.read(30s);
  CHECK(read.whole.open);
  CHECK(read.whole.took() == 30s);
  CHECK(lengths(read.rows[0]) == spans{{doing::running, 4s}, {doing::waiting, 26s}});
  CHECK(cli::render_timeline(read, 80).find("▶") != std::string::npos);
  CHECK(of.read(-10s).whole.took() == 4s);
}

TEST_CASE("tasks of a document stand under the tasks they are part of, and a try again is one row") {
  story of;
  of.start();
  turn first{.activation = 1, .attempt = 1};
  first.outputs = {scope(output_kind::scope_start, 1, "/do/0/outer"),
                   scope(output_kind::scope_start, 2, "/do/0/outer/try/0/inner"),
                   scope(output_kind::scope_end, 2, "/do/0/outer/try/0/inner")};
  first.outputs.back().error = failure{.code = "runtime", .message = "no"};
  first.issued.push_back({.ordinal = 0, .kind = step_kind::sleep, .due = of.begin + 5s});
  first.waits = true;
  of.at(1s, first);
  of.at(5s, step_completed{.activation = 1, .ordinal = 0});
  turn again{.activation = 1, .attempt = 1};
  again.outputs = {scope(output_kind::scope_start, 3, "/do/0/outer/try/0/inner", 2)};
  of.at(5s, again);
  turn last{.activation = 1, .attempt = 1, .finished = true};
  last.outputs = {scope(output_kind::scope_end, 3, "/do/0/outer/try/0/inner", 2),
                  scope(output_kind::scope_end, 1, "/do/0/outer")};
  of.at(8s, last);
  of.at(8s, run_ended{.status = run_status::succeeded});
  const auto read = of.read(8s);
  REQUIRE(read.rows.size() == 2);
  CHECK(read.rows[0].name == "outer");
  CHECK(read.rows[0].depth == 0);
  CHECK(read.rows[1].name == "inner");
  CHECK(read.rows[1].depth == 1);
  CHECK(read.rows[1].attempts == 2);
  CHECK(lengths(read.rows[1]).back() == std::pair<doing, duration>{doing::running, 3s});
  CHECK(read.rows[1].spans.front().what == doing::retrying);
  CHECK(read.rows[1].failures.size() <= 1);
}

TEST_CASE("a task that begins and ends in one event stands where it was, with no length") {
  // It had neither span nor end: "-20785d 23h", no bar, the end of 1970, and a beginning that moved with each later event.
  story of;
  of.start();
  turn first{.activation = 1, .attempt = 1};
  first.outputs = {scope(output_kind::scope_start, 1, "/do/0/before"), scope(output_kind::scope_end, 1, "/do/0/before"),
                   scope(output_kind::scope_start, 2, "/do/1/wrong"), scope(output_kind::scope_end, 2, "/do/1/wrong"),
                   scope(output_kind::scope_start, 3, "/do/2/after")};
  first.outputs[3].error = failure{.code = "runtime", .message = "no"};
  of.at(2s, first);
  turn last{.activation = 1, .attempt = 1, .finished = true};
  last.outputs = {scope(output_kind::scope_end, 3, "/do/2/after")};
  of.at(8s, last);
  of.at(8s, run_ended{.status = run_status::succeeded});
  const auto read = of.read(8s);
  REQUIRE(read.rows.size() == 3);
  CHECK(read.rows[0].name == "before");
  CHECK(read.rows[0].status == "succeeded");
  CHECK(read.rows[0].from == of.begin + 2s);
  CHECK(read.rows[0].to == of.begin + 2s);
  CHECK(lengths(read.rows[0]) == spans{{doing::running, 0s}});
  CHECK_FALSE(read.rows[0].open);
  CHECK(read.rows[0].failures.empty());
  CHECK(read.rows[1].name == "wrong");
  CHECK(read.rows[1].failures == std::vector<timestamp>{of.begin + 2s});
  CHECK(read.rows[2].name == "after");
  CHECK(lengths(read.rows[2]) == spans{{doing::running, 6s}});
  const auto text = cli::render_timeline(read, 100);
  CHECK(text.find('-') == std::string::npos);
  const auto line = text.substr(text.find("before"));
  CHECK(line.substr(0, line.find('\n')).find("▏") != std::string::npos);
}

TEST_CASE("when there are more rows than wanted, failed and open ones stay, then the longest, and the rest is counted") {
  timeline what;
  what.whole = {.name = "run", .status = "running", .to = timestamp{100s}, .open = true};
  for (int i = 0; i < 50; ++i) {
    timeline::row row{
        .name = "e" + std::to_string(i), .status = "succeeded", .from = timestamp{0s}, .to = timestamp{std::chrono::seconds{i}}};
    if (i == 3) row.status = "failed";
    if (i == 5) row.open = true;
    row.spans.push_back({doing::running, row.from, row.to, 1});
    what.rows.push_back(row);
  }
  what.keep(4);
  CHECK(what.left_out == 46);
  std::vector<std::string> names;
  for (const auto& each : what.rows) names.push_back(each.name);
  CHECK(names == std::vector<std::string>{"e3", "e5", "e48", "e49"});
  CHECK(cli::render_timeline(what, 80).find("46 shorter ones") != std::string::npos);
  CHECK(timeline_svg(what).find("46 shorter ones") != std::string::npos);
  what.keep(100);
  CHECK(what.rows.size() == 4);
}

TEST_CASE("text timelines fit the width, whatever the names and lengths are") {
  for (const auto length : {duration{0}, duration{1}, duration{37ms}, duration{90s}, duration{26h}, duration{24h * 900}}) {
    timeline what;
    what.workflow = "w";
    what.whole = {.name = "run", .status = "succeeded", .to = timestamp{length}};
    what.whole.spans.push_back({doing::running, timestamp{}, timestamp{length}, 1});
    for (const auto* name : {"short", "a name that is longer than any column could ever be, and then some more of it",
                             "日本語の名前がとても長い", "tab\tand\nline"}) {
      timeline::row row{
          .name = name, .status = "timed_out", .attempts = 3, .depth = 4, .from = timestamp{length}, .to = timestamp{length}};
      row.spans.push_back({doing::running, row.from, row.to, 3});
      row.failures.push_back(row.to);
      what.rows.push_back(row);
    }
    // All that a legend can have, and rows that were left out.
    timeline::row all{.name = "all", .status = "cancelled", .to = timestamp{length}, .open = true};
    int quarter = 0;
    for (const auto each : {doing::pending, doing::waiting, doing::retrying, doing::paused}) {
      all.spans.push_back({each, timestamp{length * quarter / 4}, timestamp{length * (quarter + 1) / 4}, 1});
      ++quarter;
    }
    what.rows.push_back(all);
    what.left_out = 12'345;
    for (const std::size_t width : {40U, 59U, 60U, 80U, 133U, 300U}) {
      const auto text = cli::render_timeline(what, width);
      INFO(length.count() << "us at " << width << "\n" << text);
      CHECK(width_of(text) <= width);
      CHECK(text.find('\t') == std::string::npos);
    }
    CHECK(balanced(timeline_svg(what)));
  }
}

TEST_CASE("an executor that is much shorter than a column is still seen") {
  timeline what;
  what.whole = {.name = "run", .status = "succeeded", .to = timestamp{24h}};
  what.whole.spans.push_back({doing::running, timestamp{}, timestamp{24h}, 1});
  timeline::row row{.name = "blink", .status = "succeeded", .from = timestamp{12h}, .to = timestamp{12h + 1ms}};
  row.spans.push_back({doing::running, row.from, row.to, 1});
  what.rows.push_back(row);
  const auto text = cli::render_timeline(what, 100);
  const auto line = text.substr(text.find("blink"));
  CHECK(line.substr(0, line.find('\n')).find("▏") != std::string::npos);
}

TEST_CASE("a picture keeps names of all sorts as text, without breaking its XML") {
  timeline what;
  what.workflow = "<script>alert(\"1\")</script> & 'more'";
  what.run = "id";
  what.whole = {.name = "run", .status = "failed", .to = timestamp{10s}};
  what.whole.spans.push_back({doing::running, timestamp{}, timestamp{10s}, 1});
  timeline::row row{.name = "a\x01\x1b[31m\xff]]>\"<x/>", .status = "failed", .from = timestamp{1s}, .to = timestamp{2s}};
  row.spans.push_back({doing::waiting, row.from, row.to, 1});
  row.failures.push_back(row.to);
  what.rows.push_back(row);
  const auto svg = timeline_svg(what);
  CHECK(balanced(svg));
  CHECK(svg.find("<script") == std::string::npos);
  CHECK(svg.find("&lt;script&gt;") != std::string::npos);
  CHECK(svg.find('\x1b') == std::string::npos);
  CHECK(svg.find('\x01') == std::string::npos);
  CHECK(svg == timeline_svg(what));
}

TEST_CASE("lengths are rounded to what can be read off a bar") {
  CHECK(rounded(37us) == 37us);
  CHECK(rounded(827'684us) == 828ms);
  CHECK(rounded(7'457'100us) == 7'460ms);
  CHECK(rounded(12'345ms) == 12'300ms);
  CHECK(rounded(95s) == 95s);
  CHECK(rounded(999'700us) == 1s);
}

TEST_CASE("a time axis has round marks, as many as fit") {
  const auto texts = [](duration length, std::size_t most) {
    std::string out;
    for (const auto& each : marks_of(length, most)) out += (out.empty() ? "" : " ") + each.text;
    return out;
  };
  CHECK(texts(12s, 7) == "0 2s 4s 6s 8s 10s 12s");
  CHECK(texts(3500us, 5) == "0 1ms 2ms 3ms");
  CHECK(texts(24h, 5) == "0 6h 12h 18h 1d");
  CHECK(texts(0s, 5) == "0");
  CHECK(texts(95s, 4) == "0 1m");
  for (const auto length : {duration{1}, duration{999ms}, duration{59s}, duration{61min}, duration{24h * 40'000}}) {
    for (const std::size_t most : {2U, 5U, 10U}) CHECK(marks_of(length, most).size() <= most);
  }
}
