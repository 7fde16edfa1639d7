#include "core/hex_number.hpp"

#include "support/catch.hpp"

using perdure::core::hex_number;
using perdure::core::read_hex_number;

TEST_CASE("a hexadecimal number has as many digits as it needs, or as are asked for") {
  CHECK(hex_number(0) == "0");
  CHECK(hex_number(0xbeef) == "beef");
  CHECK(hex_number(0xbeef, 8) == "0000beef");
  CHECK(hex_number(~std::uint64_t{0}) == "ffffffffffffffff");
  CHECK(hex_number(~std::uint64_t{0}, 3) == "ffffffffffffffff");
}

TEST_CASE("only a whole text of digits is read as one") {
  CHECK(read_hex_number("0000beef") == 0xbeef);
  CHECK(read_hex_number("ffffffffffffffff") == ~std::uint64_t{0});
  for (const auto* wrong : {"", "0x1", "-1", "12 ", "g", "10000000000000000"}) CHECK(!read_hex_number(wrong));
}
