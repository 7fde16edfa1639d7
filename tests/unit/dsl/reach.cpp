// What a document asks for beyond itself, which a service decides by whether it takes a stranger's document.
#include "cluster/documents.hpp"
#include "documents.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

cluster::document_reach reach_of(const std::string& rest) {
  cluster::document_reader reader;
  const auto found = reader.reach(header + rest, "a.yaml");
  INFO((found ? "" : found.error().message));
  REQUIRE(found.has_value());
  return *found;
}

}  // namespace

TEST_CASE("files, and addresses that may turn out to be files, are resources of the machine, whatever names them") {
  CHECK_FALSE(
      reach_of("do:\n  - a: {call: openapi, with: {document: {endpoint: 'https://x.y/api'}, operationId: o}}\n").resources);
  for (const std::string endpoint : {"'file:///etc/passwd'", "{uri: 'file://a'}", "'${ \"file://\" + .name }'"}) {
    INFO(endpoint);
    CHECK(reach_of("do:\n  - a: {call: openapi, with: {document: {endpoint: " + endpoint + "}, operationId: o}}\n").resources);
    CHECK(reach_of("do:\n  - a: {call: asyncapi, with: {document: {endpoint: " + endpoint + "}, operation: o, message: {}}}\n")
              .resources);
  }
}

TEST_CASE("a function of a catalog may do anything, so it is a resource; one of the document's own is none") {
  CHECK(reach_of("do:\n  - a: {call: 'https://x.y/function.yaml'}\n").resources);
  CHECK(reach_of("use: {catalogs: {c: {endpoint: 'https://x.y'}}}\ndo:\n  - a: {call: 'f:1.0.0@c'}\n").resources);
  const auto own = reach_of("use: {functions: {f: {set: {x: 1}}}}\ndo:\n  - a: {call: f}\n");
  CHECK_FALSE(own.resources);
  CHECK_FALSE(own.calls);
}

TEST_CASE("an MCP server that is a program is one that the document runs; one of the web is not") {
  CHECK(reach_of("do:\n  - a: {call: mcp, with: {method: tools/list, transport: {stdio: {command: ls}}}}\n").processes);
  CHECK_FALSE(
      reach_of("do:\n  - a: {call: mcp, with: {method: tools/list, transport: {http: {endpoint: 'https://x.y'}}}}\n").processes);
}
