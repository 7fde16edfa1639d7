// Records of made-up runs, with honest chains of hashes, for tests of the journal.
#pragma once

#include "persistence/projection.hpp"
#include "support/catch.hpp"

namespace perdure::test {

inline timestamp at_second(std::int64_t seconds) { return timestamp{std::chrono::seconds{1'700'000'000 + seconds}}; }

/// The n-th of a family of ids that sort by n.
inline run_id numbered_run(std::uint64_t number) {
  run_id id;
  for (std::size_t i = 0; i < 8; ++i) id.bytes[15 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  id.bytes[6] = 0x70;
  return id;
}

struct made_run {
  std::string workflow = "flow", key, tenant;
  std::string input = "\"hello\"";
};

/// What the state after a record shall be.
struct after {
  run_status status = run_status::running;
  bool active = true;
  std::optional<timestamp> wakeup;
};

/// Makes one run's records, one after the other, as a run actor would.
class scripted_run {
 public:
  explicit scripted_run(std::uint64_t number, made_run what = {}) : scripted_run(numbered_run(number), std::move(what)) {}
  explicit scripted_run(const run_id& as, made_run what = {}) : id(as), what_(std::move(what)) {}

  core::record start(after then = {}) {
    core::run_started event;
    event.workflow = what_.workflow;
    event.version = "1";
    event.definition_hash = std::string(64, 'd');
    event.message = "text/v1";
    event.input = payload::trusted(what_.input);
    event.start = "first";
    event.key = what_.key;
    event.tenant = what_.tenant;
    return next(event, then);
  }
  core::record turn(after then = {}, std::string_view name = "step") {
    core::turn event;
    event.activation = 1;
    event.attempt = 1;
    event.done.push_back({0, core::step_kind::call, std::string{name}, {}});
    return next(event, then);
  }
  core::record end(run_status as = run_status::succeeded) {
    core::run_ended event;
    event.status = as;
    return next(event, {as, false, {}});
  }
  core::record next(const core::event& event, after then) {
    core::record record;
    record.kind = core::kind_of(event);
    record.status = then.status;
    record.active = then.active;
    record.wakeup = then.wakeup;
    record.run = id;
    record.seq = ++seq;
    record.time = at_second(static_cast<std::int64_t>(seq));
    auto bytes = core::encode(event, nullptr);
    REQUIRE(bytes.has_value());
    record.bytes = std::move(*bytes);
    record.hash = hash = core::chain_hash(hash, record);
    return record;
  }

  persistence::append_item item(std::vector<core::record> records) const {
    persistence::append_item out;
    out.run = id;
    out.expected_seq = records.front().seq - 1;
    out.records = std::move(records);
    if (out.expected_seq == 0) out.preconditions.emplace_back(persistence::run_absent{id});
    if (out.expected_seq == 0 && !what_.key.empty())
      out.preconditions.emplace_back(persistence::key_absent{what_.tenant, what_.key});
    return out;
  }
  /// The item of one record.
  persistence::append_item item(core::record record) const { return item(std::vector{std::move(record)}); }

  const run_id id;
  run_seq seq = 0;
  core::digest hash{};

 private:
  made_run what_;
};

/// Appends one item alone.
inline persistence::verdict append(persistence::journal& to, persistence::append_item item) {
  auto verdicts = to.append({&item, 1});
  REQUIRE(verdicts.size() == 1);
  return std::move(verdicts.front());
}
inline lsn_t must_append(persistence::journal& to, persistence::append_item item) {
  const auto verdict = append(to, std::move(item));
  INFO((verdict.error ? verdict.error->message : std::string{}));
  REQUIRE_FALSE(verdict.error.has_value());
  return verdict.first_lsn;
}
inline std::optional<errc> refusal(const persistence::verdict& verdict) {
  return verdict.error ? std::optional{verdict.error->code} : std::nullopt;
}

/// All problems as one text, so that a failing test shows them. Whether somebody will wake a run is left out: most runs here
/// are made to wait for nothing.
inline std::string problems_of(const persistence::journal& journal) {
  std::string text;
  for (const auto& problem : journal.verify([](const run_id&) { return true; }).problems) {
    text += problem.run.str() + " at " + std::to_string(problem.lsn) + ": " + problem.what + "\n";
  }
  return text;
}

}  // namespace perdure::test
