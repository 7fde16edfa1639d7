#include "persistence/lmdb/disk_reserve.hpp"

#include "support/catch.hpp"
#include "support/temp_directory.hpp"

using perdure::persistence::disk_reserve;

TEST_CASE("a reserve takes its room, gives it up once, and takes it again") {
  const perdure::test::temp_directory directory;
  const auto file = directory.path() / "reserve";
  disk_reserve reserve{file, 1 << 20};
  CHECK_FALSE(reserve.release());
  reserve.keep(0);
  CHECK(std::filesystem::file_size(file) == 1 << 20);
  reserve.keep(0);
  CHECK(std::filesystem::file_size(file) == 1 << 20);
  CHECK(reserve.release());
  CHECK(std::filesystem::file_size(file) == 0);
  CHECK_FALSE(reserve.release());
  reserve.keep(0);
  CHECK(reserve.release());
}

TEST_CASE("a reserve is not made of room that has to stay free") {
  const perdure::test::temp_directory directory;
  const auto file = directory.path() / "reserve";
  disk_reserve reserve{file, 1 << 20};
  reserve.keep(~std::size_t{0} / 2);
  CHECK_FALSE(std::filesystem::exists(file));
  disk_reserve none{file, 0};
  none.keep(0);
  CHECK_FALSE(std::filesystem::exists(file));
}
