// Requests out of the bytes of a connection, however they are cut.
#include <boost/asio/error.hpp>

#include "support/catch.hpp"
#include "tools/gateway/request_reader.hpp"

using namespace perdure::tools::gateway;
using until = request_reader::until;
using progress = request_reader::progress;

namespace {

/// Reads up to there, with pieces of at most so many bytes.
progress feed(request_reader& to, until what, std::string& bytes, std::size_t at_once) {
  auto now = to.read(what);
  while (now == progress::more && !bytes.empty()) {
    const auto room = to.room();
    REQUIRE(!room.empty());
    const auto size = std::min({room.size(), bytes.size(), at_once});
    std::copy_n(bytes.data(), size, room.data());
    bytes.erase(0, size);
    to.came(size);
    now = to.read(what);
  }
  return now;
}

}  // namespace

TEST_CASE("requests on one connection are told apart, however their bytes are cut") {
  for (const std::size_t at_once : {1U, 7U, 100'000U}) {
    INFO(at_once);
    const http_limits limits;
    request_reader reader{limits};
    std::string bytes =
        "POST /a?b=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-Name: Va lue\r\n\r\nhello"
        "POST /c HTTP/1.0\r\nTransfer-Encoding: chunked\r\nExpect: 100-Continue\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET";
    reader.begin();
    REQUIRE(feed(reader, until::head, bytes, at_once) == progress::there);
    CHECK(reader.version() == 11);
    CHECK(reader.keep_alive());
    CHECK(reader.hosts() == 1);
    CHECK(reader.target() == "/a?b=1");
    CHECK(reader.take().body.empty());
    REQUIRE(feed(reader, until::body, bytes, at_once) == progress::there);
    CHECK(reader.done());
    const auto first = reader.take();
    CHECK(first.method == "POST");
    CHECK(first.body == "hello");
    REQUIRE(first.header("x-name") != nullptr);
    CHECK(*first.header("x-name") == "Va lue");

    reader.forget();
    reader.begin();
    REQUIRE(feed(reader, until::head, bytes, at_once) == progress::there);
    CHECK(reader.version() == 10);
    CHECK(!reader.keep_alive());
    CHECK(reader.hosts() == 0);
    CHECK(reader.expects() == "100-Continue");
    REQUIRE(feed(reader, until::body, bytes, at_once) == progress::there);
    CHECK(reader.take().body == "abc");

    reader.forget();
    reader.begin();
    CHECK(feed(reader, until::head, bytes, at_once) == progress::more);
    CHECK(reader.broke(boost::asio::error::eof) == progress::failed);
  }
}

TEST_CASE("a long body comes in pieces, and an announced length takes no memory") {
  http_limits limits;
  limits.upload_bytes = std::size_t{1} << 40U;
  request_reader reader{limits};
  std::string bytes = "POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(std::uint64_t{1} << 39U) + "\r\n\r\n";
  reader.begin();
  REQUIRE(feed(reader, until::head, bytes, 4'096) == progress::there);
  std::size_t taken = 0;
  for (int i = 0; i < 4; ++i) {
    bytes = std::string(100'000, static_cast<char>('a' + i));
    while (feed(reader, until::piece, bytes, 50'000) == progress::there) {
      const auto piece = reader.take_piece();
      CHECK(piece.size() < 200'000);
      taken += piece.size();
    }
  }
  CHECK(!reader.done());
  CHECK(taken > 250'000);
  CHECK(reader.broke(boost::asio::error::eof) == progress::failed);
}

TEST_CASE("what is over a limit fails, announced or not") {
  http_limits limits;
  limits.header_bytes = 200;
  limits.body_bytes = limits.upload_bytes = 10;
  {
    request_reader reader{limits};
    std::string bytes = "GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(300, 'x') + "\r\n\r\n";
    reader.begin();
    CHECK(feed(reader, until::head, bytes, 50) == progress::failed);
  }
  {
    request_reader reader{limits};
    std::string bytes = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n";
    reader.begin();
    CHECK(feed(reader, until::head, bytes, 50) == progress::failed);
  }
  limits.upload_bytes = 100;
  {
    request_reader reader{limits};
    std::string bytes = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n";
    reader.begin();
    REQUIRE(feed(reader, until::head, bytes, 50) == progress::there);
    CHECK(!reader.limit_body(limits.body_bytes));
    CHECK(reader.limit_body(11));
  }
  {
    request_reader reader{limits};
    std::string bytes = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n";
    reader.begin();
    REQUIRE(feed(reader, until::head, bytes, 50) == progress::there);
    REQUIRE(reader.limit_body(limits.body_bytes));
    CHECK(feed(reader, until::body, bytes, 50) == progress::failed);
  }
}
