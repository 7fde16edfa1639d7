// Many schedules, one seed each, with what they went through.
#include <cstdio>
#include <cstdlib>

#include "simulation/world.hpp"
#include "support/catch.hpp"

namespace perdure::sim {

statistics run_schedules(const char* name, const profile& how, std::uint64_t first_seed, std::uint64_t count) {
  statistics all;
  if (const char* wanted = std::getenv("PERDURE_SIM_COUNT")) count = std::stoull(wanted);
  const char* chosen = std::getenv("PERDURE_SIM_SEED");
  if (chosen != nullptr) {
    first_seed = std::stoull(chosen);
    count = 1;
  }
  for (std::uint64_t seed = first_seed; seed < first_seed + count; ++seed) {
    INFO("PERDURE_SIM_SEED=" << seed << " repeats it");
    world one{seed, how, chosen != nullptr};
    try {
      one.run();
    } catch (const broken& found) {
      FAIL(name << ", seed " << seed << ": " << found.what() << "\nPERDURE_SIM_SEED=" << seed << " repeats it; the last events:\n"
                << one.last_events());
    }
    one.add_to(all);
  }
  std::string kinds, ends;
  for (const auto& [kind, many] : all.kinds) kinds += " " + kind + "=" + std::to_string(many);
  for (const auto& [end, many] : all.ends) ends += " " + end + "=" + std::to_string(many);
  std::printf(
      "%s: %llu schedules from seed %llu, %llu actions, %llu events, %llu bodies, %llu crashes, %llu takeovers, %llu parked, "
      "%llu snapshots, %llu answers to questions about jobs, %llu looks at files\n ends:%s\n events:%s\n",
      name, static_cast<unsigned long long>(all.schedules), static_cast<unsigned long long>(first_seed),
      static_cast<unsigned long long>(all.actions), static_cast<unsigned long long>(all.events),
      static_cast<unsigned long long>(all.bodies), static_cast<unsigned long long>(all.crashes),
      static_cast<unsigned long long>(all.takeovers), static_cast<unsigned long long>(all.parked),
      static_cast<unsigned long long>(all.snapshots), static_cast<unsigned long long>(all.questions),
      static_cast<unsigned long long>(all.looks_at_files), ends.c_str(), kinds.c_str());
  return all;
}

}  // namespace perdure::sim
