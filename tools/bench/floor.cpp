// The floor beside a bench's figures: bare appends of records as large as those the bench has left.
#include "persistence/floor.hpp"

#include <cmath>

#include "persistence/journal.hpp"
#include "persistence/record_format.hpp"
#include "tools/bench/bench.hpp"

namespace perdure::tools::bench {

result<journal_floor> measure_floor(const std::filesystem::path& data, double mean_batch, double seconds) {
  constexpr std::size_t sample = 10'000;
  std::size_t bytes = 0, records = 0;
  {
    auto journal = persistence::open_lmdb_journal(data, persistence::open_mode::read_only, std::size_t{1} << 40, 0);
    if (!journal) return journal.error();
    const auto last = (*journal)->last_lsn();
    const auto found = (*journal)->scan(last > sample ? last - sample : 1, sample);
    if (!found) return found.error();
    for (const auto& record : *found) bytes += persistence::record_header_bytes + record.bytes.size();
    records = found->size();
  }
  if (records == 0) return error{errc::not_found, "the bench left no records"};
  const auto batch = static_cast<std::size_t>(std::max(1.0, std::round(mean_batch)));
  auto measured = persistence::measure_append_floor(data, bytes / records, batch, std::chrono::duration<double>(seconds));
  if (!measured) return measured.error();
  return journal_floor{measured->appends_per_s, measured->commit_p50_us};
}

}  // namespace perdure::tools::bench
