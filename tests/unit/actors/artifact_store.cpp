// The node's own copies of what jobs left.
#include "actors/backends/artifact_store.hpp"

#include <fstream>

#include "core/record.hpp"
#include "support/catch.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using namespace perdure::actors;
using namespace std::chrono_literals;

namespace {

/// Gives its bytes in small pieces.
class text_reader final : public artifact_reader {
 public:
  explicit text_reader(std::string text) : text_(std::move(text)) {}
  const job_artifact& what() const override { return what_; }
  result<std::size_t> read(std::uint64_t offset, char* into, std::size_t size) override {
    const auto count = std::min<std::size_t>({size, 1'000, text_.size() - std::min<std::size_t>(offset, text_.size())});
    std::copy_n(text_.data() + offset, count, into);
    return count;
  }

 private:
  std::string text_;
  job_artifact what_;
};

artifact_store::open_one giving(std::map<std::string, std::string> files) {
  return [files = std::move(files)](const std::string& name) -> result<std::shared_ptr<artifact_reader>> {
    const auto at = files.find(name);
    if (at == files.end()) return error{errc::not_found, "no " + name};
    return std::shared_ptr<artifact_reader>{std::make_shared<text_reader>(at->second)};
  };
}

std::string content(const artifact_store& store, const run_id& run, std::uint32_t job, const std::string& name) {
  const auto reader = store.open(run, job, name);
  if (!reader) return std::string{to_string(reader.error().code)};
  std::string out(1U << 20, '\0');
  out.resize((*reader)->read(0, out.data(), out.size()).value());
  return out;
}

std::size_t files_in(const std::filesystem::path& path) {
  std::size_t out = 0;
  std::error_code bad;
  for (const auto& each : std::filesystem::recursive_directory_iterator(path, bad)) out += each.is_regular_file() ? 1 : 0;
  return out;
}

}  // namespace

TEST_CASE("what a run keeps of a job is there under its name, with its hash, also for the next node") {
  const test::temp_directory directory;
  const auto run = run_id::make();
  const std::string big(2'500'000, 'x');
  {
    artifact_store store{{.root = directory.path() / "a"}};
    const auto kept = store.keep(run, 1, {{.name = "deep/big", .media_type = "text/plain"}, {.name = "small"}},
                                 giving({{"deep/big", big}, {"small", ""}}));
    REQUIRE(kept.has_value());
    CHECK((*kept)[0].size_bytes == big.size());
    CHECK((*kept)[0].sha256 == core::to_hex(core::sha256({big})));
    CHECK(store.bytes() == big.size());
  }
  const artifact_store store{{.root = directory.path() / "a"}};
  const auto kept = store.kept(run, 1);
  REQUIRE(kept->size() == 2);
  CHECK((*kept)[0].media_type == "text/plain");
  CHECK(content(store, run, 1, "small").empty());
  const auto reader = store.open(run, 1, "deep/big");
  REQUIRE(reader.has_value());
  char piece[4] = {};
  CHECK((*reader)->read(big.size() - 2, piece, 4).value() == 2);
  CHECK(store.open(run, 2, "small").error().code == errc::not_found);
  CHECK(store.open(run, 1, "other").error().code == errc::not_found);
  CHECK(store.open(run_id::make(), 1, "small").error().code == errc::not_found);
}

TEST_CASE("the same bytes are stored once, whoever keeps them") {
  const test::temp_directory directory;
  artifact_store store{{.root = directory.path()}};
  for (int i = 0; i < 3; ++i) REQUIRE(store.keep(run_id::make(), 1, {{.name = "f"}}, giving({{"f", "same"}})).has_value());
  CHECK(files_in(directory.path() / "sha256") == 1);
  CHECK(files_in(directory.path() / "new") == 0);
  CHECK(store.bytes() == 4);
}

TEST_CASE("an artifact over a limit is refused with the limit's name, and nothing of it is left") {
  const test::temp_directory directory;
  artifact_store store{{.root = directory.path(), .one_bytes = 5'000, .all_bytes = 8'000}};
  const auto run = run_id::make();
  const auto large = store.keep(run, 1, {{.name = "f"}}, giving({{"f", std::string(5'001, 'x')}}));
  REQUIRE(large.has_error());
  CHECK(large.error().code == errc::limit_exceeded);
  CHECK(large.error().message.find("artifact_bytes") != std::string::npos);
  REQUIRE(store.keep(run, 1, {{.name = "f"}}, giving({{"f", std::string(5'000, 'x')}})).has_value());
  const auto full = store.keep(run, 2, {{.name = "f"}}, giving({{"f", std::string(4'000, 'y')}}));
  REQUIRE(full.has_error());
  CHECK(full.error().code == errc::limit_exceeded);
  CHECK(full.error().message.find("max_artifact_bytes") != std::string::npos);
  CHECK(store.bytes() == 5'000);
  CHECK(files_in(directory.path() / "new") == 0);
  CHECK(store.kept(run, 2)->empty());
  // Room that was given back can be used.
  CHECK(store.keep(run, 2, {{.name = "f"}}, giving({{"f", std::string(3'000, 'y')}})).has_value());
}

TEST_CASE("a backend that says another hash than its bytes have is not believed") {
  const test::temp_directory directory;
  artifact_store store{{.root = directory.path()}};
  const auto run = run_id::make();
  REQUIRE(store.keep(run, 1, {{.name = "secret"}}, giving({{"secret", "of another tenant"}})).has_value());
  const auto hash = (*store.kept(run, 1))[0].sha256;
  const auto got = store.keep(run_id::make(), 1, {{.name = "f", .sha256 = hash}}, giving({{"f", "mine"}}));
  REQUIRE(got.has_error());
  CHECK(got.error().code == errc::corrupt);
}

TEST_CASE("a list of a removed run goes, and later what nobody names; what is named or young stays") {
  const test::temp_directory directory;
  artifact_store store{{.root = directory.path()}};
  const auto stays = run_id::make(), gone = run_id::make();
  REQUIRE(store.keep(stays, 1, {{.name = "a"}, {.name = "b"}}, giving({{"a", "shared"}, {"b", "mine"}})).has_value());
  REQUIRE(store.keep(gone, 1, {{.name = "a"}, {.name = "c"}}, giving({{"a", "shared"}, {"c", "theirs"}})).has_value());
  const auto there = [&](const run_id& run) { return run == stays; };
  store.sweep(there, 1h);
  CHECK(store.open(gone, 1, "c").error().code == errc::not_found);
  CHECK(files_in(directory.path() / "sha256") == 3);
  store.sweep(there, 0s);
  CHECK(files_in(directory.path() / "sha256") == 2);
  CHECK(content(store, stays, 1, "a") == "shared");
  CHECK(content(store, stays, 1, "b") == "mine");
  CHECK(store.bytes() == 10);
}

TEST_CASE("a copy that was cut off leaves nothing that counts") {
  const test::temp_directory directory;
  std::filesystem::create_directories(directory.path() / "new");
  std::ofstream{directory.path() / "new" / "1"} << "half";
  artifact_store store{{.root = directory.path()}};
  const auto run = run_id::make();
  int pieces = 0;
  const auto cut = store.keep(run, 1, {{.name = "f"}}, giving({{"f", std::string(100'000, 'x')}}), [&] { return ++pieces > 3; });
  REQUIRE(cut.has_error());
  CHECK(cut.error().code == errc::shutting_down);
  CHECK(files_in(directory.path()) == 0);
  CHECK(store.bytes() == 0);
  CHECK(store.kept(run, 1)->empty());
}
