// Documents from strangers: whatever the text is, reading it ends with a document or with problems that have a place in it.
//
// With PERDURE_LIBFUZZER this file is a libFuzzer target; else a test that changes the seeds in a random but repeatable way.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "dsl/document.hpp"

namespace {

/// What is wrong with the reader's answer; empty = nothing.
std::string complaint(std::string_view text, const std::string& file) {
  using namespace perdure::dsl;
  const auto read = read_document(text, file);
  const auto* problems = std::get_if<std::vector<problem>>(&read);
  if (problems == nullptr) return std::get<document>(read).hash.size() == 64 ? "" : "a document without its hash";
  if (problems->empty()) return "neither a document nor a problem";
  const auto lines =
      static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n') + std::count(text.begin(), text.end(), '\r')) + 1;
  for (const auto& each : *problems) {
    if (each.message.empty() || each.file != file) return "a problem without its message or file";
    if (each.at.line < 1 || each.at.column < 1 || each.at.line > lines + 1) return "a problem outside of the text: " + each.str();
  }
  return {};
}

}  // namespace

#ifdef PERDURE_LIBFUZZER

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(bytes), size};
  if (!complaint(text, "a.yaml").empty() || !complaint(text, "a.json").empty()) __builtin_trap();
  return 0;
}

#else

#include "support/catch.hpp"
#include "support/seed.hpp"

namespace {

std::vector<std::string> seeds() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(PERDURE_SOURCE_DIR) / "tests/fuzz/seeds/documents")) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> out;
  for (const auto& file : files) {
    std::ifstream in(file);
    std::stringstream text;
    text << in.rdbuf();
    out.push_back(text.str());
  }
  return out;
}

/// One small change; `other` gives text to mix in.
void change(std::string& text, const std::string& other, std::mt19937_64& chance) {
  const auto below = [&](std::size_t n) { return n == 0 ? std::size_t{0} : static_cast<std::size_t>(chance() % n); };
  constexpr std::string_view pieces[] = {"${ ",  " }", "\"", "\\(",  "\\u", "{",      "}",   "[",  "]",    ": ",
                                         "- ",   "\n", "\t", "&a ",  "*a",  "!!int ", "|\n", "? ", "<<: ", "\xFF",
                                         "\xC3", "#",  "'",  "null", "-",   "1e999",  ".[",  "$x", "do:",  "then: "};
  const auto at = below(text.size() + 1);
  switch (below(6)) {
    case 0: text.erase(at, 1 + below(20)); break;
    case 1: text.insert(at, pieces[below(std::size(pieces))]); break;
    case 2:
      if (at < text.size()) text[at] = static_cast<char>(chance());
      break;
    case 3: text.insert(at, text.substr(below(text.size()), below(80))); break;
    case 4: text.insert(at, other.substr(below(other.size()), below(200))); break;
    default: text.resize(at);
  }
}

}  // namespace

TEST_CASE("changed documents are read to the end, with problems that have a place") {
  const auto texts = seeds();
  REQUIRE(texts.size() >= 4);
  for (const auto& text : texts) CHECK(complaint(text, "a.yaml") == "");
  std::mt19937_64 chance{perdure::test::session_seed()};
  for (int round = 0; round < 3'000; ++round) {
    auto text = texts[chance() % texts.size()];
    for (auto changes = 1 + chance() % 6; changes > 0; --changes) change(text, texts[chance() % texts.size()], chance);
    const auto wrong = complaint(text, round % 4 == 0 ? "a.json" : "a.yaml");
    if (wrong.empty()) continue;
    CAPTURE(round, text);
    FAIL(wrong);
  }
}

#endif
