#include "actors/backends/kept_job.hpp"

#include "actors/backends/job_files.hpp"
#include "perdure/ids.hpp"
#include "perdure/json.hpp"

namespace perdure::actors {

namespace {

constexpr std::string_view step_mark = "step";

json::value kept(int folder) {
  const auto text = read_kept(folder);
  const auto read = text ? payload::parse_text(*text) : result<payload>{text.error()};
  return read ? read->value() : json::value{};
}

std::string key_in(const json::value& kept) {
  const auto* key = kept.is_object() ? kept.get_object().if_contains("key") : nullptr;
  return key != nullptr && key->is_string() ? std::string{key->get_string()} : std::string{};
}

}  // namespace

payload keep_job(const std::string& key, process_job spec, bool of_step) {
  // What the job does not need to be told twice is left out.
  spec.files.clear();
  spec.input.reset();
  spec.arguments.clear();
  spec.environment.clear();
  json::object out{{"key", key}, {"spec", to_json(spec)}};
  if (of_step) out.emplace(step_mark, true);
  return payload{json::value(std::move(out))};
}

std::string key_of(int folder) { return key_in(kept(folder)); }

std::optional<std::string> step_of(int folder) {
  const auto all = kept(folder);
  if (!all.is_object() || !all.get_object().contains(step_mark)) return std::nullopt;
  auto key = key_in(all);
  if (!run_id::parse(std::string_view{key}.substr(0, key.find('/')))) return std::nullopt;
  return key;
}

process_job spec_of(int folder) {
  const auto all = kept(folder);
  const auto* spec = all.is_object() ? all.get_object().if_contains("spec") : nullptr;
  auto read = spec == nullptr ? result<process_job>{error{errc::corrupt, {}}} : from_json<process_job>(*spec);
  return read ? std::move(*read) : process_job{};
}

std::vector<std::string> patterns_of(int folder) { return spec_of(folder).artifacts; }

}  // namespace perdure::actors
