#include "dsl/document_graph.hpp"

#include <algorithm>

#include "documents.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace perdure;
using test::check_golden;

namespace {

constexpr const char* everything = R"(
document: {dsl: '1.0.3', namespace: shops, name: order, version: 1.2.0}
do:
  - check:
      if: .items != []
      set: {ok: true}
      then: route
  - empty:
      raise: {error: {type: https://example.com/errors/empty, status: 400}}
  - route:
      switch:
        - gift: {when: .gift, then: wrap}
        - test: {when: '.customer == "test"', then: end}
        - otherwise: {then: pack}
  - wrap:
      do:
        - paper: {set: {paper: '${ .colour }'}}
        - stop: {if: .plain, set: {plain: true}, then: exit}
        - ribbon: {run: {shell: {command: echo ribbon}}}
  - pack:
      for: {each: item, in: .items, at: i}
      while: .room > 0
      do:
        - put: {run: {shell: {command: ./put "$ITEM"}}, timeout: {after: {seconds: 30}}}
        - rest: {wait: {seconds: 2}}
  - notify:
      fork:
        compete: false
        branches:
          - mail: {run: {shell: {command: echo mail}}}
          - print:
              do:
                - label: {set: {label: 1}}
                - bill: {set: {bill: 2}}
  - pay:
      try:
        - charge: {run: {shell: {command: ./charge}}}
      catch:
        errors: {with: {status: 503}}
        when: .open
        retry: {delay: {seconds: 3}, backoff: {exponential: {}}, limit: {attempt: {count: 5}}}
        do:
          - apologize: {set: {sorry: true}}
  - again:
      switch:
        - more: {when: .more, then: pack}
)";

}  // namespace

TEST_CASE("a document is drawn with its tasks inside tasks, its jumps, its errors and its loops") {
  const auto picture = dsl::graph_of(test::read_valid(everything));
  check_golden("graph/document.mmd", perdure::flow::write_mermaid(picture));
  check_golden("graph/document.dot", perdure::flow::write_dot(picture));
}

TEST_CASE("every task of a document leads somewhere in its picture, or ends with an error") {
  const auto picture = dsl::graph_of(test::read_valid(everything));
  using shape = perdure::flow::graph::shape;
  for (std::size_t i = 0; i < picture.nodes.size(); ++i) {
    const auto kind = picture.nodes[i].kind;
    INFO(i << " " << (picture.nodes[i].lines.empty() ? "" : picture.nodes[i].lines.front()));
    const auto leaves = [&](const auto& edge) { return edge.from == i; };
    const auto reaches = [&](const auto& edge) { return edge.to == i; };
    const bool leads_on = std::any_of(picture.edges.begin(), picture.edges.end(), leaves);
    CHECK(leads_on == (kind != shape::finish && kind != shape::failure));
    CHECK(std::any_of(picture.edges.begin(), picture.edges.end(), reaches) == (kind != shape::start));
  }
}

TEST_CASE("a task that may be skipped and leads elsewhere has two ways past it") {
  const auto picture = dsl::graph_of(test::read_valid(R"(
document: {dsl: '1.0.3', namespace: default, name: skip, version: 1.0.0}
do:
  - first: {set: {x: 1}}
  - maybe: {if: .stop, set: {x: 1}, then: end}
  - last: {set: {x: 1}}
)"));
  // start, first, maybe, last, finish
  REQUIRE(picture.nodes.size() == 5);
  const auto has = [&](std::size_t from, std::size_t to, const std::string& label) {
    return std::any_of(picture.edges.begin(), picture.edges.end(),
                       [&](const auto& edge) { return edge.from == from && edge.to == to && edge.label == label; });
  };
  CHECK(has(1, 2, ""));
  CHECK(has(1, 3, "else past maybe"));
  CHECK(has(2, 4, ""));
  CHECK(has(3, 4, ""));
  CHECK(picture.edges.size() == 5);
}
