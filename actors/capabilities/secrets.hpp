// Secrets of documents: what stands for them in runs, and the secrets themselves where an effect needs them.
//
// Operation: a run only ever sees a stand-in, "{{perdure-secret:NAME/PATH:MAC}}", one for each text of a secret. `with_secrets`
// puts a capability behind a door: on the way in stand-ins become secrets, on the way out what a program or server gave back
// of them becomes stand-ins again, and what looks like a stand-in and is none of ours is spoilt. So journal, log and events
// hold none. The MAC binds a stand-in to its workflow and to this directory: whoever can write data cannot make one.
// Concurrency: any thread.
// Limitations: a secret comes back unseen when the other side changes it (another encoding, say), or when it is shorter than
// six characters.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/capabilities/capability.hpp"
#include "perdure/payload.hpp"

namespace perdure::actors {

class secret_book {
 public:
  /// A secret's text, empty when there is none of that name.
  using find_secret = std::function<std::optional<std::string>(const std::string& name)>;
  /// 32 bytes that nobody else knows; asked for once, when a secret is used first.
  using find_key = std::function<result<std::string>()>;
  secret_book(find_secret secrets, find_key key) : secrets_(std::move(secrets)), key_of_(std::move(key)) {}

  /// What a run of the workflow sees of a secret: for text a stand-in; for text that is a JSON object, an object of
  /// stand-ins. not_found, io_error.
  [[nodiscard]] result<json::value> stand_in(std::string_view workflow, const std::string& name);

  /// One that was put in, and what stands for it.
  struct used {
    std::string secret, stand_in;
  };
  /// Puts secrets in the place of the workflow's stand-ins; not_found when one is gone.
  [[nodiscard]] result<void> put_in(std::string_view workflow, json::value& value, std::vector<used>& in_use);
  /// Takes them out again, and spoils foreign stand-ins.
  static void take_out(json::value& value, const std::vector<used>& in_use);
  static void take_out(std::string& text, const std::vector<used>& in_use);

 private:
  [[nodiscard]] result<std::string> mac_of(std::string_view workflow, std::string_view place);
  [[nodiscard]] result<void> put_in_text(std::string_view workflow, std::string& text, std::vector<used>& in_use);

  find_secret secrets_;
  find_key key_of_;
  std::mutex mutex_;
  std::string key_;
};

/// PERDURE_SECRET_NAME of the environment, the name as it is or in capitals, what is no letter or digit as "_".
[[nodiscard]] std::optional<std::string> secret_of_environment(const std::string& name);

[[nodiscard]] std::shared_ptr<capability> with_secrets(std::shared_ptr<secret_book> book, std::shared_ptr<capability> inner);

}  // namespace perdure::actors
