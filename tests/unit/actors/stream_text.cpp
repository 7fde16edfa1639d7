// The text of event streams, however the bytes of it come.
#include "actors/http/stream_text.hpp"

#include "support/catch.hpp"

using namespace perdure::actors;

namespace {

/// Text as it stands, notes in brackets; taken in pieces of so many bytes.
std::string told(const std::string& stream, std::size_t piece = std::string::npos) {
  stream_text from;
  std::string out;
  for (std::size_t at = 0; at < stream.size(); at += std::min(piece, stream.size() - at)) {
    for (const auto& each : from.take(std::string_view{stream}.substr(at, piece)))
      out += each.note ? "[" + each.text + "]" : each.text;
  }
  return out;
}

}  // namespace

TEST_CASE("an agent's messages and artifacts are text, and its states are notes") {
  const std::string stream =
      "event: message\r\ndata: "
      "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"kind\":\"task\",\"id\":\"t\",\"status\":{\"state\":\"submitted\"}}}\r\n\r\n"
      ": a comment\n\n"
      "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"kind\":\"status-update\",\"status\":{\"state\":\"working\","
      "\"message\":{\"parts\":[{\"kind\":\"text\",\"text\":\"I look\"}]}}}}\n\n"
      "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"kind\":\"artifact-update\",\"artifact\":{\"parts\":[{\"kind\":\"text\","
      "\"text\":\"Gr\xc3\xbc\xc3\x9f\"},{\"kind\":\"data\",\"data\":{}},{\"kind\":\"text\",\"text\":\"e\"}]}}}\n\n"
      "id: 4\ndata: {\"jsonrpc\":\"2.0\",\ndata: "
      "\"id\":1,\"result\":{\"kind\":\"message\",\"parts\":[{\"kind\":\"text\",\"text\":\"!\"}]}}\n\n"
      "data: {\"result\":{\"statusUpdate\":{\"status\":{\"message\":{\"parts\":[{\"text\":\"newer\"}]}}}}}\n\n"
      "data: {\"result\":{\"artifactUpdate\":{\"artifact\":{\"parts\":[{\"text\":\" words\"}]}}}}\n\n";
  const std::string wanted =
      "[I look]Gr\xc3\xbc\xc3\x9f"
      "e![newer] words";
  CHECK(told(stream) == wanted);
  for (const std::size_t piece : {1, 2, 7, 64}) CHECK(told(stream, piece) == wanted);
}

TEST_CASE("chat completions, tools and plain text are told; what is none of these says nothing") {
  CHECK(told("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\ndata: "
             "{\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n"
             "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[]}\n\ndata: [DONE]\n\n") ==
        "Hi");
  CHECK(told("data: {\"method\":\"notifications/progress\",\"params\":{\"progress\":1,\"message\":\"half\"}}\n\n"
             "data: {\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"read 3 files\"}}\n\n"
             "data: {\"id\":2,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"the answer\"}]}}\n\n") ==
        "[half][read 3 files]");
  CHECK(told("data: one\ndata: two\n\ndata:three\n\n") == "one\ntwothree");
  CHECK(told("data: \xff\xfe\n\n") == "\xef\xbf\xbd\xef\xbf\xbd");
  CHECK(told("data: unfinished\n").empty());
  CHECK(told("data: {\"result\":[1]}\n\ndata: 7\n\ndata: null\n\n: ping\n\nevent: x\n\n").empty());
}

TEST_CASE("an event that has no end takes no memory, and what follows it is told") {
  stream_text from;
  CHECK(from.take("data: ").empty());
  const std::string much(64U << 10, 'x');
  for (int i = 0; i < 20; ++i) CHECK(from.take(much).empty());
  CHECK(from.take("\n\n").empty());
  const auto after = from.take("data: short\n\n");
  REQUIRE(after.size() == 1);
  CHECK(after[0].text == "short");
}
