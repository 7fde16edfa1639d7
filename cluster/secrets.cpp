#include "cluster/secrets.hpp"

#include "persistence/durable_file.hpp"

namespace perdure::cluster {

std::shared_ptr<actors::secret_book> open_secrets(const std::filesystem::path& data) {
  if (data.empty()) {
    static const auto own = persistence::random_key();
    return std::make_shared<actors::secret_book>(actors::secret_of_environment, [] { return own; });
  }
  return std::make_shared<actors::secret_book>(actors::secret_of_environment,
                                               [data] { return persistence::key_file(data / "secrets.key"); });
}

}  // namespace perdure::cluster
