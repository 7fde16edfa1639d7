// backend_gate: which submit goes to a backend next, and whether the backend is there at all.
//
// Operation: a submit takes a ticket and waits. `next` gives the one whose turn it is: of the tenant that has the fewest jobs
// there, the ticket with the highest priority, then the oldest; as long as there is a free place, the rate allows it and the
// backend is up. It then holds a place until that is given back, or until its time is over.
//   up    | down_after failures in a row → down
//   down  | one call after a pause; it fails: the next pause, it is answered: → up
// Concurrency: none; time is an argument.
// Limitations: knows of places only what it is told: jobs of an earlier life of the node count from the first look at them.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "perdure/backend.hpp"

namespace perdure::actors {

class backend_gate {
 public:
  using time = std::chrono::steady_clock::time_point;
  explicit backend_gate(backend_options how) : how_(how) {}

  // Tickets and places; `key` is the submit key.

  /// Once more with the same key: it keeps its place in the row.
  void enter(const std::string& key, const std::string& tenant, std::int32_t priority);
  [[nodiscard]] bool waits(const std::string& key) const { return tickets_.contains(key); }
  void leave(const std::string& key);
  /// The next one; it holds a place now.
  [[nodiscard]] std::optional<std::string> next(time now);
  /// When to ask again, without a ticket or a place having come or gone; none = no sooner than that.
  [[nodiscard]] std::optional<time> again_at(time now) const;
  /// Some ticket, to wake up for.
  [[nodiscard]] std::string some() const;
  [[nodiscard]] std::vector<std::string> waiting() const;

  /// The job is there: until `until`, or until it is freed. Beyond the limit, too: it is a fact.
  void hold(const std::string& key, const std::string& tenant, std::optional<time> until = std::nullopt);
  [[nodiscard]] bool holds(const std::string& key) const { return places_.contains(mark_of(key)); }
  void free(const std::string& key) { free_place(mark_of(key)); }

  // Health.

  [[nodiscard]] bool up() const { return up_; }
  /// Whether a call may be made; down, the first one after the pause is the trial, and the others wait for it.
  [[nodiscard]] bool may_call(time now);
  /// A call has ended, whatever came of it: another one may be the trial.
  void trial_over() { trying_ = false; }
  /// When there will be another trial; only while it is down.
  [[nodiscard]] time trial_at() const { return trial_at_; }
  /// A call was answered by the system. True: it was down before.
  bool reached();
  /// A call was not. True: with this one it counts as down.
  bool missed(const std::string& why, time now);

  [[nodiscard]] backend_health health() const;
  [[nodiscard]] const backend_options& options() const { return how_; }

 private:
  struct ticket {
    std::string tenant;
    std::int32_t priority = 0;
    std::uint64_t number = 0;
  };
  struct tenant {
    std::set<std::pair<std::pair<std::int64_t, std::uint64_t>, std::string>> row;  ///< (−priority, number), key
    std::size_t places = 0;
    std::uint64_t served = 0;  ///< when last
  };
  static constexpr auto for_ever = time::max();
  struct place {
    std::map<std::string, tenant>::iterator of;  ///< does not move while it has places
    time until = for_ever;
  };
  /// Stands for a key: there may be very many places, for as long as their jobs run.
  using mark = std::array<std::uint64_t, 2>;
  struct of_mark {
    std::size_t operator()(const mark& which) const noexcept { return which[0]; }
  };
  [[nodiscard]] static mark mark_of(const std::string& key);
  void free_place(const mark& which);
  void expire(time now);
  void refill(time now);
  void drop_tenant(std::map<std::string, tenant>::iterator which);

  backend_options how_;
  std::unordered_map<std::string, ticket> tickets_;
  std::unordered_map<mark, place, of_mark> places_;
  std::set<std::pair<time, mark>> expiring_;
  std::map<std::string, tenant> tenants_;
  std::uint64_t count_ = 0;
  double tokens_ = 0;
  std::optional<time> filled_at_;
  bool up_ = true, trying_ = false;
  std::uint32_t failures_ = 0;
  time trial_at_{};
  std::string why_;
};

}  // namespace perdure::actors
