// Large payloads by content.
#include "persistence/blobs.hpp"

#include <fstream>

#include "perdure/limits.hpp"
#include "support/catch.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using namespace perdure::persistence;

namespace {

std::vector<std::filesystem::path> files_under(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{directory}) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  return files;
}

}  // namespace

TEST_CASE("a blob is found by the hash of its text, now and in the next process") {
  const test::temp_directory directory;
  file_blobs blobs{directory.path() / "deep" / "blobs", false};
  const std::string text(300'000, 'x');
  const auto hash = blobs.put(text);
  REQUIRE(hash.has_value());
  CHECK(*hash == core::sha256({text}));
  CHECK(blobs.get(*hash)->text() == text);
  CHECK(*blobs.put(text) == *hash);
  const auto name = core::to_hex(*hash);
  CHECK(files_under(directory.path()) == std::vector{directory.path() / "deep" / "blobs" / name.substr(0, 2) / name.substr(2)});
  file_blobs later{directory.path() / "deep" / "blobs", true};
  CHECK(later.get(*hash)->text() == text);
  CHECK(later.put("more").has_error());
}

TEST_CASE("a blob that is missing, damaged or too large is an error of its own") {
  const test::temp_directory directory;
  file_blobs blobs{directory.path(), false};
  CHECK(blobs.get({}).error().code == errc::not_found);
  CHECK(blobs.put(std::string(limits::payload_bytes + 1, 'x')).error().code == errc::payload_too_large);
  const auto hash = blobs.put("\"some text\"");
  const auto file = files_under(directory.path()).at(0);
  std::ofstream{file, std::ios::app} << "!";
  CHECK(blobs.get(*hash).error().code == errc::corrupt);
  std::ofstream{file} << "\"some tex?\"";
  CHECK(blobs.get(*hash).error().code == errc::corrupt);
  // Writing it again repairs what has another size; what looks right is only read when it is asked for.
  std::ofstream{file} << "\"so";
  CHECK(*blobs.put("\"some text\"") == *hash);
  CHECK(blobs.get(*hash).has_value());
}

TEST_CASE("temporary files of a process that died are swept at the next start, blobs are not") {
  const test::temp_directory directory;
  {
    file_blobs blobs{directory.path(), false};
    (void)blobs.put("kept");
  }
  const auto kept = files_under(directory.path()).at(0);
  auto orphan = kept;
  orphan += ".7";
  std::ofstream{orphan} << "ke";
  {
    const file_blobs reading{directory.path(), true};
    CHECK(std::filesystem::exists(orphan));
  }
  const file_blobs blobs{directory.path(), false};
  CHECK(files_under(directory.path()) == std::vector{kept});
}

TEST_CASE("blobs in memory keep the same promises") {
  memory_blobs blobs;
  const auto hash = blobs.put("text");
  CHECK(*hash == core::sha256({"text"}));
  CHECK(blobs.get(*hash)->text() == "text");
  CHECK(blobs.get({}).error().code == errc::not_found);
  CHECK(blobs.put(std::string(limits::payload_bytes + 1, 'x')).error().code == errc::payload_too_large);
}
