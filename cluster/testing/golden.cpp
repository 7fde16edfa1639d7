// Histories as files beside the tests: saved, compared, replayed against today's code.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "cluster/testing/engine.hpp"
#include "cluster/testing/history.hpp"

namespace perdure::testing {

namespace {

constexpr auto rewrite = "PERDURE_REWRITE_GOLDEN";

std::string read_file(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  if (!in)
    throw test_failure("there is no history " + file.string() + "; with " + rewrite + "=1 in the environment it is written");
  return {std::istreambuf_iterator<char>{in}, {}};
}

void write_file(const std::filesystem::path& file, const std::string& text) {
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path());
  std::ofstream out{file, std::ios::binary | std::ios::trunc};
  if (!(out << text).flush()) throw test_failure("the history " + file.string() + " cannot be written");
}

bool rewrites() {
  const char* set = std::getenv(rewrite);
  return set != nullptr && *set != '\0' && std::string_view{set} != "0";
}

std::string_view first_line(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  const auto line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

std::string test_run::history() const {
  const auto& state = engine_->stored(id_);
  auto text = write_history({state.workflow, state.version, id_, engine_->recorded(id_)});
  if (!text) fail(text.error().message);
  return std::move(*text);
}

void test_run::save_history(const std::filesystem::path& file) const { write_file(file, history()); }

void test_run::expect_history(const std::filesystem::path& file) const {
  const auto now = history();
  if (rewrites()) return write_file(file, now);
  const auto then = read_file(file);
  if (then == now) return;
  std::string_view old_rest = then, new_rest = now;
  for (int number = 1;; ++number) {
    const bool old_over = old_rest.empty(), new_over = new_rest.empty();
    const auto old_line = first_line(old_rest), new_line = first_line(new_rest);
    if (old_line == new_line && !old_over && !new_over) continue;
    fail("the history of run " + id_.str() + " is not that of " + file.string() + " from line " + std::to_string(number) +
         " on; when today's is right, " + rewrite + "=1 writes it\n  file:  " + (old_over ? "(ends)" : std::string{old_line}) +
         "\n  today: " + (new_over ? "(ends)" : std::string{new_line}));
  }
}

void test_run::expect_replay() const {
  const auto& state = engine_->stored(id_);
  const auto* code = engine_->code_of(state);
  if (code == nullptr) fail("workflow \"" + state.workflow + "\" of run " + id_.str() + " is not registered");
  const auto partings = replay({state.workflow, state.version, id_, engine_->recorded(id_)}, *code);
  if (!partings) fail(partings.error().message);
  if (!partings->empty()) {
    fail("a replay of run " + id_.str() +
         " parts from what it did: its handlers are not deterministic, or are not what they were\n" + text_of(*partings));
  }
}

std::vector<history_parting> find_partings(std::string_view text, const workflow& code) {
  const auto read = read_history(text);
  if (!read) throw test_failure(read.error().message);
  if (read->workflow != code.name()) {
    throw test_failure("the history is one of workflow \"" + read->workflow + "\", not of \"" + code.name() + "\"");
  }
  auto partings = replay(*read, code.definition());
  if (!partings) throw test_failure(partings.error().message);
  return std::move(*partings);
}

void replay_history(const std::filesystem::path& file, const workflow& code) {
  const auto partings = find_partings(read_file(file), code);
  if (partings.empty()) return;
  throw test_failure("workflow \"" + code.name() + "\" parts from its history " + file.string() +
                     ": runs that are alive in this place would end with \"nondeterminism\"\n" + text_of(partings));
}

}  // namespace perdure::testing
