// file_store: the files that clients hand in, by tenant: DATA/files/<tenant>/.
//
// Operation: a file comes piece by piece into `incoming/`; `keep` syncs it, renames it to `content/<its SHA-256>`, and then
// writes `known/<id>.json`, which is what makes it a file. What a crash leaves before that is swept at the next start. Equal
// contents are stored once and counted once. Concurrency: any thread, one process. Limitations: what is known of each file, some
// 200 bytes, is kept in memory.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/hashing.hpp"
#include "perdure/error.hpp"
#include "perdure/time.hpp"
#include "persistence/file_descriptor.hpp"

namespace perdure::actors {
class file_marks;
}

namespace perdure::tools::gateway {

struct stored_file {
  std::string id;        ///< a UUID
  std::string tenant;    ///< as keys name it
  std::string workflow;  ///< of the key that it came with; empty = any
  std::string name, extension, mime_type, user;
  std::string sha256;
  std::uint64_t size = 0;
  timestamp created_at{};
};

class file_store {
 public:
  /// How many bytes a tenant's contents may have.
  using quota = std::function<std::uint64_t(std::string_view tenant)>;
  /// Whoever calls it holds the directory.
  [[nodiscard]] static result<std::unique_ptr<file_store>> open(const std::filesystem::path& data, quota of);

  /// A content on its way; gone again unless it is kept.
  class incoming {
   public:
    incoming(incoming&&) noexcept = default;
    incoming& operator=(incoming&&) = delete;
    ~incoming();
    /// limit_exceeded: the tenant's files would be over the limit. disk_full, io_error.
    [[nodiscard]] result<void> write(std::string_view piece);
    [[nodiscard]] std::uint64_t size() const { return size_; }

   private:
    friend class file_store;
    incoming(file_store& of, std::string tenant, std::filesystem::path path, persistence::file_descriptor file)
        : of_(&of), tenant_(std::move(tenant)), path_(std::move(path)), file_(std::move(file)),
          hash_(std::make_unique<core::hash_stream>()) {}
    file_store* of_;
    std::string tenant_;
    std::filesystem::path path_;
    persistence::file_descriptor file_;
    std::unique_ptr<core::hash_stream> hash_;
    std::uint64_t size_ = 0;
  };
  [[nodiscard]] result<incoming> begin(const std::string& tenant);
  /// Durable when it returns. `what` has what is known beside the content. limit_exceeded.
  [[nodiscard]] result<stored_file> keep(incoming content, stored_file what);

  /// not_found.
  [[nodiscard]] result<stored_file> find(const std::string& id) const;
  /// Of a tenant's contents.
  [[nodiscard]] std::uint64_t bytes_of(std::string_view tenant) const;
  /// Those who have files.
  [[nodiscard]] std::vector<std::string> tenants() const;
  /// Where the content is; nobody writes there.
  [[nodiscard]] std::filesystem::path path_of(const stored_file& what) const;
  /// What stands for that in runs: programs and jobs get the path in its place. io_error.
  [[nodiscard]] result<std::string> mark_of(const stored_file& what) const;
  /// Its content goes with the last file that has it. not_found.
  [[nodiscard]] result<void> remove(const std::string& id);

 private:
  struct entry {
    std::string tenant, sha256;
    std::uint64_t size = 0;
  };
  struct usage {
    std::uint64_t bytes = 0, incoming = 0;
    std::map<std::string, std::uint64_t, std::less<>> contents;  ///< files that have it
  };
  file_store(std::filesystem::path folder, std::shared_ptr<actors::file_marks> marks, quota of)
      : folder_(std::move(folder)), marks_(std::move(marks)), quota_(std::move(of)) {}
  [[nodiscard]] result<void> look_around();
  void sweep(const std::filesystem::path& tenant);
  [[nodiscard]] error over_limit(std::string_view tenant) const;
  [[nodiscard]] std::filesystem::path known_path(const std::string& tenant, const std::string& id) const;
  [[nodiscard]] std::filesystem::path content_path(const std::string& tenant, const std::string& sha256) const;

  const std::filesystem::path folder_;
  const std::shared_ptr<actors::file_marks> marks_;
  const quota quota_;
  mutable std::mutex mutex_;
  std::map<std::string, entry, std::less<>> files_;
  std::map<std::string, usage, std::less<>> tenants_;
};

}  // namespace perdure::tools::gateway
