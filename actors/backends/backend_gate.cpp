#include "actors/backends/backend_gate.hpp"

#include <algorithm>
#include <cstring>

#include "core/backoff.hpp"
#include "core/record.hpp"

namespace perdure::actors {

namespace {

double most_tokens(const backend_options& how) { return static_cast<double>(std::max<std::size_t>(how.burst, 1)); }

}  // namespace

void backend_gate::enter(const std::string& key, const std::string& name, std::int32_t priority) {
  const auto [at, fresh] = tickets_.try_emplace(key, ticket{name, priority, 0});
  auto& of = tenants_[name];
  if (fresh) {
    at->second.number = ++count_;
  } else if (at->second.priority != priority) {
    of.row.erase({{-std::int64_t{at->second.priority}, at->second.number}, key});
    at->second.priority = priority;
  }
  of.row.insert({{-std::int64_t{priority}, at->second.number}, key});
}

void backend_gate::leave(const std::string& key) {
  const auto at = tickets_.find(key);
  if (at == tickets_.end()) return;
  const auto of = tenants_.find(at->second.tenant);
  of->second.row.erase({{-std::int64_t{at->second.priority}, at->second.number}, key});
  tickets_.erase(at);
  drop_tenant(of);
}

/// Forgotten when it has nothing here: their number has no limit.
void backend_gate::drop_tenant(std::map<std::string, tenant>::iterator which) {
  if (which->second.row.empty() && which->second.places == 0) tenants_.erase(which);
}

void backend_gate::expire(time now) {
  while (!expiring_.empty() && expiring_.begin()->first <= now) free_place(mark{expiring_.begin()->second});
}

void backend_gate::refill(time now) {
  if (how_.submits_per_second <= 0) return;
  const auto most = most_tokens(how_);
  const auto since = filled_at_ ? std::chrono::duration<double>(now - *filled_at_).count() * how_.submits_per_second : most;
  tokens_ = std::min(most, tokens_ + since);
  filled_at_ = now;
}

std::optional<std::string> backend_gate::next(time now) {
  expire(now);
  if (tickets_.empty()) return std::nullopt;
  if (how_.running > 0 && places_.size() >= how_.running) return std::nullopt;
  refill(now);
  if (how_.submits_per_second > 0 && tokens_ < 1) return std::nullopt;
  if (!may_call(now)) return std::nullopt;
  auto* best = static_cast<tenant*>(nullptr);
  for (auto& [name, each] : tenants_) {
    if (each.row.empty()) continue;
    if (best == nullptr || std::pair{each.places, each.served} < std::pair{best->places, best->served}) best = &each;
  }
  const auto key = best->row.begin()->second;
  const auto name = tickets_.at(key).tenant;
  best->served = ++count_;
  if (how_.submits_per_second > 0) tokens_ -= 1;
  hold(key, name);
  leave(key);
  return key;
}

std::optional<backend_gate::time> backend_gate::again_at(time now) const {
  if (tickets_.empty()) return std::nullopt;
  if (how_.running > 0 && places_.size() >= how_.running)
    return expiring_.empty() ? std::nullopt : std::optional{expiring_.begin()->first};
  if (!up_) return trying_ ? std::nullopt : std::optional{std::max(now, trial_at_)};
  if (how_.submits_per_second > 0 && tokens_ < 1) {
    const auto wait = std::chrono::duration<double>((1 - tokens_) / how_.submits_per_second);
    return filled_at_.value_or(now) + std::chrono::duration_cast<time::duration>(wait) + std::chrono::milliseconds{1};
  }
  return now;
}

std::string backend_gate::some() const { return tickets_.empty() ? std::string{} : tickets_.begin()->first; }

std::vector<std::string> backend_gate::waiting() const {
  std::vector<std::string> out;
  for (const auto& [key, each] : tickets_) out.push_back(key);
  return out;
}

backend_gate::mark backend_gate::mark_of(const std::string& key) {
  const auto digest = core::sha256({key});
  mark out{};
  static_assert(sizeof(out) <= sizeof(digest));
  std::memcpy(out.data(), digest.data(), sizeof(out));
  return out;
}

void backend_gate::hold(const std::string& key, const std::string& name, std::optional<time> until) {
  const auto which = mark_of(key);
  const auto [at, fresh] = places_.try_emplace(which);
  if (fresh) {
    at->second.of = tenants_.try_emplace(name).first;
    ++at->second.of->second.places;
  }
  if (at->second.until != for_ever) expiring_.erase({at->second.until, which});
  at->second.until = until.value_or(for_ever);
  if (until) expiring_.insert({*until, which});
}

void backend_gate::free_place(const mark& which) {
  const auto at = places_.find(which);
  if (at == places_.end()) return;
  if (at->second.until != for_ever) expiring_.erase({at->second.until, which});
  const auto of = at->second.of;
  --of->second.places;
  places_.erase(at);
  trying_ = false;  // it may have been the one that was to try
  drop_tenant(of);
}

bool backend_gate::may_call(time now) {
  if (up_) return true;
  if (trying_ || now < trial_at_) return false;
  trying_ = true;
  return true;
}

bool backend_gate::reached() {
  failures_ = 0;
  trying_ = false;
  why_.clear();
  return !std::exchange(up_, true);
}

bool backend_gate::missed(const std::string& why, time now) {
  ++failures_;
  why_ = why;
  trying_ = false;
  const bool was_up = up_;
  if (how_.down_after > 0 && failures_ >= how_.down_after) up_ = false;
  const auto tries = up_ ? 1 : failures_ - how_.down_after + 1;
  trial_at_ = now + core::delay_before(how_.retry, tries + 1, duration{0}, 0);
  return was_up && !up_;
}

backend_health backend_gate::health() const {
  return {.up = up_, .failures = failures_, .why = why_, .running = places_.size(), .waiting = tickets_.size()};
}

}  // namespace perdure::actors
