// The parts of the gateway that need no socket: targets, places of frames, keys, what a key sees.
#include <fstream>

#include "support/catch.hpp"
#include "support/temp_directory.hpp"
#include "tools/gateway/event_stream.hpp"
#include "tools/gateway/http_text.hpp"
#include "tools/gateway/router.hpp"
#include "tools/gateway/service.hpp"

using namespace perdure;
using namespace perdure::tools::gateway;
using namespace std::chrono_literals;

namespace {

const timestamp noon = *parse_timestamp("2026-11-22T12:00:00Z");

std::vector<std::string> path_of(std::string_view target) {
  request in;
  REQUIRE(read_target(target, in));
  return in.path;
}

rights all_rights() { return *rights::read("run,read,deploy,admin"); }

}  // namespace

TEST_CASE("a target is split before it is decoded, so that an escaped slash stays in its segment") {
  CHECK(path_of("/") == std::vector<std::string>{});
  CHECK(path_of("/api/v1/workflows/mine%2Fflow") == std::vector<std::string>{"api", "v1", "workflows", "mine/flow"});
  CHECK(path_of("/a+b/%C3%A4?x=1#y") == std::vector<std::string>{"a+b", "\xC3\xA4"});
  request in;
  REQUIRE(read_target("/a?x=1%26&y=a+b&&z", in));
  CHECK(*in.parameter("x") == "1&");
  CHECK(*in.parameter("y") == "a b");
  CHECK(in.parameter("z")->empty());
  CHECK(in.parameter("w") == nullptr);
  for (const auto* bad : {"", "a", "http://x/", "/%", "/%4", "/%zz", "/%00", "/%ff", "/a?b=%"}) {
    INFO(bad);
    CHECK_FALSE(read_target(bad, in));
  }
}

TEST_CASE("gzip is for those who take it, and for text") {
  for (const auto* yes :
       {"gzip", "br, gzip", "GZIP;q=0.5", "*", "gzip;q=1.0, identity", "deflate;q=0, gzip", "gzip ; q=1", "*;q=0, gzip"}) {
    INFO(yes);
    CHECK(takes_gzip(yes));
  }
  for (const auto* no : {"", "br", "identity", "gzip;q=0", "gzip; q=0.000", "xgzip", "gzipx", "*;q=0", "*, gzip;q=0"}) {
    INFO(no);
    CHECK_FALSE(takes_gzip(no));
  }
  CHECK(worth_gzip("application/json"));
  CHECK(worth_gzip("text/plain; version=0.0.4"));
  CHECK(worth_gzip("application/x-ndjson"));
  CHECK_FALSE(worth_gzip("application/octet-stream"));
}

TEST_CASE("the place of a frame is read back as it was written") {
  for (const auto& place : {frame_place{17, 0}, frame_place{17, 2}, frame_place{0, 0}})
    CHECK(frame_place::parse(place.str()).value() == place);
  for (const auto* bad : {"", "x", "1.", "1.x", "1 ", "-1", "1.2.3", "99999999999999999999999"}) {
    INFO(bad);
    CHECK_FALSE(frame_place::parse(bad).has_value());
  }
}

TEST_CASE("a key is good until it expires or is revoked, and only whole") {
  const test::temp_directory here;
  key_store store{here.path()};
  api_key what;
  what.may = *rights::read("run");
  what.expires_at = noon + 1h;
  const auto made = store.create(what, noon).value();
  key_store other{here.path()};  // as another process has it
  for (auto* each : {&store, &other}) {
    REQUIRE(each->check(made.text, noon).has_value());
    CHECK(each->check(made.text, noon)->id == made.key.id);
    CHECK_FALSE(each->check(made.text, noon + 1h).has_value());
    for (std::size_t i = 0; i < made.text.size(); ++i) {
      auto changed = made.text;
      changed[i] = changed[i] == '0' ? '1' : '0';
      CHECK_FALSE(each->check(changed, noon).has_value());
      CHECK_FALSE(each->check(made.text.substr(0, i), noon).has_value());
    }
    CHECK_FALSE(each->check(made.text + "0", noon).has_value());
  }
  CHECK(other.revoke(made.key.id, noon).value().revoked_at.value() == noon);
  CHECK(other.revoke(made.key.id, noon + 1s).value().revoked_at.value() == noon);
  CHECK_FALSE(store.check(made.text, noon).has_value());
  CHECK(store.revoke("../../etc/passwd", noon).error().code == errc::not_found);
}

TEST_CASE("a key's file that was tampered with is no key") {
  const test::temp_directory here;
  key_store store{here.path()};
  api_key what;
  what.may = all_rights();
  const auto made = store.create(what, noon).value();
  const auto file = here.path() / "keys" / (made.key.id + ".json");
  std::ifstream in{file};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  const auto with = [&](const std::string& old, const std::string& fresh) {
    auto changed = text;
    changed.replace(changed.find(old), old.size(), fresh);
    std::ofstream{file} << changed;
    return store.check(made.text, noon).has_value();
  };
  CHECK(with("\"tenant\"", "\"tenant\""));
  CHECK_FALSE(with("\"expires_at\":null", "\"expires_at\":\"never\""));
  CHECK_FALSE(with("\"run\"", "\"all\""));
  CHECK_FALSE(with("\"default\"", "\"../x\""));
  CHECK_FALSE(with("{", "["));
}

TEST_CASE("the first admin key is made when there is none that is good") {
  const test::temp_directory here;
  key_store store{here.path()};
  const auto first = store.ensure_admin(here.path(), noon).value();
  REQUIRE(first.has_value());
  CHECK(first->string() == (here.path() / "admin.key").string());
  CHECK_FALSE(store.ensure_admin(here.path(), noon).value().has_value());
  const auto keys = store.list().value();
  REQUIRE(keys.size() == 1);
  CHECK(store.revoke(keys[0].id, noon).has_value());
  CHECK(store.ensure_admin(here.path(), noon).value().has_value());
}

TEST_CASE("a caller sees shared workflows and those of its tenant's namespace, or the one of its key") {
  call of;
  of.who.tenant = "mine";
  CHECK(of.sees("flow"));
  CHECK(of.sees("mine/flow"));
  CHECK_FALSE(of.sees("theirs/flow"));
  CHECK_FALSE(of.sees("min/flow"));
  CHECK_FALSE(of.sees("mine2/flow"));
  CHECK_FALSE(of.sees("perdure.events"));
  of.who.workflow = "mine/flow";
  CHECK_FALSE(of.sees("flow"));
  CHECK(of.sees("mine/flow"));
  of.who.workflow = "theirs/flow";  // a key made for what its tenant may not see
  CHECK_FALSE(of.sees("theirs/flow"));
}

TEST_CASE("admin includes the other rights, and nothing else does") {
  const auto admin = *rights::read("admin"), reader = *rights::read("read");
  for (const auto each : {right::read, right::run, right::deploy, right::admin}) {
    CHECK(admin.has(each));
    CHECK(reader.has(each) == (each == right::read));
  }
  for (const auto* bad : {"", "read,", "Read", "read run"}) CHECK_FALSE(rights::read(bad).has_value());
}

TEST_CASE("an address to listen at is an IP address and a port") {
  CHECK(read_listen_address("localhost:7400")->loopback);
  CHECK(read_listen_address("[::1]:0")->url(81, false) == "http://[::1]:81");
  CHECK_FALSE(read_listen_address("0.0.0.0:80")->loopback);
  CHECK_FALSE(read_listen_address("[::]:80")->loopback);
  for (const auto* bad :
       {"", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:65536", "example.com:80", "127.1:80", "[127.0.0.1]:80"}) {
    INFO(bad);
    CHECK_FALSE(read_listen_address(bad).has_value());
  }
}
