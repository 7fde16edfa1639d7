// The figures of `perdure serve` as Prometheus' own tool sees them.
#include "support/catch.hpp"
#include "support/http_client.hpp"

using perdure::test::served;
using perdure::test::workplace;

TEST_CASE("Prometheus finds nothing to object to in the figures") {
  if (std::system("command -v promtool > /dev/null") != 0) {
    std::cout << "\nskipped: no promtool on this machine\n";
    return;
  }
  const workplace here;
  const served at{here};
  CHECK(at.call("GET", "/api/v1/runs").status == 200);
  const auto file = here.write("figures", at.call("GET", "/metrics").body);
  CHECK(std::system(("promtool check metrics < '" + file + "'").c_str()) == 0);
}
