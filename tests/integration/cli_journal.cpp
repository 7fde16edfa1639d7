// `perdure journal`: what was recorded, whether it is whole, and whether the code still agrees with it.
#include "support/catch.hpp"
#include "support/program.hpp"

using namespace perdure;
using perdure::test::members_of;
using perdure::test::text_of;
using perdure::test::workplace;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string two_tasks(const workplace& here, const std::string& second = "  - second:\n      run: {shell: {command: echo 2}}\n") {
  return here.document(
      "pair", "  - first:\n      run: {shell: {command: echo 1}}\n  - pause:\n      wait: {milliseconds: 50}\n" + second);
}

std::string run_once(const workplace& here, const std::string& file) {
  return text_of(here.call({"run", file, "--json"}).json().at("run_id"));
}

std::vector<std::filesystem::path> files_of(const workplace& here) {
  std::vector<std::filesystem::path> out;
  for (const auto& each : std::filesystem::recursive_directory_iterator(here.data())) {
    if (each.is_regular_file()) out.push_back(each.path());
  }
  return out;
}

}  // namespace

TEST_CASE("a sound journal verifies, in the stable form") {
  const workplace here;
  run_once(here, two_tasks(here));
  const auto machine = here.call({"journal", "verify", "--json"});
  CHECK(machine.code == 0);
  CHECK(members_of(machine.json()) == std::vector<std::string>{"ok", "runs", "events", "problems"});
  CHECK(machine.json().at("ok") == true);
  CHECK(machine.json().at("runs") == 1);
  CHECK(machine.json().at("events").to_number<int>() >= 4);
  CHECK(has(here.call({"journal", "verify"}).out, "ok"));
}

TEST_CASE("damage is found by verify and named with its run, and the other runs can still be read") {
  const workplace here;
  const auto file = here.document("marked", "  - a:\n      set:\n        text: '${ .mark }'\n");
  const auto good =
      std::string{here.call({"run", file, "--input", R"({"mark":"sound"})", "--json"}).json().at("run_id").as_string()};
  const auto bad =
      std::string{here.call({"run", file, "--input", R"({"mark":"DAMAGEME"})", "--json"}).json().at("run_id").as_string()};
  bool damaged = false;
  for (const auto& path : files_of(here)) {
    auto bytes = test::slurp(path);
    for (auto at = bytes.find("DAMAGEME"); at != std::string::npos; at = bytes.find("DAMAGEME", at)) {
      bytes[at] = 'd';
      damaged = true;
    }
    if (path.extension() != ".yaml") std::ofstream{path, std::ios::binary} << bytes;
  }
  REQUIRE(damaged);
  const auto machine = here.call({"journal", "verify", "--json"});
  CHECK(machine.code == 1);
  CHECK(machine.json().at("ok") == false);
  const auto problems = machine.json().at("problems").as_array();
  REQUIRE_FALSE(problems.empty());
  CHECK(members_of(problems[0]) == std::vector<std::string>{"run_id", "lsn", "what"});
  bool named = false;
  for (const auto& each : problems) named = named || text_of(each.at("run_id")) == bad;
  CHECK(named);
  CHECK(here.call({"runs", "show", good}).code == 0);
  CHECK(here.call({"runs", "show", bad}).code == 1);
  CHECK(here.call({"journal", "export"}).code == 0);
  CHECK(here.call({"run", file, "--input", R"({"mark":"new"})"}).code == 0);
}

TEST_CASE("a run that goes on and whose record is damaged is listed as blocked, keeps its key, and nobody waits for it") {
  // `runs wait --all` waited for events that nobody could read.
  const workplace here;
  const auto file = here.document("long", "  - a:\n      wait: {seconds: 600}\n");
  const std::vector<std::string> start{"run", file, "--key", "K", "--input", R"({"mark":"DAMAGEME"})"};
  auto killed = here.start(start);
  REQUIRE(workplace::eventually([&] { return has(here.call({"runs", "list"}).out, "waiting"); }));
  killed->kill();
  const auto path = here.path("data") / "journal.mdb";
  auto bytes = test::slurp(path);
  for (auto at = bytes.find("DAMAGEME"); at != std::string::npos; at = bytes.find("DAMAGEME", at)) bytes[at] = 'd';
  std::ofstream{path, std::ios::binary} << bytes;
  const auto again = here.call(start);
  CHECK(again.code == 1);
  CHECK(has(again.err, "is damaged"));
  const auto listed = here.call({"runs", "list", "--json"}).json().at("runs").as_array();
  REQUIRE(listed.size() == 1);
  const auto run = text_of(listed[0].at("run_id"));
  const auto shown = here.call({"runs", "show", run, "--json"});
  CHECK(shown.code == 1);
  CHECK(has(text_of(shown.json().at("blocked")), "is damaged"));
  for (const auto& wait : {std::vector<std::string>{"runs", "wait", "--all"}, std::vector<std::string>{"runs", "wait", run}}) {
    const auto waited = here.call(wait);
    CHECK(waited.code == 1);
    CHECK(has(waited.err, "is damaged"));
    CHECK(has(waited.err, run));
  }
}

TEST_CASE("of a run with a damaged record everything before it is shown, with the record that it is, and what to do") {
  // `journal show`, `runs show` and `runs events` of such a run had nothing but an error; and while a node ran, they waited for
  // ever.
  const workplace here;
  const auto file = here.document("long",
                                  "  - first: {run: {shell: {command: echo one}}}\n"
                                  "  - second: {run: {shell: {command: echo DAMAGEME}}}\n"
                                  "  - third: {run: {shell: {command: echo three}}}\n"
                                  "  - fourth: {wait: {seconds: 600}}\n");
  auto killed = here.start({"run", file});
  REQUIRE(workplace::eventually([&] { return has(here.call({"runs", "list"}).out, "wakes"); }));
  killed->kill();
  const auto run = text_of(here.call({"runs", "list", "--json"}).json().at("runs").at(0).at("run_id"));
  const auto sound = test::json_lines(here.call({"runs", "events", run, "--json"}).out);
  const auto path = here.path("data") / "journal.mdb";
  auto bytes = test::slurp(path);
  for (auto at = bytes.find("DAMAGEME"); at != std::string::npos; at = bytes.find("DAMAGEME", at)) bytes[at] = 'd';
  std::ofstream{path, std::ios::binary} << bytes;
  const auto damaged = here.call({"journal", "verify", "--json"}).json().at("problems").at(0).at("lsn").to_number<std::size_t>();

  const auto check = [&](const std::string& where) {
    INFO(where);
    const auto events = here.call({"runs", "events", run, "--json"});
    CHECK(events.code == 1);
    const auto lines = test::json_lines(events.out);
    REQUIRE(lines.size() >= 2);
    REQUIRE(lines.size() < sound.size());
    CHECK(std::equal(lines.begin(), lines.end(), sound.begin()));
    CHECK(sound[lines.size()].at("lsn").to_number<std::size_t>() == damaged);
    const auto name = "record " + std::to_string(damaged) + " is damaged (LSN " + std::to_string(damaged) + ", seq " +
                      std::to_string(lines.size() + 1) + " of the run)";
    CHECK(has(events.err, name));
    const auto shown = here.call({"runs", "show", run, "--json"});
    CHECK(shown.code == 1);
    CHECK(has(text_of(shown.json().at("blocked")), name));
    CHECK(has(text_of(shown.json().at("blocked")), "restore the directory from a copy"));
    CHECK(shown.json().at("status") == "waiting");
    CHECK(text_of(shown.json().at("executors").at(0).at("name")) == "first");
    CHECK(has(here.call({"runs", "show", run}).out, "restore"));
    return lines.size();
  };
  const auto left = check("offline");
  const auto records = here.call({"journal", "show", run, "--json"});
  CHECK(records.code == 1);
  CHECK(test::json_lines(records.out).size() == left);
  const auto table = here.call({"journal", "show", run});
  CHECK(table.code == 1);
  CHECK(has(table.out, "run_started"));
  CHECK(has(table.err, "is damaged"));

  const auto other = here.document("other", "  - a: {wait: {seconds: 600}}\n");
  auto node = here.start({"run", other});
  REQUIRE(workplace::eventually([&] { return here.call({"runs", "list", "--json"}).json().at("runs").as_array().size() == 2; }));
  check("beside a node");
  const auto followed = here.call({"runs", "events", run, "--follow", "--json"});
  CHECK(followed.code == 1);
  CHECK(test::json_lines(followed.out).size() == left);
  node->kill();
}

TEST_CASE("damaged pages of the journal's file are told, whatever they make of those who read them") {
  // LMDB aborts its process, or the process reads outside of the file; `verify` and `export` went with it, without an answer.
  const workplace here;
  const auto file = two_tasks(here);
  for (int i = 0; i < 20; ++i) run_once(here, file);
  const auto sound = test::slurp(here.path("data") / "journal.mdb");
  constexpr std::size_t page = 4096;
  int told = 0;
  for (std::size_t at = 2 * page; at + page <= sound.size(); at += page) {
    // The head of the page: its number, its kind, where its entries begin; then what the entries lead to.
    for (const auto& [offset, with] : {std::pair{10, '\xFF'}, std::pair{12, '\xFF'}, std::pair{16, '\xEE'}}) {
      auto bytes = sound;
      for (int i = 0; i < 2; ++i) bytes[at + static_cast<std::size_t>(offset + i)] = with;
      std::ofstream{here.path("data") / "journal.mdb", std::ios::binary} << bytes;
      const auto verified = here.call({"journal", "verify", "--json"});
      INFO("page " << at / page << ", offset " << offset << ": " << verified.out << verified.err);
      REQUIRE((verified.code == 0 || verified.code == 1));
      if (verified.code == 1) {
        ++told;
        CHECK((!verified.out.empty() ? verified.json().at("ok") == false : has(verified.err, "\"error\"")));
      }
      if (at / page % 5 == 0) CHECK(here.call({"journal", "export"}).code <= 1);
    }
  }
  CHECK(told > 10);
}

TEST_CASE("a large payload that is damaged or gone is found by verify and named with its run") {
  // Verify looked at the records only; the file beside the journal that one of them refers to could be anything.
  const workplace here;
  const auto run = [&](const std::string& letter) {
    const auto file = here.document(
        "long-" + letter,
        "  - a:\n      run:\n        shell:\n          command: head -c 100000 /dev/zero | tr '\\0' " + letter + "\n");
    return text_of(here.call({"run", file, "--json"}).json().at("run_id"));
  };
  run("a");
  const auto bad = run("b");
  CHECK(here.call({"journal", "verify"}).code == 0);
  std::filesystem::path blob;
  for (const auto& path : files_of(here)) {
    if (path.string().find("blobs") != std::string::npos && test::slurp(path).find("bbbb") != std::string::npos) blob = path;
  }
  REQUIRE_FALSE(blob.empty());
  const auto verify_names = [&] {
    const auto machine = here.call({"journal", "verify", "--json"});
    const auto problems = machine.json().at("problems").as_array();
    return machine.code == 1 && !problems.empty() &&
           std::all_of(problems.begin(), problems.end(), [&](const auto& each) { return text_of(each.at("run_id")) == bad; });
  };
  auto bytes = test::slurp(blob);
  bytes[bytes.size() / 2] = 'c';
  std::ofstream{blob, std::ios::binary} << bytes;
  CHECK(verify_names());
  std::filesystem::remove(blob);
  CHECK(verify_names());
}

TEST_CASE("replay of a finished, a waiting and a partly read run agrees") {
  const workplace here;
  const auto run = run_once(here, two_tasks(here));
  const auto machine = here.call({"journal", "replay", run, "--json"});
  CHECK(machine.code == 0);
  const auto report = machine.json();
  CHECK(report.at("agrees") == true);
  CHECK(report.at("attempts") == 1);
  CHECK(report.at("unchecked_attempts") == 0);
  CHECK(report.at("row_compared") == true);
  CHECK(report.at("status") == "succeeded");
  const auto events = report.at("events").to_number<int>();
  for (int until = 1; until < events; ++until) {
    const auto part = here.call({"journal", "replay", run, "--until", std::to_string(until), "--json"}).json();
    INFO(until);
    CHECK(part.at("agrees") == true);
    CHECK(part.at("events") == until);
    CHECK(part.at("status") != "succeeded");
  }
}

TEST_CASE("replay with a changed document says where code and journal part, with both sides") {
  const workplace here;
  const auto run = run_once(here, two_tasks(here));
  const auto changed = two_tasks(here, "  - other:\n      run: {shell: {command: echo 2}}\n");
  const auto machine = here.call({"journal", "replay", run, "--document", changed, "--json"});
  CHECK(machine.code == 1);
  CHECK(machine.json().at("agrees") == false);
  const auto parting = machine.json().at("partings").at(0);
  CHECK(parting.at("seq").to_number<int>() > 1);
  CHECK(has(text_of(parting.at("recorded")), "\"second\""));
  CHECK(has(text_of(parting.at("replayed")), "\"other\""));
  const auto plain = here.call({"journal", "replay", run, "--document", changed});
  CHECK(has(plain.out, "parts at seq"));
}

TEST_CASE("replay says what of it was not looked at, instead of agreeing") {
  const workplace here;
  const auto run = run_once(here, two_tasks(here));
  const auto tasks = "  - first:\n      run: {shell: {command: echo 1}}\n";
  for (const auto& file : {here.document("pair", tasks, "2.0.0"), here.document("other", tasks)}) {
    const auto one = here.call({"journal", "replay", run, "--document", file});
    CHECK(one.code == 1);
    CHECK_FALSE(has(one.out, "agree"));
    CHECK(has(one.err, "pair 1.0.0"));
    CHECK(has(one.err, file.find("other") == std::string::npos ? "pair 2.0.0" : "other 1.0.0"));
    CHECK(here.call({"journal", "replay", "--all", "--ended", "--document", file}).code == 1);
  }
  CHECK(here.call({"journal", "replay", "--all", "--ended", "--document", two_tasks(here)}).code == 0);
  const auto beyond = here.call({"journal", "replay", run, "--until", "99"});
  CHECK(beyond.code == 1);
  CHECK(has(beyond.err, "no event 99; its events are 1 to "));
}

TEST_CASE("records asked for beyond the journal's end are not an empty journal") {
  const workplace here;
  run_once(here, two_tasks(here));
  const auto beyond = here.call({"journal", "show", "--from", "99999"});
  CHECK(has(beyond.out, "99999"));
  CHECK_FALSE(has(beyond.out, "empty"));
}

TEST_CASE("a run whose code is not here is rebuilt, and said to be unchecked") {
  const workplace here;
  const auto run = run_once(here, two_tasks(here));
  std::filesystem::remove_all(here.path("data") / "documents");
  const auto report = here.call({"journal", "replay", run, "--json"});
  CHECK(report.code == 0);
  CHECK(report.json().at("unchecked_attempts") == 1);
  CHECK(report.json().at("status") == "succeeded");
}

TEST_CASE("export gives every record, show the last ones, and stats count them") {
  const workplace here;
  const auto file = two_tasks(here);
  const auto one = run_once(here, file);
  run_once(here, file);
  const auto all = test::json_lines(here.call({"journal", "export"}).out);
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i].at("lsn").to_number<std::size_t>() == i + 1);
  CHECK(all[0].at("event").at("workflow") == "pair");
  const auto only = test::json_lines(here.call({"journal", "export", "--run", one}).out);
  CHECK(only.size() == all.size() / 2);
  for (const auto& each : only) CHECK(text_of(each.at("run_id")) == one);
  CHECK(here.call({"journal", "export", "--output", here.path("records").string()}).out.empty());
  CHECK(here.lines("records").size() == all.size());
  CHECK(test::json_lines(here.call({"journal", "show", "--json", "--limit", "2"}).out).size() == 2);
  const auto from_zero = here.call({"journal", "show", "--json", "--from", "0", "--limit", "2"}).out;
  CHECK(from_zero == here.call({"journal", "show", "--json", "--from", "1", "--limit", "2"}).out);
  CHECK(test::json_lines(here.call({"journal", "show", one, "--json"}).out).size() == only.size());
  const auto stats = here.call({"journal", "stats", "--json"}).json();
  CHECK(stats.at("runs") == 2);
  CHECK(stats.at("records") == all.size());
  CHECK(stats.at("kinds").at("run_started") == 2);
}

TEST_CASE("an export whose reader has seen enough is no failure") {
  const workplace here;
  std::string tasks;
  for (int i = 0; i < 8; ++i) {
    tasks += "  - t" + std::to_string(i) + ":\n      set: {x: '${ \"y\" * 50000 }'}\n  - w" + std::to_string(i) +
             ":\n      wait: {milliseconds: 1}\n";
  }
  REQUIRE(here.call({"run", here.document("wide", tasks)}).code == 0);
  const auto code = here.path("code").string();
  const auto line =
      "(\"$PERDURE_BINARY\" journal export --data " + here.data() + "; echo $? > " + code + ") | head -c 1 > /dev/null";
  CHECK(std::system(line.c_str()) == 0);
  CHECK(here.lines("code") == std::vector<std::string>{"0"});
}

TEST_CASE("looking at a directory changes nothing in it") {
  const workplace here;
  const auto run = run_once(here, two_tasks(here));
  const auto before = here.call({"journal", "export"}).out;
  for (const auto& command : std::vector<std::vector<std::string>>{{"runs", "list"},
                                                                   {"runs", "show", run},
                                                                   {"runs", "events", run},
                                                                   {"journal", "verify"},
                                                                   {"journal", "replay", run},
                                                                   {"journal", "stats"},
                                                                   {"journal", "show"}}) {
    CHECK(here.call(command).code == 0);
  }
  CHECK(here.call({"journal", "export"}).out == before);
}
