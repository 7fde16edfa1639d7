// workflow_shelf: the documents that a service runs: those of a folder, and those put over HTTP.
//
// Operation: `prepare` before the node is opened says what to register; `attach` registers it; `look_again` reads what
// changed in the folder since. A document is kept in the data directory before a run of it can start. One that is invalid, or
// differs from a registered one of the same version, is refused with a line in the log; the last good one stays.
// Concurrency: any thread after `attach`.
// Limitations: a folder's changes are seen by looking (size and time of its files), its sub-folders are not looked into.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cluster/documents.hpp"
#include "cluster/tenant_schedules.hpp"
#include "perdure/node.hpp"
#include "tools/gateway/tenant_policies.hpp"

namespace perdure::tools::gateway {

struct shelf_options {
  std::filesystem::path data;
  std::filesystem::path folder;  ///< empty = none
  tenant_policies policies;
  std::function<void(std::string_view level, const std::string& text)> log;
};

class workflow_shelf {
 public:
  explicit workflow_shelf(shelf_options how)
      : how_(std::move(how)), reader_(how_.data),
        public_reader_(how_.data, {},
                       {.may_run = true, .may_read_files = true, .may_use_secrets = true, .may_reach_private = false}) {}

  /// Reads the folder and what is kept; the node must not be open. io_error: there is no such folder.
  [[nodiscard]] result<void> prepare();
  [[nodiscard]] result<void> attach(node& engine);
  void look_again();

  struct put_outcome {
    cluster::workflow_facts what;
    bool fresh = false;
  };
  /// Takes a document of the namespace. invalid_argument: its problems, one a line, or what it may not do. already_exists: this
  /// version has another text. conflict: it is not the workflow called `name` (empty = any).
  [[nodiscard]] result<put_outcome> put(const std::string& text, const std::string& space, const std::string& name);
  /// The document of a registered workflow.
  [[nodiscard]] std::optional<std::string> text_of(const std::string& name, const std::string& version) const;
  /// The same as JSON; null when there is none.
  [[nodiscard]] std::shared_ptr<const json::value> content_of(const std::string& name, const std::string& version) const;

  [[nodiscard]] bool has_schedule(const std::string& name, const std::string& version) const;
  /// Begins the schedule of a document, or attaches to the one that goes on.
  [[nodiscard]] result<cluster::tenant_started> begin_schedule(const std::string& tenant, const std::string& name,
                                                               const std::string& version, const std::string& missed);
  /// Begins those of the newest documents that have one and were never begun: what somebody ended stays ended.
  void begin_schedules();

 private:
  struct file_state {
    std::uintmax_t size = 0;
    std::filesystem::file_time_type changed;
    bool operator==(const file_state&) const = default;
  };
  [[nodiscard]] std::map<std::filesystem::path, file_state> look() const;
  [[nodiscard]] std::optional<cluster::document> read(const std::filesystem::path& file);
  /// For documents of the namespace that were put over HTTP.
  [[nodiscard]] cluster::document_reader& reader_for(const std::string& space);
  void hold_back(std::vector<cluster::document>& registered);
  [[nodiscard]] result<void> take(const cluster::document& what);
  void follow_schedule(const cluster::document& what);
  void begin_once(const std::string& name, const std::string& version);
  [[nodiscard]] result<cluster::tenant_started> begin(const std::string& tenant, const std::string& name,
                                                      const std::string& version, const std::string& missed);

  const shelf_options how_;
  node* engine_ = nullptr;
  mutable std::mutex mutex_;
  cluster::document_reader reader_;
  cluster::document_reader public_reader_;  ///< of documents that reach public addresses only
  std::map<std::filesystem::path, file_state> seen_;
  std::vector<cluster::document> to_register_, of_folder_;
  struct shelved {
    std::string text;
    std::shared_ptr<const json::value> content;
    bool has_schedule = false;
  };
  std::map<std::pair<std::string, std::string>, shelved> shelved_;  ///< by name and version
};

}  // namespace perdure::tools::gateway
