#include "cluster/grant_file.hpp"

#include <algorithm>
#include <fstream>
#include <mutex>
#include <sstream>

#include "persistence/durable_file.hpp"

namespace perdure::cluster {

namespace {

/// Of policies that are used no more the oldest go first.
constexpr std::size_t kept_grants = 1'000;

/// A JSON array of [policy, token], the newest last. It is read when it is needed first.
class grant_file final : public actors::grant_keeper {
 public:
  explicit grant_file(std::filesystem::path path) : path_(std::move(path)) {}

  std::optional<std::string> find(const std::string& policy) override {
    const std::lock_guard lock{mutex_};
    read();
    const auto found = place_of(policy);
    if (found == kept_.end()) return std::nullopt;
    return std::string{found->at(1).as_string()};
  }

  result<void> keep(const std::string& policy, const std::string& refresh_token) override {
    const std::lock_guard lock{mutex_};
    read();
    if (const auto found = place_of(policy); found != kept_.end()) kept_.erase(found);
    if (kept_.size() >= kept_grants) kept_.erase(kept_.begin());
    kept_.push_back(json::array{policy, refresh_token});
    return persistence::put_file(path_, payload{json::value(kept_)}.text());
  }

 private:
  json::array::iterator place_of(const std::string& policy) {
    return std::find_if(kept_.begin(), kept_.end(), [&](const json::value& each) { return each.at(0).as_string() == policy; });
  }
  /// What is no such file counts as none: then the policies' own tokens are tried, and a server that does not take them says so.
  void read() {
    if (std::exchange(known_, true)) return;
    std::ifstream in{path_, std::ios::binary};
    std::stringstream text;
    text << in.rdbuf();
    const auto found = payload::parse_text(text.str());
    if (!found) return;
    const auto value = found->value();
    if (!value.is_array()) return;
    for (const auto& each : value.get_array()) {
      const auto* pair = each.if_array();
      if (pair != nullptr && pair->size() == 2 && pair->at(0).is_string() && pair->at(1).is_string()) kept_.push_back(each);
    }
  }

  std::filesystem::path path_;
  std::mutex mutex_;
  bool known_ = false;
  json::array kept_;
};

}  // namespace

std::shared_ptr<actors::grant_keeper> open_grants(const std::filesystem::path& data) {
  if (data.empty()) return nullptr;
  return std::make_shared<grant_file>(data / "refresh-tokens");
}

}  // namespace perdure::cluster
