// JSON Schemas of documents: which values fit, which schemas are none, and what a value that does not fit does to a run.
#include "dsl/schema.hpp"

#include "document_world.hpp"

using namespace perdure;
using namespace perdure::test;
using dsl::schema;

namespace {

json::value parsed(std::string_view text) { return payload::parse_text(text).value().value(); }

std::vector<std::string> misfits(std::string_view document, std::string_view value) {
  const auto made = schema::compile(parsed(document));
  REQUIRE(made);
  return (*made)->problems(parsed(value));
}

/// Files in memory.
class shelf : public dsl::resource_host {
 public:
  explicit shelf(std::map<std::string, std::string> files) : files_(std::move(files)) {}
  std::string locate(const std::string& path) const override { return "/shelf/" + path; }
  result<std::string> read(const std::string& path) override {
    const auto found = files_.find(path);
    if (found == files_.end()) return error{errc::not_found, path + ": no such file"};
    return found->second;
  }

 private:
  std::map<std::string, std::string> files_;
};

constexpr auto order = R"({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer", "minimum": 1}}})";

}  // namespace

TEST_CASE("a schema tells all that does not fit, each with its place") {
  CHECK(misfits(order, R"({"id": 3, "more": true})").empty());
  const auto told = misfits(order, R"({"id": "x"})");
  REQUIRE(told.size() == 1);
  CHECK(told[0].find("at /id: ") == 0);
  CHECK(misfits(order, "{}").size() == 1);
  CHECK(misfits(order, "[]").size() >= 1);
  CHECK(misfits("true", "[]").empty());
  CHECK(misfits("false", "[]").size() == 1);
}

TEST_CASE("draft 7: conditions, constants, property names, contains, exclusive limits") {
  constexpr auto branch =
      R"({"if": {"properties": {"k": {"const": "a"}}}, "then": {"required": ["x"]}, "else": {"required": ["y"]}})";
  CHECK(misfits(branch, R"({"k": "a", "x": 1})").empty());
  CHECK_FALSE(misfits(branch, R"({"k": "a", "y": 1})").empty());
  CHECK(misfits(branch, R"({"k": "b", "y": 1})").empty());
  CHECK(misfits(R"({"propertyNames": {"maxLength": 2}})", R"({"ab": 1})").empty());
  CHECK_FALSE(misfits(R"({"propertyNames": {"maxLength": 2}})", R"({"abc": 1})").empty());
  CHECK_FALSE(misfits(R"({"contains": {"type": "string"}})", "[1, 2]").empty());
  CHECK_FALSE(misfits(R"({"exclusiveMinimum": 5})", "5").empty());
  CHECK(misfits(R"({"exclusiveMinimum": 5})", "5.5").empty());
  CHECK_FALSE(misfits(R"({"enum": ["a", {"b": [1]}]})", R"({"b": [2]})").empty());
}

TEST_CASE("the number of misfits that are told is limited") {
  std::string many = "[";
  for (int i = 0; i < 100; ++i) many += std::string{i == 0 ? "" : ","} + "\"x\"";
  const auto told = misfits(R"({"items": {"type": "integer"}})", many + "]");
  CHECK(told.size() == limits::schema_problems + 1);
  CHECK(told.back() == "and more");
}

TEST_CASE("what is no schema is told when the document is read") {
  CHECK(mentions(told_of("do: []\ninput: {schema: {document: {type: 5}}}\n"),
                 "/input/schema/document: not a JSON Schema of draft 7"));
  CHECK(mentions(told_of("do: []\ninput: {schema: {document: 5}}\n"), "/input/schema/document: expected a JSON Schema"));
  CHECK(mentions(told_of("do: []\ninput: {schema: {}}\n"), "exactly one of the properties \"document\", \"resource\""));
  CHECK(mentions(told_of("do: []\ninput: {schema: {format: avro, document: {}}}\n"), "the schema format \"avro\""));
  CHECK(mentions(told_of("do: []\ninput: {schema: {resource: {endpoint: 'ftp://x.y/s.json'}}}\n"),
                 "a schema at an address of the kind \"ftp\" is not supported"));
  CHECK(told_of("do: []\ninput: {schema: {format: json:draft-7, document: {$ref: '#/x'}}}\n").empty());
}

TEST_CASE("later drafts: what draft 7 has other words for is checked, what it has none for is refused") {
  CHECK_FALSE(misfits(R"({"dependentRequired": {"a": ["b"]}})", R"({"a": 1})").empty());
  CHECK(misfits(R"({"dependentRequired": {"a": ["b"]}})", R"({"a": 1, "b": 2})").empty());
  const auto* both = R"({"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"a": {"required": ["c"]}}})";
  CHECK_FALSE(misfits(both, R"({"a": 1, "b": 2})").empty());
  CHECK_FALSE(misfits(both, R"({"a": 1, "c": 2})").empty());
  CHECK(misfits(both, R"({"a": 1, "b": 2, "c": 3})").empty());
  const auto* pair = R"({"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false})";
  CHECK(misfits(pair, R"(["a", 1])").empty());
  CHECK_FALSE(misfits(pair, R"([1, "a"])").empty());
  CHECK_FALSE(misfits(pair, R"(["a", 1, 2])").empty());
  const auto* closed =
      R"({"properties": {"a": {"properties": {"b": {}}, "unevaluatedProperties": false}}, "unevaluatedProperties": false})";
  CHECK(misfits(closed, R"({"a": {"b": 1}})").empty());
  CHECK_FALSE(misfits(closed, R"({"c": 1})").empty());
  CHECK_FALSE(misfits(closed, R"({"a": {"c": 1}})").empty());
  const auto* beside = R"({"$defs": {"n": {"type": "number"}}, "properties": {"a": {"$ref": "#/$defs/n", "minimum": 5}}})";
  CHECK(misfits(beside, R"({"a": 5})").empty());
  CHECK_FALSE(misfits(beside, R"({"a": 4})").empty());
  CHECK_FALSE(misfits(beside, R"({"a": "x"})").empty());
  CHECK(mentions(told_of("do: []\ninput: {schema: {document: {properties: {a: {allOf: [{}], unevaluatedProperties: false}}}}}\n"),
                 "/input/schema/document: the keyword \"unevaluatedProperties\" of a later draft of JSON Schema than 7 (at "
                 "/properties/a of the schema) is not supported"));
  // A name of somebody's property is no keyword, and who says draft 7 means it.
  CHECK(told_of("do: []\ninput: {schema: {document: {properties: {minContains: {enum: [{$dynamicRef: x}]}}}}}\n").empty());
  CHECK(told_of("do: []\ninput: {schema: {document: {$schema: 'http://json-schema.org/draft-07/schema#', minContains: 2}}}\n")
            .empty());
}

TEST_CASE("a schema that could keep the process busy is for a worker") {
  const auto simple = [](std::string_view text) { return schema::is_simple(parsed(text)); };
  CHECK(simple(order));
  CHECK_FALSE(simple(R"({"allOf": [{"$ref": "#"}]})"));
  CHECK_FALSE(simple(R"({"properties": {"a": {"pattern": "(a+)+$"}}})"));
  CHECK_FALSE(simple(R"({"patternProperties": {"(a+)+$": {}}})"));
  CHECK_FALSE(simple(R"({"items": {"uniqueItems": true}})"));
  CHECK_FALSE(simple(R"({"format": "date-time"})"));
  // Without one it is an error of the machine, not of the document.
  const auto done = run_document("do:\n  - a: {set: {x: 1}, input: {schema: {document: {$ref: '#/definitions/a'}}}}\n");
  REQUIRE(done.failed);
  CHECK(done.failed->code == "runtime");
  CHECK(done.failed->message.find("needs a worker process") != std::string::npos);
}

TEST_CASE("data that does not fit is a validation error: of inputs before, of outputs after they are transformed") {
  const auto fails_at = [](std::string_view rest, const json::value& input) {
    const auto done = run_document(rest, input);
    if (!done.failed) return std::string{};
    CHECK(done.failed->type == "https://serverlessworkflow.io/spec/1.0.0/errors/validation");
    CHECK(done.failed->status == 400);
    return done.failed->instance + " " + done.failed->message;
  };
  const json::value good{{"id", 1}}, bad{{"id", "x"}};
  const std::string wanted = "{document: {properties: {id: {type: integer}}}}";

  const auto of_workflow = "input: {schema: " + wanted + ", from: .id}\ndo:\n  - a: {set: '${ . }'}\n";
  CHECK(fails_at(of_workflow, good).empty());
  CHECK(fails_at(of_workflow, bad).find("/ the workflow's input does not fit its schema: at /id: ") == 0);

  const auto of_task = "do:\n  - a: {input: {schema: " + wanted + ", from: .id}, set: '${ . }'}\n";
  CHECK(fails_at(of_task, good).empty());
  CHECK(fails_at(of_task, bad).find("/do/0/a the task's input does not fit") == 0);

  const auto of_output = "do:\n  - a: {set: '${ {raw: .id} }', output: {as: '{id: .raw}', schema: " + wanted + "}}\n";
  CHECK(fails_at(of_output, good).empty());
  CHECK(fails_at(of_output, bad).find("/do/0/a the task's output does not fit") == 0);

  const auto of_export = "do:\n  - a: {set: '${ . }', export: {as: '{id: .id}', schema: " + wanted + "}}\n";
  CHECK(fails_at(of_export, good).empty());
  CHECK(fails_at(of_export, bad).find("/do/0/a the exported context does not fit") == 0);

  const auto of_result = "output: {as: '{id: .id}', schema: " + wanted + "}\ndo:\n  - a: {set: '${ . }'}\n";
  CHECK(fails_at(of_result, good).empty());
  CHECK(fails_at(of_result, bad).find("/ the workflow's output does not fit") == 0);

  // A task that is skipped is not asked; an error can be caught.
  CHECK(fails_at("do:\n  - a: {if: 'false', input: {schema: " + wanted + "}, set: {x: 1}}\n", bad).empty());
  CHECK(run_document("do:\n  - t: {try: [{a: {input: {schema: " + wanted +
                         "}, set: {x: 1}}}], catch: {errors: {with: {status: 400}}, do: [{h: {set: {caught: true}}}]}}\n",
                     bad)
            .result == json::value{{"caught", true}});
}

TEST_CASE("a schema in a file is read when it is needed, as JSON or YAML") {
  const auto files = std::make_shared<shelf>(std::map<std::string, std::string>{{"a.json", order},
                                                                                {"b c.yaml", "type: object\nrequired: [id]\n"},
                                                                                {"broken.json", "{\"type\": "},
                                                                                {"odd.json", "{\"type\": 5}"}});
  const auto with = [&](const std::string& address, const json::value& input) {
    return run_document("do:\n  - a: {set: {x: 1}, input: {schema: {resource: {endpoint: '" + address + "'}}}}\n", input, {},
                        files);
  };
  CHECK(with("file://a.json", {{"id", 1}}).finished);
  CHECK(with("file://a.json", {{"id", 0}}).failed->code == "validation");
  CHECK(with("file://b%20c.yaml", {{"id", 0}}).finished);
  CHECK(with("${ \"file://\" + .name }", {{"name", "a.json"}, {"id", 1}}).finished);
  for (const auto* address : {"file://none.json", "file://broken.json", "file://odd.json"}) {
    const auto done = with(address, {{"id", 1}});
    REQUIRE(done.failed);
    CHECK(done.failed->code == "configuration");
    CHECK(done.failed->instance == "/do/0/a");
  }
}
