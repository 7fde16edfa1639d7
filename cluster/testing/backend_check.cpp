#include "perdure/backend_check.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/hashing.hpp"

namespace perdure::testing {

namespace {

using clock = std::chrono::steady_clock;

/// Where an answer comes to; outlives those who wait for it.
template <class T>
class mailbox {
 public:
  backend_answer<T> address() {
    return [held = state_](result<T> what) {
      const std::lock_guard lock{held->mutex};
      ++held->answers;
      if (!held->what) held->what.emplace(std::move(what));
      held->came.notify_all();
    };
  }
  /// None: no answer came.
  std::optional<result<T>> wait(std::chrono::milliseconds patience) {
    std::unique_lock lock{state_->mutex};
    state_->came.wait_for(lock, patience, [&] { return state_->what.has_value(); });
    return state_->what;
  }
  int answers() {
    const std::lock_guard lock{state_->mutex};
    return state_->answers;
  }

 private:
  struct state {
    std::mutex mutex;
    std::condition_variable came;
    std::optional<result<T>> what;
    int answers = 0;
  };
  std::shared_ptr<state> state_ = std::make_shared<state>();
};

class checker {
 public:
  checker(backend& which, const backend_check_options& options)
      : backend_(which), options_(options), can_(which.capabilities()) {}

  std::vector<std::string> run() {
    const auto& o = options_;
    check("a job that ends well has succeeded, and stays so", o.succeeds, [&](const json::value& spec) {
      const auto id = submit(spec);
      if (id.empty()) return;
      const auto end = wait_for_end(id);
      expect(end && end->status == job_status::succeeded, "a job that ends well is not reported as succeeded");
      const auto later = status(id);
      expect(later && *later && (*later)->status == job_status::succeeded, "the status of an ended job does not stay");
    });
    check("a job that ends badly has failed", o.fails, [&](const json::value& spec) {
      const auto id = submit(spec);
      if (id.empty()) return;
      const auto end = wait_for_end(id);
      expect(end && end->status == job_status::failed, "a job that ends badly is not reported as failed");
    });
    check("a job is found by its key, and by no other", can_.find ? o.succeeds : std::nullopt, [&](const json::value& spec) {
      const auto key = next_key();
      expect_found(key, "", "a key that was never used finds a job");
      const auto id = submit(spec, key);
      if (id.empty()) return;
      expect_found(key, id, "a job is not found by its key right after it was accepted");
      (void)wait_for_end(id);
      expect_found(key, id, "a job is not found by its key after its end");
    });
    check("a submit that is repeated with its key gives the same job", can_.idempotent ? o.succeeds : std::nullopt,
          [&](const json::value& spec) {
            const auto key = next_key();
            const auto first = submit(spec, key), second = submit(spec, key);
            expect(first == second, "a repeated submit with the same key makes another job");
            if (!first.empty()) (void)wait_for_end(first);
            expect(submit(spec, key) == first, "a submit with the key of an ended job makes another job");
          });
    check("two keys are two jobs", o.succeeds, [&](const json::value& spec) {
      const auto first = submit(spec), second = submit(spec);
      expect(first != second, "two submits with different keys give the same job");
      for (const auto& id : {first, second}) {
        if (!id.empty()) (void)wait_for_end(id);
      }
    });
    check("a job that is cancelled ends as cancelled", can_.cancel ? o.hangs : std::nullopt, [&](const json::value& spec) {
      const auto id = submit(spec);
      if (id.empty()) return;
      const auto before = status(id);
      expect(before && *before && (!(*before)->status || !is_terminal(*(*before)->status)),
             "a job that goes on is reported as ended");
      expect(cancel(id), "a running job cannot be cancelled");
      const auto end = wait_for_end(id);
      expect(end && end->status == job_status::cancelled, "a cancelled job does not end as cancelled");
      expect(cancel(id), "to cancel a job that has ended is an error");
      const auto later = status(id);
      expect(later && *later && (*later)->status == job_status::cancelled, "a cancel after the end changes how a job ended");
    });
    check("an unknown job is not found", std::optional<json::value>{nullptr}, [&](const json::value&) {
      const auto got = status("no such job");
      expect(got && !*got && got->error().code == errc::not_found, "the status of an unknown job is not the error not_found");
    });
    check("a spec that can never be accepted is refused for good", o.refused, [&](const json::value& spec) {
      const auto key = next_key();
      mailbox<std::string> box;
      backend_.submit(submission(spec, key), call(), box.address());
      const auto got = box.wait(options_.patience);
      const bool good = got && !*got &&
                        (got->error().code == errc::invalid_argument || got->error().code == errc::unsupported ||
                         got->error().code == errc::limit_exceeded || got->error().code == errc::payload_too_large ||
                         got->error().code == errc::not_found);
      expect(good, "a spec that can never be accepted is not refused with an error that says so");
      if (can_.find) expect_found(key, "", "a refused submit leaves a job behind");
    });
    check("logs are read in pages, and the same cursor gives the same", can_.logs ? o.writes : std::nullopt,
          [&](const json::value& spec) { check_logs(spec); });
    check("artifacts are listed and read", can_.artifacts ? o.leaves : std::nullopt,
          [&](const json::value& spec) { check_artifacts(spec); });
    check("an estimate starts nothing", can_.estimate ? o.succeeds : std::nullopt, [&](const json::value& spec) {
      mailbox<job_estimate> box;
      backend_.estimate(payload{spec}, call(), box.address());
      const auto got = box.wait(options_.patience);
      expect(got && *got, "an estimate that is offered is not given");
    });
    check("what is not offered says so", std::optional<json::value>{nullptr}, [&](const json::value&) {
      if (can_.estimate) return;
      mailbox<job_estimate> box;
      backend_.estimate({}, call(), box.address());
      const auto got = box.wait(options_.patience);
      expect(got && !*got && got->error().code == errc::unsupported,
             "an estimate that is not offered is not the error unsupported");
    });
    return std::move(problems_);
  }

 private:
  template <class F>
  void check(const std::string& what, const std::optional<json::value>& spec, F run) {
    if (!spec) {
      if (options_.note) options_.note("left out: " + what);
      return;
    }
    if (options_.note) options_.note(what);
    run(*spec);
  }
  void expect(bool holds, const std::string& problem) {
    if (!holds) problems_.push_back(problem);
  }

  std::string next_key() { return options_.prefix + "/" + std::to_string(++keys_); }
  backend_call call() const { return {.deadline = clock::now() + options_.patience}; }
  static job_submission submission(const json::value& spec, const std::string& key) {
    return {.key = key, .executor = "check", .name = "check", .spec = payload{spec}};
  }

  std::string submit(const json::value& spec, const std::string& with = {}) {
    mailbox<std::string> box;
    backend_.submit(submission(spec, with.empty() ? next_key() : with), call(), box.address());
    const auto got = box.wait(options_.patience);
    if (!got) problems_.emplace_back("a submit is not answered");
    if (got && !*got) problems_.push_back("a submit is refused: " + got->error().message);
    if (got && *got) expect(!(*got)->empty(), "an accepted job has an empty id");
    expect(box.answers() <= 1, "a call is answered more than once");
    return got && *got ? **got : std::string{};
  }
  std::optional<result<job_report>> status(const std::string& id) {
    mailbox<job_report> box;
    backend_.status(id, call(), box.address());
    auto got = box.wait(options_.patience);
    expect(got.has_value(), "a look at a job is not answered");
    return got;
  }
  bool cancel(const std::string& id) {
    mailbox<void> box;
    backend_.cancel(id, call(), box.address());
    const auto got = box.wait(options_.patience);
    return got && got->has_value();
  }
  std::optional<job_report> wait_for_end(const std::string& id) {
    const auto end = clock::now() + options_.patience;
    while (clock::now() < end) {
      const auto got = status(id);
      if (!got) return std::nullopt;
      if (!*got) {
        problems_.push_back("a look at a job that was accepted fails: " + got->error().message);
        return std::nullopt;
      }
      if ((*got)->status && is_terminal(*(*got)->status)) return **got;
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    problems_.emplace_back("a job does not end");
    return std::nullopt;
  }
  void expect_found(const std::string& key, const std::string& id, const std::string& problem) {
    mailbox<std::optional<std::string>> box;
    backend_.find(key, call(), box.address());
    const auto got = box.wait(options_.patience);
    expect(got && *got && (*got)->value_or("") == id, problem);
  }

  std::optional<job_log_page> page(const std::string& id, const std::string& cursor, std::size_t limit) {
    mailbox<job_log_page> box;
    backend_.logs(id, {.cursor = cursor, .limit = limit}, call(), box.address());
    const auto got = box.wait(options_.patience);
    if (!got || !*got) {
      problems_.emplace_back("a log cannot be read" + (got ? ": " + got->error().message : std::string{}));
      return std::nullopt;
    }
    return **got;
  }
  static std::string text_of(const job_log_page& page) {
    std::string out;
    for (const auto& each : page.lines) out += each.text + "|";
    return out;
  }
  void check_logs(const json::value& spec) {
    const auto id = submit(spec);
    if (id.empty()) return;
    (void)wait_for_end(id);
    const auto whole = page(id, "", 1000);
    if (!whole) return;
    expect(text_of(*whole) == "one|two|three|", "the log of an ended job is not what it wrote: " + text_of(*whole));
    expect(!whole->has_more, "a log that was read to its end has more");
    std::string in_pages, cursor, second;
    for (int i = 0; i < 4; ++i) {
      const auto next = page(id, cursor, 1);
      if (!next) return;
      expect(next->lines.size() <= 1, "a page has more lines than were asked for");
      in_pages += text_of(*next);
      if (i == 0) second = next->next_cursor;
      cursor = next->next_cursor;
    }
    expect(in_pages == text_of(*whole), "a log in pages is not the whole log: " + in_pages);
    const auto once = page(id, second, 1), twice = page(id, second, 1);
    expect(once && twice && text_of(*once) == text_of(*twice), "the same cursor gives other lines");
    mailbox<job_log_page> box;
    backend_.logs(id, {.cursor = "no cursor!"}, call(), box.address());
    const auto got = box.wait(options_.patience);
    expect(got && !*got, "a cursor that was never given is taken");
  }

  void check_artifacts(const json::value& spec) {
    const auto id = submit(spec);
    if (id.empty()) return;
    (void)wait_for_end(id);
    mailbox<std::vector<job_artifact>> box;
    backend_.artifacts(id, call(), box.address());
    const auto got = box.wait(options_.patience);
    if (!got || !*got || (*got)->size() != 1 || (**got)[0].name != "result.txt") {
      problems_.emplace_back("the artifacts of a job are not the ones that it left");
      return;
    }
    const auto& one = (**got)[0];
    expect(one.size_bytes == 4, "an artifact has another size than its file");
    core::hash_stream hash;
    hash.add("done");
    expect(one.sha256.empty() || one.sha256 == hash.hex(), "an artifact's SHA-256 is not that of its content");
    mailbox<std::shared_ptr<artifact_reader>> opened;
    backend_.open_artifact(id, "result.txt", call(), opened.address());
    const auto reader = opened.wait(options_.patience);
    if (!reader || !*reader) {
      problems_.emplace_back("an artifact that is listed cannot be opened");
      return;
    }
    char buffer[16];
    const auto all = (**reader)->read(0, buffer, sizeof buffer);
    expect(all && std::string_view(buffer, *all) == "done", "an artifact has another content than its file");
    const auto part = (**reader)->read(2, buffer, 2);
    expect(part && std::string_view(buffer, *part) == "ne", "a part of an artifact is not that part");
    for (const auto* name : {"../result.txt", "/etc/passwd", "result.txt/../../x", ""}) {
      mailbox<std::shared_ptr<artifact_reader>> outside;
      backend_.open_artifact(id, name, call(), outside.address());
      const auto what = outside.wait(options_.patience);
      expect(what && !*what, std::string{"a name that leads out of the job's folder is opened: "} + name);
    }
  }

  backend& backend_;
  const backend_check_options& options_;
  backend_capabilities can_;
  std::vector<std::string> problems_;
  int keys_ = 0;
};

}  // namespace

std::vector<std::string> check_backend(backend& which, const backend_check_options& options) {
  return checker{which, options}.run();
}

}  // namespace perdure::testing
