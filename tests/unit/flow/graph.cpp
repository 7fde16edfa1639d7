#include "flow/graph.hpp"

#include "perdure/graph.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace std::chrono_literals;
using namespace perdure;
using test::check_golden;

namespace {

struct parcel {
  int weight = 0;
};
PERDURE_MESSAGE(parcel, "parcel/v1", weight)

class handles : public executor<parcel> {
  task<> handle(const parcel& what, context& ctx) override {
    ctx.send(what);
    co_return;
  }
};
class gathers : public executor<joined> {
  task<> handle(const joined&, context&) override { co_return; }
};

/// Every kind of edge, and every policy that is shown.
workflow depot() {
  const auto heavy = [](const parcel& what) { return what.weight > 100; };
  const auto both = [](const parcel&) { return std::vector<std::size_t>{0, 1}; };
  return workflow_builder("depot", "2.1.0")
      .add<handles>("receive", {.timeout = 90s, .retry = retry(5, exponential(1s, 60s))})
      .add<handles>("weigh", {.retry = retry(0, fixed(1s))})
      .add<handles>("crane", {.timeouts = {.schedule_to_close = 2h}})
      .add<handles>("belt")
      .add<handles>("label")
      .add<handles>("photo")
      .add<handles>("inspect")
      .add<gathers>("load")
      .start_at("receive")
      .edge("receive", "weigh")
      .switch_on<parcel>("weigh", {{heavy, "crane"}}, "belt")
      .edge_if<parcel>("crane", "inspect", heavy)
      .multi_select<parcel>("belt", {"label", "photo"}, both)
      .fan_out("inspect", {"label", "photo"})
      .fan_in({"label", "photo"}, "load")
      .fan_in({"crane", "belt"}, "load", fan_in_mode::any)
      .edge("photo", "weigh")
      .with_max_activations(100)
      .build();
}

/// Names of all sorts in one workflow.
workflow hostile() {
  return workflow_builder("a \"quoted\" \\ name", "1\n2")
      .add<handles>("say \"hi\"; end")
      .add<handles>("end")
      .add<handles>("two\nlines\tand a tab\x01\x7f")
      .add<handles>("größe 日本語 🚚")
      .add<handles>("<b>bold</b> &amp; #35; 100% %%{init}%% `code` **strong** \\n \\N")
      .add<handles>("1. a list")
      .add<handles>("- another")
      .add<handles>(std::string(100, 'x') + "end")
      .start_at("end")
      .edge("end", "say \"hi\"; end")
      .edge("end", "two\nlines\tand a tab\x01\x7f")
      .edge("end", "größe 日本語 🚚")
      .edge("end", "<b>bold</b> &amp; #35; 100% %%{init}%% `code` **strong** \\n \\N")
      .edge("end", "1. a list")
      .edge("end", "- another")
      .edge("end", std::string(100, 'x') + "end")
      .build();
}

}  // namespace

TEST_CASE("a workflow is drawn with all kinds of edges, limits and retries") {
  check_golden("graph/depot.mmd", to_mermaid(depot()));
  check_golden("graph/depot.dot", to_dot(depot()));
}

TEST_CASE("names that mean something to Mermaid or DOT stay mere text in a picture") {
  check_golden("graph/hostile.mmd", to_mermaid(hostile()));
  check_golden("graph/hostile.dot", to_dot(hostile()));
}

TEST_CASE("the same workflow gives the same picture, byte for byte") {
  CHECK(to_mermaid(depot()) == to_mermaid(depot()));
  CHECK(to_dot(hostile()) == to_dot(hostile()));
}

TEST_CASE("in Mermaid text no quote, number sign or lone word end is left unescaped") {
  for (const auto& text : {to_mermaid(hostile()), to_mermaid(depot())}) {
    bool inside = false;
    for (std::size_t i = text.find("flowchart"); i < text.size(); ++i) {
      if (text[i] == '"') inside = !inside;
      if (text[i] == '\n') CHECK_FALSE(inside);
      if (!inside) continue;
      INFO(text.substr(i, 20));
      CHECK(text.substr(i, 4) != "end\"");
      CHECK(text.substr(i, 4) != "end ");
      if (text[i] == '#') CHECK(text.find(';', i) < i + 7);
    }
  }
}

TEST_CASE("a long label is cut after a whole character") {
  using perdure::flow::label_characters;
  using perdure::flow::short_label;
  std::string many;
  for (std::size_t i = 0; i < label_characters; ++i) many += "ö";
  CHECK(short_label(many) == many);
  CHECK(short_label(many + "ö") == many + "…");
  CHECK(short_label("  a \n\n b\t") == "a b");
  CHECK(short_label("").empty());
  CHECK(short_label("a\xff\xc3") == "a\xef\xbf\xbd\xef\xbf\xbd");
}
