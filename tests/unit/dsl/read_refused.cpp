// Documents that are refused, each with all that is told of it: line, column, JSON pointer and text. The golden file shows
// document and problems side by side.
#include "documents.hpp"
#include "perdure/limits.hpp"
#include "support/golden.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

struct refused {
  std::string what, text;  ///< the text without its header
};

/// Every construct in which the issue's authors have seen documents go wrong.
const std::vector<refused>& table() {
  static const std::vector<refused> all{
      {"wrong types", R"(do:
  - a: {set: 5}
  - b: {wait: soon}
  - c: {for: {in: [1, 2]}, do: {}}
  - d: {if: true, set: {x: 1}}
  - e: {fork: {branches: {}}}
  - f: {switch: {x: {then: end}}}
  - g: {try: {}, catch: []}
  - h: {run: {shell: {command: 5, arguments: {a: b}}}}
  - i: {call: http, with: {method: 7, endpoint: 8, headers: [], redirect: "yes"}}
  - j: {emit: {event: {with: {type: 1, source: 2}}}}
  - k: {listen: {to: {one: []}}}
  - l: {raise: {error: {type: 5, status: many}}}
  - 13
  - m: null
timeout: 5
use: [1]
)"},
      {"unknown properties", R"(do:
  - a: {set: {x: 1}, thne: end}
  - b: {call: http, with: {method: get, endpoint: {url: 'https://x.y'}}}
  - c: {wait: {second: 1}}
  - d: {try: [], catch: {error: {}, retry: {delay: PT1S, limits: {}}}}
  - e: {run: {shell: {comand: ls}}}
  - f: {listen: {to: {one: {whit: {type: t}}}}}
  - g: {sett: {x: 1}}
  - h: {set: {x: 1}, timeout: {before: PT1S}}
use: {function: {}}
schedule: {evry: PT1S}
outputs: {}
)"},
      {"two tasks in one item, and a task without its name", R"(do:
  - a: {set: {x: 1}}
    b: {set: {x: 2}}
  - set: {x: 3}
    then: end
  - {}
  - c: {set: {x: 1}, wait: PT1S}
)"},
      {"a then to nowhere", R"(do:
  - a: {set: {x: 1}, then: nowhere}
  - b: {do: [{inner: {set: {x: 1}}}], then: inner}
  - c: {switch: [{x: {when: .a, then: end_}}, {y: {then: contineu}}]}
  - d: {set: {x: 1}, then: B}
)"},
      {"duplicate names", R"(do:
  - a: {set: {x: 1}}
  - b: {do: [{c: {set: {x: 1}}}, {c: {set: {x: 2}}}]}
  - a: {wait: PT1S}
  - s: {switch: [{x: {when: .a, then: end}}, {x: {then: exit}}]}
  - f: {fork: {branches: [{l: {set: {x: 1}}}, {l: {set: {x: 2}}}]}}
)"},
      {"duplicate keys", R"(do:
  - a:
      set: {x: 1, y: 2, x: 3}
      set: {x: 4}
  - b: {wait: {seconds: 1, seconds: 2}}
do: []
)"},
      {"expressions that do not compile", R"(do:
  - a: {set: {x: '${ .a + }', y: '${ .a | nosuch(1) }', z: '${ ) }'}}
  - b: {if: '.a ==', set: {x: 1}}
  - d: {switch: [{x: {when: '${ "open }', then: end}}]}
  - e: {for: {in: '.x |'}, while: '$index <', do: []}
  - f: {set: {x: '${ $nobody }', y: '${ env }', z: '${ input }'}}
  - g: {set: {x: 1}, output: {as: '{a'}, export: {as: '$output +'}}
  - h: {if: '', set: {x: 1}}
)"},
      {"booleans of YAML 1.1", R"(do:
  - a: {fork: {compete: yes, branches: [{b: {set: {x: 1}}}]}}
  - c: {call: http, with: {method: get, endpoint: 'https://x.y', redirect: on}}
  - d: {run: {await: no, shell: {command: ls}}}
  - e: {if: off, set: {x: 1}}
  - n: {if: y, set: {x: 1}}
)"},
      {"names of components that are not there", R"(do:
  - a: {set: {x: 1}, timeout: shor}
  - b: {raise: {error: nope}}
  - c: {try: [], catch: {retry: nope}}
  - d: {call: nope}
  - e: {call: http, with: {method: get, endpoint: {uri: 'https://x.y', authentication: nope}}}
  - f: {call: 'f:1.0.0@nope'}
  - g: {call: 'f@nope'}
  - h: {set: {x: '${ $secrets.nope }'}}
use: {timeouts: {short: {after: PT1S}}}
)"},
      {"anchors, tags and merge keys", R"(do:
  - a: &task {set: {x: 1}}
  - b: {<<: *task}
  - c: {set: {x: !binary aGk=, y: .inf, z: !!int one}}
  - d: {set: {? [k] : v}}
)"},
      {"an alias inside of what it names", "do: &all [*all]\n"},
      {"not YAML at all", "do: [\n  - a: }\n"},
      {"a tab for indentation", "do:\n\t- a: {set: {x: 1}}\n"},
      {"two documents in one file", "do: []\n---\ndo: []\n"},
      {"events and schedules", R"(do:
  - a: {emit: {event: {with: {source: 'https://x.y'}}}}
  - b: {listen: {to: {one: {with: {}}}}}
  - c: {listen: {to: {any: [], all: []}}}
schedule: {cron: '61 * * * *'}
)"},
  };
  return all;
}

std::string listed(const std::vector<std::string>& lines) {
  std::string out;
  for (const auto& each : lines) out += "  " + each + "\n";
  return out;
}

}  // namespace

TEST_CASE("what is wrong with a document is told with line, column, pointer and what was expected") {
  std::string out = "The header of each document has five lines.\n";
  for (const auto& each : table()) {
    const auto lines = told_of(each.text);
    INFO(each.what);
    CHECK_FALSE(lines.empty());
    out += "\n# " + each.what + "\n\n" + each.text + "\n" + listed(lines);
  }
  check_golden("refused.txt", out);
}

TEST_CASE("bombs and heaps are refused by a limit that is named, with the place where it was passed") {
  std::string bomb = "do: []\nmetadata:\n  l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const auto before = "*l" + std::to_string(i - 1);
    bomb += "  l" + std::to_string(i) + ": &l" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j == 0 ? "" : ", ") + before;
    bomb += "]\n";
  }
  CHECK(told_of(bomb) ==
        std::vector<std::string>{"13:7 /metadata/l5: more than document_nodes = 1000000 nodes, aliases expanded"});
  std::string deep = "do: ";
  for (int i = 0; i < 100; ++i) deep += "[{t: {do: ";
  deep += "[]";
  for (int i = 0; i < 100; ++i) deep += "}}]";
  const auto levels = told_of(deep);
  REQUIRE(levels.size() == 1);
  CHECK(levels[0].find("6:") == 0);
  CHECK(levels[0].find("nested deeper than document_depth = 100 levels") != std::string::npos);
  std::string many = "do:\n";
  for (int i = 0; i < 10'000; ++i) many += "  - t" + std::to_string(i) + ": {sett: {x: 1}}\n";
  const auto lines = told_of(many);
  CHECK(lines.size() == limits::document_problems + 1);
  CHECK(lines[1] == "7:10 /do/0/t0/sett: unknown property \"sett\" in a task; did you mean \"set\"?");
}
