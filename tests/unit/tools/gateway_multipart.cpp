#include "support/catch.hpp"
#include "tools/gateway/byte_answer.hpp"
#include "tools/gateway/multipart.hpp"

using namespace perdure;
using namespace perdure::tools::gateway;

namespace {

struct taken {
  std::vector<form_part> parts;
  std::vector<std::string> bodies;
  std::size_t ended = 0;
  bool good = true, complete = false;
};

taken read(const std::string& body, std::size_t piece) {
  taken out;
  multipart_reader reader{"b",
                          {.begin = [&](const form_part& part) -> result<void> {
                             out.parts.push_back(part);
                             out.bodies.emplace_back();
                             return {};
                           },
                           .data = [&](std::string_view bytes) -> result<void> {
                             out.bodies.back() += bytes;
                             return {};
                           },
                           .end = [&]() -> result<void> {
                             ++out.ended;
                             return {};
                           }}};
  for (std::size_t at = 0; at < body.size() && out.good; at += piece)
    out.good = reader.feed(std::string_view{body}.substr(at, piece)).has_value();
  out.complete = reader.complete();
  return out;
}

}  // namespace

TEST_CASE("a multipart body gives the same parts however it is cut into pieces") {
  const std::string body =
      "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nada\r\n--b \t\r\ncontent-disposition: "
      "form-data; name=file; filename=\"a \\\"b\\\"; c.txt\"\r\nContent-Type: "
      "text/plain\r\n\r\none\r\n--ab\r\n-\r\n--\r\n--b\r\n"
      "Content-Disposition: form-data; name=\"none\"; filename*=UTF-8''%C3%A4.txt; filename=x\r\n\r\n\r\n--b--\r\nepilogue";
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 64U, 4096U}) {
    INFO(piece);
    const auto got = read(body, piece);
    REQUIRE(got.good);
    CHECK(got.complete);
    REQUIRE(got.parts.size() == 3);
    CHECK(got.ended == 3);
    CHECK(got.parts[0].name == "user");
    CHECK(!got.parts[0].filename);
    CHECK(got.bodies[0] == "ada");
    CHECK(got.parts[1].filename.value() == "a \"b\"; c.txt");
    CHECK(got.parts[1].type == "text/plain");
    CHECK(got.bodies[1] == "one\r\n--ab\r\n-\r\n--");
    CHECK(got.parts[2].filename.value() == "\xC3\xA4.txt");
    CHECK(got.bodies[2].empty());
  }
}

TEST_CASE("what is no multipart body is refused, and one cut short is not complete") {
  CHECK(!read("--b\r\nno colon\r\n\r\nx\r\n--b--", 5).good);
  CHECK(!read("--b\r\nX: y\r\n\r\nx\r\n--b--", 5).good);
  CHECK(!read("--bX\r\n", 4).good);
  // A line that begins as the boundary does is one, says RFC 2046.
  CHECK(!read("--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--bad\r\n--b--", 5).good);
  CHECK(!read("--b\r\n" + std::string(multipart_reader::header_bytes + 10, 'h'), 1000).good);
  const auto cut = read("--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b", 100);
  CHECK(cut.good);
  CHECK(!cut.complete);
  CHECK(boundary_of("multipart/form-data; boundary=\"a b\"").value() == "a b");
  CHECK(boundary_of("Multipart/Form-Data;charset=x; boundary=q").value() == "q");
  for (const auto* wrong : {"multipart/form-data", "text/plain; boundary=a", "multipart/form-data; boundary="})
    CHECK(!boundary_of(wrong));
}

TEST_CASE("a range of bytes is read as HTTP says, and what is no single range means all") {
  const auto of = [](const char* header, std::uint64_t size = 10) {
    const auto read = read_range(header, size);
    if (!read) return std::string{"none"};
    return *read ? std::to_string((*read)->from) + "+" + std::to_string((*read)->size) : std::string{"all"};
  };
  CHECK(of("bytes=0-0") == "0+1");
  CHECK(of("bytes=3-") == "3+7");
  CHECK(of("bytes=3-100") == "3+7");
  CHECK(of("bytes=-4") == "6+4");
  CHECK(of("bytes=-40") == "0+10");
  CHECK(of("bytes=10-") == "none");
  CHECK(of("bytes=-0") == "none");
  CHECK(of("bytes=0-", 0) == "none");
  for (const auto* all : {"", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-3", "bytes=1-2,4-5", "lines=1-2", "bytes=1-2x"})
    CHECK(of(all) == "all");
}

TEST_CASE("a name of any kind is told in a header without breaking out of it") {
  CHECK(content_disposition(true, "a\"\r\n\\.txt") == "attachment; filename=\"a____.txt\"; filename*=UTF-8''a%22%0D%0A%5C.txt");
  CHECK(!may_be_shown("text/html"));
  CHECK(!may_be_shown("image/svg+xml"));
  CHECK(may_be_shown("image/png"));
}
