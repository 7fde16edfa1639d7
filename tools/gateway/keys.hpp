// key_store: the API keys of a data directory, one file each: DATA/keys/<id>.json.
//
// A key is pdr_<id>_<secret>: 64 and 256 random bits in hex. Only the SHA-256 of the secret is stored. Files appear and
// change whole (written aside, then renamed), so that a running server and the `perdure keys` commands share the folder: each
// check looks at the file's state again, and a revocation counts from the next request on.
// Concurrency: any thread, several processes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "perdure/payload.hpp"
#include "perdure/time.hpp"

namespace perdure::tools::gateway {

/// What a key may do. `admin` includes the others.
enum class right : std::uint8_t { read = 1, run = 2, deploy = 4, admin = 8 };

class rights {
 public:
  [[nodiscard]] bool has(right what) const {
    return ((bits_ & static_cast<unsigned>(right::admin)) | (bits_ & static_cast<unsigned>(what))) != 0;
  }
  void give(right what) { bits_ |= static_cast<unsigned>(what); }
  [[nodiscard]] bool empty() const { return bits_ == 0; }
  [[nodiscard]] std::vector<std::string> names() const;
  /// "run,read": invalid_argument for anything that is no right, and for none at all.
  [[nodiscard]] static result<rights> read(std::string_view list);

 private:
  unsigned bits_ = 0;
};

/// The tenant that the command line's own runs belong to.
inline constexpr std::string_view default_tenant = "default";

struct api_key {
  std::string id;
  std::string tenant{default_tenant};
  std::string workflow;  ///< only this one; empty = all
  rights may;
  timestamp created_at{};
  std::optional<timestamp> expires_at, revoked_at;
  std::string secret_hash;  ///< SHA-256, hex

  [[nodiscard]] bool valid(timestamp now) const { return !revoked_at && (!expires_at || now < *expires_at); }
};
/// Without the hash.
[[nodiscard]] json::object to_json_object(const api_key& key, timestamp now);

class key_store {
 public:
  explicit key_store(const std::filesystem::path& data) : folder_(data / "keys") {}

  struct made {
    api_key key;
    std::string text;  ///< pdr_<id>_<secret>; not to be had again
  };
  /// Durable when it returns. invalid_argument: a tenant that is not of lower-case letters, digits and hyphens.
  [[nodiscard]] result<made> create(api_key what, timestamp now);
  /// All keys, the oldest first.
  [[nodiscard]] result<std::vector<api_key>> list() const;
  /// not_found. Revoking again changes nothing.
  [[nodiscard]] result<api_key> revoke(const std::string& id, timestamp now);
  /// The valid key that this is the text of; takes as long for a wrong secret as for the right one.
  [[nodiscard]] std::optional<api_key> check(std::string_view text, timestamp now);

  /// Whether a key of this id is valid now.
  [[nodiscard]] bool valid(const std::string& id, timestamp now);

  /// DATA/admin.key holds a key with all rights when no valid one with `admin` was there; gives its path when it was made now.
  [[nodiscard]] result<std::optional<std::filesystem::path>> ensure_admin(const std::filesystem::path& data, timestamp now);

 private:
  struct version {
    std::uint64_t inode = 0, size = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const version&) const = default;
  };
  struct cached {
    version seen;
    api_key key;
  };
  [[nodiscard]] std::filesystem::path path_of(const std::string& id) const { return folder_ / (id + ".json"); }
  [[nodiscard]] std::optional<api_key> find(const std::string& id);
  [[nodiscard]] static result<api_key> read(const std::filesystem::path& path);
  [[nodiscard]] result<void> write(const api_key& key) const;
  [[nodiscard]] result<made> prepare(api_key what, timestamp now) const;

  std::filesystem::path folder_;
  std::mutex mutex_;
  std::map<std::string, cached, std::less<>> known_;
};

/// Lower-case letters, digits and hyphens, 1 to 63, as a namespace of the Serverless Workflow DSL.
[[nodiscard]] bool is_tenant_name(std::string_view name);

}  // namespace perdure::tools::gateway
