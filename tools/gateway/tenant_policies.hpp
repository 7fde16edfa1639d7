// What each tenant may: the same for everybody, but for those that have a policy of their own.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace perdure::tools::gateway {

struct tenant_policy {
  std::uint64_t open_runs = 50;            ///< runs that have not ended, 0 = no limit: 429
  std::uint64_t rate_per_key = 0;          ///< requests a second of one key, 0 = no limit: 429
  std::uint64_t file_bytes = 10ULL << 30;  ///< of uploads: 413
  bool put_may_run_processes = false;      ///< documents put over HTTP may run shells, scripts and containers
  bool put_may_call_public = false;        ///< they may call services at public addresses
  bool put_may_call = false;               ///< they may call services, at any address
};

struct tenant_policies {
  tenant_policy everybody;
  std::map<std::string, tenant_policy, std::less<>> own;  ///< by the tenant's name

  [[nodiscard]] const tenant_policy& of(std::string_view tenant) const {
    const auto found = own.find(tenant);
    return found == own.end() ? everybody : found->second;
  }
};

}  // namespace perdure::tools::gateway
