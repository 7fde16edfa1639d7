#include "persistence/snapshot_format.hpp"

#include <limits>
#include <vector>

#include "persistence/crc32c.hpp"
#include "persistence/keys.hpp"

namespace perdure::persistence {

namespace {

constexpr std::uint8_t snapshot_version = 1;
constexpr std::size_t check_bytes = sizeof(std::uint32_t);
constexpr std::size_t kept_snapshots = 2;

std::uint32_t check_of(std::string_view key, std::string_view after_check) {
  return crc32c(after_check.data(), after_check.size(), crc32c(key.data(), key.size()));
}

}  // namespace

void put_snapshot(write_batch& batch, const run_id& run, run_seq seq, std::string_view state) {
  const auto key = snapshot_key(run, seq);
  std::string bytes;
  bytes.reserve(check_bytes + 1 + state.size());
  byte_appender out{bytes};
  out.number(std::uint32_t{0});
  out.number(snapshot_version);
  out.raw(state.data(), state.size());
  byte_writer{bytes.data()}.number(check_of(key, std::string_view{bytes}.substr(check_bytes)));
  batch.put(table::snapshots, key, bytes);
  std::vector<std::string> old;
  {
    const auto at = batch.walk(table::snapshots);
    std::size_t newer = 1;
    for (bool more = at->seek_before(key); more && at->key().starts_with(run_key(run)); more = at->previous()) {
      if (++newer > kept_snapshots) old.emplace_back(at->key());
    }
  }
  for (const auto& each : old) batch.erase(table::snapshots, each);
}

std::optional<std::pair<run_seq, std::string>> find_snapshot(read_view& view, const run_id& run, run_seq at_most) {
  const auto newest = at_most == 0 ? std::numeric_limits<run_seq>::max() : at_most;
  const auto at = view.walk(table::snapshots);
  for (bool more = at->seek_before(snapshot_key(run, newest).append(1, '\0')); more; more = at->previous()) {
    if (!at->key().starts_with(run_key(run))) break;
    byte_reader in{at->value()};
    const auto check = in.number<std::uint32_t>();
    const auto version = in.number<std::uint8_t>();
    if (!in.ok() || check != check_of(at->key(), at->value().substr(check_bytes)) || version != snapshot_version) continue;
    return std::pair{number_of(at->key().substr(run.bytes.size())), std::string{in.rest()}};
  }
  return std::nullopt;
}

}  // namespace perdure::persistence
