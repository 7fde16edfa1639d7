// The data directory of the LMDB engine: whose it is, who may look, what is found in it.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "support/journal_records.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;

namespace {

constexpr std::size_t map_bytes = std::size_t{64} << 20;

auto open_in(const std::filesystem::path& directory, open_mode mode = open_mode::read_write, std::size_t map = map_bytes,
             std::size_t min_free = 0) {
  return open_lmdb_journal(directory, mode, map, min_free);
}

/// A figure of this process's memory, in bytes.
std::size_t memory_figure(const char* name) {
  std::ifstream in{"/proc/self/status"};
  for (std::string word; in >> word;) {
    if (word != name) continue;
    std::size_t kilobytes = 0;
    in >> kilobytes;
    return kilobytes << 10;
  }
  return 0;
}

/// Grants the process so much more address space, while it lives.
class address_space {
 public:
  explicit address_space(std::size_t more) {
    REQUIRE(::getrlimit(RLIMIT_AS, &before_) == 0);
    const rlimit tight{memory_figure("VmSize:") + more, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_AS, &tight) == 0);
  }
  address_space(const address_space&) = delete;
  ~address_space() { (void)::setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("a directory that another process holds is locked, and the message names its process") {
  const temp_directory directory;
  int to_parent[2], to_child[2];
  REQUIRE(::pipe(to_parent) == 0);
  REQUIRE(::pipe(to_child) == 0);
  const auto child = ::fork();
  if (child == 0) {
    // Only system calls here: the parent may have had threads.
    char byte = 0;
    const int lock = ::open((directory.path() / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const auto pid = std::to_string(::getpid()) + "\n";
    const bool held = lock >= 0 && ::flock(lock, LOCK_EX) == 0 && ::write(lock, pid.data(), pid.size()) > 0;
    if (::write(to_parent[1], held ? "y" : "n", 1) == 1) (void)!::read(to_child[0], &byte, 1);
    ::_exit(0);
  }
  char answer = 0;
  REQUIRE(::read(to_parent[0], &answer, 1) == 1);
  REQUIRE(answer == 'y');
  const auto refused = open_in(directory.path());
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == errc::locked);
  CHECK(refused.error().message.find("process " + std::to_string(child)) != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(directory.path() / "journal.mdb"));
  REQUIRE(::write(to_child[1], "x", 1) == 1);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(open_in(directory.path()).has_value());
  for (const int end : {to_parent[0], to_parent[1], to_child[0], to_child[1]}) ::close(end);
}

TEST_CASE("one process opens a directory for writing once, and may look at it beside that") {
  const temp_directory directory;
  auto writing = open_in(directory.path());
  REQUIRE(writing.has_value());
  scripted_run run{1}, later{2};
  must_append(**writing, run.item(run.start()));
  CHECK(open_in(directory.path()).error().code == errc::locked);
  auto reading = open_in(directory.path(), open_mode::read_only);
  REQUIRE(reading.has_value());
  CHECK((*reading)->total_runs() == 1);
  must_append(**writing, later.item(later.start()));
  REQUIRE((*writing)->flush().has_value());
  CHECK((*reading)->row(later.id).has_value());
  CHECK((*reading)->row(run.id)->seq == 1);
  reading->reset();
  writing->reset();
  CHECK(open_in(directory.path()).has_value());
}

TEST_CASE("a directory of another user is told with its owner and who asks") {
  if (::geteuid() != 0) {
    WARN("skipped: only root can be somebody else for a while");
    return;
  }
  const temp_directory directory;
  const auto data = directory.path() / "data";
  REQUIRE(open_in(data).has_value());
  const bool readable = GENERATE(true, false);
  ::chmod(data.c_str(), readable ? 0755 : 0700);
  ::chmod(directory.path().c_str(), 0755);
  REQUIRE(::seteuid(65534) == 0);
  const auto writing = open_in(data), reading = open_in(data, open_mode::read_only);
  REQUIRE(::seteuid(0) == 0);
  for (const auto* each : {&writing, &reading}) {
    REQUIRE(each->has_error());
    INFO(each->error().message);
    CHECK(each->error().message.find("Permission denied (it belongs to root, and this process runs as ") != std::string::npos);
  }
}

TEST_CASE("reading where nothing was written makes nothing") {
  const temp_directory directory;
  CHECK(open_in(directory.path(), open_mode::read_only).error().code == errc::not_found);
  CHECK(open_in(directory.path() / "absent", open_mode::read_only).error().code == errc::not_found);
  CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("an opening makes the directory, and the map is as large as the system grants") {
  const temp_directory directory;
  const auto journal = open_in(directory.path() / "a" / "b", open_mode::read_write, std::size_t{1} << 46);
  REQUIRE(journal.has_value());
  CHECK((*journal)->space().map_bytes > (std::size_t{1} << 30));
  CHECK((*journal)->space().used_bytes < (std::size_t{1} << 20));
  CHECK((*journal)->space().new_runs);
}

TEST_CASE("a reader that is granted less room than the writer had reads all the same") {
  const temp_directory directory;
  scripted_run run{1};
  {
    const auto journal = open_in(directory.path(), open_mode::read_write, std::size_t{64} << 30);
    REQUIRE(journal.has_value());
    must_append(**journal, run.item(run.start()));
  }
  const address_space tight{std::size_t{8} << 30};
  const auto reading = open_in(directory.path(), open_mode::read_only, std::size_t{64} << 30);
  REQUIRE(reading.has_value());
  CHECK((*reading)->row(run.id).has_value());
}

TEST_CASE("where address space is short the journal leaves some of it to threads and memory") {
  const temp_directory directory;
  const address_space tight{std::size_t{4} << 30};
  const auto journal = open_in(directory.path(), open_mode::read_write, std::size_t{64} << 30);
  REQUIRE(journal.has_value());
  constexpr std::size_t others = std::size_t{512} << 20;
  void* const room = ::mmap(nullptr, others, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(room != MAP_FAILED);
  CHECK(::munmap(room, others) == 0);
  CHECK((*journal)->space().map_bytes >= std::size_t{1} << 30);
}

TEST_CASE("a disk with little room left takes no new runs, with less no steps, but a cancel always") {
  const temp_directory directory;
  scripted_run run{1}, other{2};
  std::size_t free_bytes = 0;
  {
    const auto journal = open_in(directory.path());
    must_append(**journal, run.item(run.start()));
    free_bytes = (*journal)->space().free_disk_bytes;
  }
  // Others use the disk meanwhile, so the bounds are set far from what is free now.
  {
    const auto journal = open_in(directory.path(), open_mode::read_write, map_bytes, free_bytes / 2 * 3);
    CHECK_FALSE((*journal)->space().new_runs);
    CHECK((*journal)->space().steps);
    CHECK(refusal(append(**journal, other.item(other.start()))) == errc::disk_full);
    must_append(**journal, run.item(run.turn()));
  }
  const auto journal = open_in(directory.path(), open_mode::read_write, map_bytes, free_bytes * 4);
  CHECK_FALSE((*journal)->space().steps);
  const auto step = run.turn();
  CHECK(refusal(append(**journal, run.item(step))) == errc::disk_full);
  auto cancel = run.item(step);
  cancel.essential = true;
  must_append(**journal, cancel);
}

TEST_CASE("something that is no journal is refused") {
  const temp_directory directory;
  {
    auto* file = std::fopen((directory.path() / "journal.mdb").c_str(), "wb");
    const std::string garbage(10'000, 'g');
    REQUIRE(std::fwrite(garbage.data(), 1, garbage.size(), file) == garbage.size());
    std::fclose(file);
  }
  const auto opened = open_in(directory.path());
  REQUIRE(opened.has_error());
  CHECK(opened.error().code == errc::corrupt);
  std::filesystem::remove(directory.path() / "journal.mdb");
  std::filesystem::remove(directory.path() / "lock");
  std::filesystem::create_directory(directory.path() / "lock");
  CHECK(open_in(directory.path()).error().code == errc::io_error);
}

TEST_CASE("look-ups from other threads see only whole appends while the writer goes on") {
  const temp_directory directory;
  auto journal = open_in(directory.path()).value();
  constexpr std::uint64_t runs = 40;
  std::vector<scripted_run> scripts;
  for (std::uint64_t i = 1; i <= runs; ++i) scripts.emplace_back(i);
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> looked{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&] {
      while (!done) {
        for (std::uint64_t i = 1; i <= runs; ++i) {
          const auto row = journal->row(numbered_run(i));
          if (!row) continue;
          const auto records = journal->read_run(row->id, 0, 1'000);
          // Two records are appended at a time; a run must never be seen with one of them.
          if (!records || records->size() < row->seq || records->size() % 2 != 0 || row->seq % 2 != 0) ++wrong;
          ++looked;
        }
        const auto total = journal->total_runs();
        if (journal->rows({.limit = 1'000}).size() < total) ++wrong;
        if (journal->wakeups(timestamp::max(), std::nullopt, 1'000).size() < total) ++wrong;
      }
    });
  }
  for (int round = 0; round < 60; ++round) {
    std::vector<append_item> items;
    const after waiting{run_status::waiting, false, at_second(round)};
    for (auto& run : scripts) {
      auto first = round == 0 ? run.start(waiting) : run.turn(waiting);
      items.push_back(run.item({std::move(first), run.turn(waiting)}));
    }
    for (const auto& verdict : journal->append(items)) REQUIRE_FALSE(verdict.error.has_value());
    if (round % 7 == 3) REQUIRE(journal->flush().has_value());
  }
  while (looked < 100) std::this_thread::yield();
  done = true;
  for (auto& reader : readers) reader.join();
  CHECK(wrong == 0);
  CHECK(problems_of(*journal).empty());
}
