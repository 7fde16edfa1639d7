#include "cluster/testing/history.hpp"

#include <set>

#include "cluster/replay.hpp"
#include "core/event_json.hpp"
#include "core/json_text.hpp"
#include "core/state.hpp"
#include "persistence/memory_journal.hpp"

namespace perdure::testing {

namespace {

using perdure::detail::described;
using perdure::detail::is_specialization;
using perdure::detail::members_of;
using perdure::detail::optional_like;

constexpr auto depth = limits::json_depth + core::envelope_depth;

// Events to JSON and back. Unlike core/event_json, which is for looking, nothing is left out but defaults.

template <class T>
json::value lean(const T& value) {
  if constexpr (std::is_same_v<T, run_id>) {
    return json::value(value.str());
  } else if constexpr (optional_like<T>) {
    return value ? lean(*value) : json::value(nullptr);
  } else if constexpr (is_specialization<T, std::vector> || is_specialization<T, std::deque>) {
    json::array out;
    for (const auto& each : value) out.push_back(lean(each));
    return out;
  } else if constexpr (described<T>) {
    static const T standard{};
    json::object out;
    boost::mp11::mp_for_each<members_of<T>>([&](auto member) {
      auto made = lean(value.*member.pointer);
      if (made != lean(standard.*member.pointer)) out.emplace(member.name, std::move(made));
    });
    return out;
  } else {
    return to_json(value);
  }
}

/// Empty, or what does not fit.
template <class T>
std::optional<std::string> read(const json::value& in, T& out) {
  if constexpr (std::is_same_v<T, run_id>) {
    const auto id = in.is_string() ? run_id::parse(std::string_view{in.get_string()}) : std::nullopt;
    if (!id) return ": expected a run's id";
    out = *id;
    return std::nullopt;
  } else if constexpr (optional_like<T>) {
    if (in.is_null()) return out.reset(), std::nullopt;
    return read(in, out.emplace());
  } else if constexpr (is_specialization<T, std::vector> || is_specialization<T, std::deque>) {
    if (!in.is_array()) return ": expected an array";
    for (const auto& each : in.get_array()) {
      if (auto bad = read(each, out.emplace_back())) return "/" + std::to_string(out.size() - 1) + *bad;
    }
    return std::nullopt;
  } else if constexpr (described<T>) {
    if (!in.is_object()) return ": expected an object";
    std::optional<std::string> problem;
    std::set<std::string_view> known;
    boost::mp11::mp_for_each<members_of<T>>([&](auto member) {
      known.insert(member.name);
      const auto* found = in.get_object().if_contains(member.name);
      if (problem || found == nullptr) return;
      if (auto bad = read(*found, out.*member.pointer)) problem = "/" + std::string{member.name} + *bad;
    });
    for (const auto& [name, value] : in.get_object()) {
      if (!problem && !known.contains(std::string_view{name})) problem = ": has no member \"" + std::string{name} + "\"";
    }
    return problem;
  } else {
    return perdure::detail::read_json(in, out);
  }
}

std::optional<std::string> read_event(std::string_view kind, const json::value& in, std::optional<core::event>& out) {
  std::optional<std::string> problem;
  boost::mp11::mp_for_each<boost::mp11::mp_transform<boost::mp11::mp_identity, core::event>>([&](auto type) {
    using each = typename decltype(type)::type;
    if (core::name_of(each::kind) != kind) return;
    each made;
    problem = read(in, made);
    out = std::move(made);
  });
  if (!out) return ": there is no kind of event \"" + std::string{kind} + "\"";
  return problem;
}

std::string line_of(const json::object& what) {
  std::string out;
  core::write_json_text(out, json::value(what), depth);
  return out + "\n";
}

std::string_view string_in(const json::value& of, std::string_view member) {
  const auto* found = of.is_object() ? of.get_object().if_contains(member) : nullptr;
  return found != nullptr && found->is_string() ? std::string_view{found->get_string()} : std::string_view{};
}

}  // namespace

result<std::string> write_history(const history& what) try {
  auto out = line_of({{"perdure_history", 1}, {"workflow", what.workflow}, {"version", what.version}, {"run", what.run.str()}});
  core::executor_names names;
  std::uint64_t seq = 0;
  for (const auto& [event, time] : what.events) {
    if (std::holds_alternative<core::run_restored>(event)) {
      return error{errc::unsupported, "the history of a linked run begins in the middle of another one"};
    }
    names.learn(event);
    json::object line{{"seq", ++seq}, {"time", to_string(time)}, {"kind", core::name_of(core::kind_of(event))}};
    if (const auto executor = names.of(event); !executor.empty()) line.emplace("executor", executor);
    line.emplace("event", std::visit([](const auto& each) { return lean(each); }, event));
    out += line_of(line);
  }
  return out;
} catch (const step_error& no_text) {
  return error{errc::unsupported, std::string{"an event that no text can say: "} + no_text.what()};
}

result<history> read_history(std::string_view text) {
  history out;
  std::size_t number = 0;
  const auto bad = [&](const std::string& why) {
    return error{errc::invalid_argument, "line " + std::to_string(number) + " of the history" + why};
  };
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    const auto in = core::read_json_text(line, depth);
    if (!in) return bad(": " + in.error().message);
    if (number == 1) {
      const auto id = run_id::parse(string_in(*in, "run"));
      if (!in->is_object() || !in->get_object().contains("perdure_history") || !id) return bad(": is not the head of a history");
      out.run = *id;
      out.workflow = string_in(*in, "workflow");
      out.version = string_in(*in, "version");
      continue;
    }
    const auto at = parse_timestamp(string_in(*in, "time"));
    if (!at) return bad("/time: expected an RFC 3339 time");
    const auto* members = in->get_object().if_contains("event");
    if (members == nullptr) return bad(": has no event");
    std::optional<core::event> event;
    if (const auto problem = read_event(string_in(*in, "kind"), *members, event)) return bad(*problem);
    out.events.emplace_back(std::move(*event), *at);
  }
  if (out.events.empty()) return bad(": has no events");
  return out;
}

namespace {

/// The same run in a journal of its own.
result<std::unique_ptr<persistence::journal>> journal_of(const history& what) {
  auto journal = persistence::make_memory_journal();
  persistence::append_item item{.epoch = *journal->acquire(0), .run = what.run};
  core::run_state state;
  state.id = what.run;
  core::digest head{};
  for (const auto& [event, time] : what.events) {
    if (const auto fits = core::apply(state, event, time); !fits) {
      return error{errc::corrupt,
                   "event " + std::to_string(state.seq + 1) + " of the history does not fit: " + fits.error().message};
    }
    auto bytes = core::encode(event, &journal->blobs());
    if (!bytes) return bytes.error();
    core::record made{.kind = core::kind_of(event),
                      .status = state.status,
                      .active = core::has_work(state),
                      .run = what.run,
                      .seq = state.seq,
                      .time = state.updated_at,
                      .wakeup = core::next_wakeup(state),
                      .bytes = std::move(*bytes)};
    made.hash = head = core::chain_hash(head, made);
    item.records.push_back(std::move(made));
    if (item.records.size() < limits::commit_records && state.seq < what.events.size()) continue;
    const auto seq = state.seq;
    const auto verdict = journal->append({&item, 1}).front();
    if (verdict.error) return *verdict.error;
    item.records.clear();
    item.expected_seq = seq;
  }
  return journal;
}

}  // namespace

result<std::vector<history_parting>> replay(const history& what, const perdure::detail::definition& code) {
  const auto journal = journal_of(what);
  if (!journal) return journal.error();
  const auto report = cluster::replay_run(**journal, what.run, 0, [&](const core::run_state&) { return &code; });
  if (!report) return report.error();
  std::vector<history_parting> out;
  for (const auto& each : report->partings) {
    out.push_back({each.seq, each.activation, each.attempt, each.step, each.recorded, each.replayed});
  }
  if (report->unchecked > 0) {
    out.push_back({.recorded = "attempts of executors that the workflow has no more: " + std::to_string(report->unchecked),
                   .replayed = "no such executor"});
  }
  return out;
}

std::string text_of(const std::vector<history_parting>& partings) {
  std::string out;
  for (const auto& each : partings) {
    out += "  at event " + std::to_string(each.seq);
    if (each.activation != 0) {
      out += ", activation " + std::to_string(each.activation) + ", attempt " + std::to_string(each.attempt);
    }
    out += "\n    recorded: " + each.recorded + "\n    today:    " + each.replayed + "\n";
  }
  return out;
}

}  // namespace perdure::testing
