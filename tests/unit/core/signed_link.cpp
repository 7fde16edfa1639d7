// Links that expire, and the MAC beneath them.
#include "core/signed_link.hpp"

#include "core/hmac.hpp"
#include "support/catch.hpp"

using namespace perdure;
using namespace perdure::core;
using namespace std::chrono_literals;

namespace {

const std::string key = "0123456789abcdef0123456789abcdef";
const timestamp today{std::chrono::seconds{1'800'000'000}};

}  // namespace

TEST_CASE("an HMAC is what other implementations make of the same lengths and parts") {
  CHECK(hmac_hex(std::string(32, 'k'), {"one", "two"}) == "e3c02b60e148a47a4adadb2f7d7538dee50f210c2b6d23e2bf208f40d482e440");
}

TEST_CASE("no part of an HMAC runs into the next") {
  CHECK(hmac_hex(key, {"ab", "c"}) != hmac_hex(key, {"a", "bc"}));
  CHECK(hmac_hex(key, {"abc"}) != hmac_hex(key, {"abc", ""}));
}

TEST_CASE("secrets are the same when all bytes are, and only then") {
  CHECK(same_secret("", ""));
  CHECK(same_secret("abc", "abc"));
  CHECK_FALSE(same_secret("abc", "abd"));
  CHECK_FALSE(same_secret("abc", "ab"));
}

TEST_CASE("a pass opens one thing until its time, with the key that made it") {
  const auto pass = sign_link(key, "run/1/out.bin", timestamp{std::chrono::seconds{1'900'000'000}});
  CHECK(pass == "1900000000.75118b4043f63c5cc9ef26136da6399d252dc2cb96af05c8d39ed29b901288b4");
  CHECK(check_link(key, "run/1/out.bin", pass, today) == link_check::good);
  CHECK(check_link(key, "run/1/out.bin", pass, timestamp{std::chrono::seconds{1'900'000'000}}) == link_check::expired);
  CHECK(check_link(key, "run/1/other.bin", pass, today) == link_check::altered);
  CHECK(check_link(std::string(32, 'x'), "run/1/out.bin", pass, today) == link_check::altered);
}

TEST_CASE("a pass of which anything was changed is none") {
  const auto pass = sign_link(key, "x", today + 1h);
  for (std::size_t i = 0; i < pass.size(); ++i) {
    auto other = pass;
    other[i] = other[i] == '1' ? '2' : '1';
    INFO(other);
    CHECK(check_link(key, "x", other, today) == link_check::altered);
  }
  for (const std::string other : {std::string{}, std::string{"."}, pass + "0", pass.substr(0, pass.size() - 1), "+" + pass,
                                  " " + pass, pass.substr(pass.find('.'))}) {
    INFO(other);
    CHECK(check_link(key, "x", other, today) == link_check::altered);
  }
}

TEST_CASE("a pass that has expired and was altered is only altered: nothing is learnt of it") {
  auto pass = sign_link(key, "x", today - 1h);
  CHECK(check_link(key, "x", pass, today) == link_check::expired);
  pass.back() = pass.back() == '0' ? '1' : '0';
  CHECK(check_link(key, "x", pass, today) == link_check::altered);
}

TEST_CASE("an address for the log does not show its pass") {
  CHECK(masked("/a/b?pass=1900.abc", "pass") == "/a/b?pass=***");
  CHECK(masked("/a?x=1&pass=1900.abc&y=2#z", "pass") == "/a?x=1&pass=***&y=2#z");
  CHECK(masked("/a?pass=1&pass=2", "pass") == "/a?pass=***&pass=***");
  CHECK(masked("/a?passport=1", "pass") == "/a?passport=1");
  CHECK(masked("/a?pass", "pass") == "/a?pass");
  CHECK(masked("/pass=1", "pass") == "/pass=1");
}

TEST_CASE("HMAC-SHA256 gives what RFC 4231 says") {
  const auto hex = [](const std::string& bytes) {
    std::string out;
    for (const unsigned char c : bytes) {
      out += "0123456789abcdef"[c >> 4U];
      out += "0123456789abcdef"[c & 15U];
    }
    return out;
  };
  CHECK(hex(perdure::core::hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex(perdure::core::hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
