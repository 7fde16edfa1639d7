// Files that appear whole, and keys that are kept in them.
#include "persistence/durable_file.hpp"

#include <sys/stat.h>

#include <fstream>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using namespace perdure::persistence;

namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

unsigned mode_of(const std::filesystem::path& path) {
  struct stat what {};
  REQUIRE(::stat(path.c_str(), &what) == 0);
  return what.st_mode & 0777U;
}

}  // namespace

TEST_CASE("a file that is put has the new text, is its owner's alone, and leaves nothing else behind") {
  const test::temp_directory directory;
  const auto path = directory.path() / "a" / "b" / "file";
  REQUIRE(make_folder(path.parent_path()));
  CHECK(mode_of(path.parent_path()) == 0700);
  REQUIRE(put_file(path, "one"));
  REQUIRE(put_file(path, "two"));
  CHECK(text_of(path) == "two");
  CHECK(mode_of(path) == 0600);
  CHECK(std::distance(std::filesystem::directory_iterator{path.parent_path()}, {}) == 1);
}

TEST_CASE("a file that cannot be put leaves the old one, and says which it is") {
  const test::temp_directory directory;
  const auto path = directory.path() / "taken";
  std::filesystem::create_directory(path);
  const auto refused = put_file(path, "text");
  REQUIRE(refused.has_error());
  CHECK(refused.error().message.find("taken") != std::string::npos);
  CHECK(std::distance(std::filesystem::directory_iterator{directory.path()}, {}) == 1);
  CHECK(put_file(directory.path() / "none" / "file", "text").has_error());
}

TEST_CASE("a key file is made once, however many want it at the same moment") {
  const test::temp_directory directory;
  const auto path = directory.path() / "deep" / "links.key";
  std::vector<std::thread> all;
  std::mutex mutex;
  std::set<std::string> keys;
  for (int i = 0; i < 8; ++i) {
    all.emplace_back([&] {
      const auto key = key_file(path);
      const std::lock_guard lock{mutex};
      keys.insert(key ? *key : key.error().message);
    });
  }
  for (auto& each : all) each.join();
  REQUIRE(keys.size() == 1);
  CHECK(keys.begin()->size() == 32);
  CHECK(text_of(path) == *keys.begin());
  CHECK(mode_of(path) == 0600);
  CHECK(std::distance(std::filesystem::directory_iterator{path.parent_path()}, {}) == 1);
}

TEST_CASE("a key file of another size is damaged, and stays as it is") {
  const test::temp_directory directory;
  const auto path = directory.path() / "links.key";
  for (const std::string content : {"", "short", "0123456789abcdef0123456789abcdef0"}) {
    std::ofstream{path, std::ios::binary} << content;
    const auto key = key_file(path);
    REQUIRE(key.has_error());
    CHECK(key.error().code == errc::corrupt);
    CHECK(text_of(path) == content);
  }
}
