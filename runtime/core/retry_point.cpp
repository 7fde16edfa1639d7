#include "core/retry_point.hpp"

#include <algorithm>

#include "core/resume_message.hpp"
#include "core/signals.hpp"

namespace perdure::core {

namespace {

bool counts(const output& what) {
  return what.kind == output_kind::version || what.kind == output_kind::state || what.kind == output_kind::progress ||
         what.kind == output_kind::scope_start || what.kind == output_kind::scope_end;
}

/// The scopes that an error left on its way out: the last one, and those before it that are inside of it and have the same error.
/// Others that ended in between were cut off.
std::vector<std::uint32_t> left_by_error(const std::vector<output>& outputs) {
  std::vector<std::uint32_t> out;
  const output* outer = nullptr;
  for (auto at = outputs.rbegin(); at != outputs.rend(); ++at) {
    if (at->kind != output_kind::scope_end) continue;
    if (outer == nullptr) {
      if (!at->error) return out;
    } else if (at->number <= outer->number || !at->error || *at->error != *outer->error) {
      continue;
    }
    outer = &*at;
    out.insert(out.begin(), at->number);
  }
  return out;
}

/// Whether the scope is one of an earlier activation, which this one took over: then all of this one is inside of it.
bool began_earlier(const activation& in, std::uint32_t scope) {
  if (in.message != resume_message) return false;
  const auto from = in.value.value();
  const auto* last = from.is_object() ? from.get_object().if_contains("scopes") : nullptr;
  return last != nullptr && last->is_number() && scope <= last->to_number<std::uint32_t>();
}

}  // namespace

void retry_point::note(const run_state& state, const event& what) {
  const auto* turned = std::get_if<turn>(&what);
  if (turned == nullptr) return;
  const auto in = state.activations.find(turned->activation);
  if (in == state.activations.end()) return;
  auto& here = told_[turned->activation];
  auto place = in->second.outputs_recorded;
  for (const auto& each : turned->outputs) {
    if (each.kind == output_kind::scope_start) here.begins[each.number] = place;
    if (counts(each)) ++place;
  }
  here.failed = left_by_error(turned->outputs);
}

void retry_point::cut(run_state& state) const {
  for (const auto& [id, here] : told_) {
    const auto found = state.activations.find(id);
    if (found == state.activations.end() || here.failed.empty()) continue;
    auto& in = found->second;
    const auto known = here.begins.find(here.failed.front());
    if (known == here.begins.end() && !began_earlier(in, here.failed.front())) continue;
    const auto begins = known == here.begins.end() ? 0 : known->second;
    const auto first =
        std::find_if(in.history.begin(), in.history.end(), [&](const auto& each) { return each.outputs_before > begins; });
    const auto keep = static_cast<std::size_t>(first - in.history.begin());
    if (keep == in.history.size()) continue;
    const auto cut_off = [&](const auto& work) {
      return work.activation == id && std::any_of(first, in.history.end(), [&](const history_item& each) {
               return each.what == history_kind::outcome && each.ordinal == work.ordinal;
             });
    };
    std::erase_if(state.children, [&](const auto& each) { return cut_off(each.second); });
    std::erase_if(state.jobs, [&](const auto& each) { return cut_off(each.second); });
    give_back_signals(state, in, keep);
    in.outputs_recorded = begins;
    in.history.resize(keep);
  }
}

}  // namespace perdure::core
