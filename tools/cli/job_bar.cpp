#include "tools/cli/job_bar.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <future>

#include "tools/cli/terminal.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::cli {

namespace {

constexpr std::chrono::milliseconds look_pause{300};
constexpr std::chrono::seconds line_pause{3};
constexpr std::chrono::seconds patience{5};
/// Of a log that is long already, so much at one look.
constexpr int pages_at_once = 64;
constexpr std::size_t bar_columns = 20;

std::size_t error_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void write_error(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

result<job_log_page> page_of(backend& at, const std::string& id, const std::string& cursor) {
  const auto box = std::make_shared<std::promise<result<job_log_page>>>();
  auto answer = box->get_future();
  at.logs(id, {.cursor = cursor}, {.deadline = std::chrono::steady_clock::now() + patience},
          [box](result<job_log_page> page) { box->set_value(std::move(page)); });
  if (answer.wait_for(patience) != std::future_status::ready) return error{errc::timeout, {}};
  return answer.get();
}

}  // namespace

std::string job_line(const job_info& job, const std::string& last_line, std::size_t width) {
  std::string out = "job " + std::to_string(job.number);
  if (const auto progress = job.progress.value(); progress.is_object()) {
    const auto& object = progress.get_object();
    const auto done = number_of(object, "done"), total = number_of(object, "total");
    if (total > 0) {
      const auto full = static_cast<std::size_t>(static_cast<double>(std::min(done, total)) / static_cast<double>(total) *
                                                 static_cast<double>(bar_columns));
      out += " ";
      for (std::size_t i = 0; i < bar_columns; ++i) out += i < full ? "█" : "░";
      out += " " + std::to_string(done) + "/" + std::to_string(total);
    } else {
      out += " " + std::to_string(done);
    }
    if (const auto text = text_of(object, "text"); !text.empty()) out += " " + printable(text);
  } else {
    out += " " + (job.raw.empty() ? std::string{boost::describe::enum_to_string(job.status, "?")} : printable(job.raw));
  }
  if (!last_line.empty()) out += "  " + printable(last_line);
  return cut(out, width);
}

job_bar::job_bar(node& on, const run_id& run, bool active) : node_(on), run_(run), on_terminal_(::isatty(STDERR_FILENO) == 1) {
  if (active) thread_ = std::jthread{[this](const std::stop_token& end) { loop(end); }};
}

job_bar::~job_bar() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  hide();
}

void job_bar::loop(const std::stop_token& end) {
  while (!end.stop_requested()) {
    look();
    std::unique_lock lock{mutex_};
    wake_.wait_for(lock, end, look_pause, [] { return false; });
  }
}

/// Of the jobs that go on the first one that was accepted.
void job_bar::look() {
  const auto run = node_.get(run_);
  const auto info = run ? run->status() : result<run_info>{run.error()};
  if (!info) return;
  const auto job = std::find_if(info->jobs.begin(), info->jobs.end(),
                                [](const auto& each) { return !is_terminal(each.status) && !each.id.empty(); });
  if (job == info->jobs.end()) return draw({});
  if (job->number != job_) {
    job_ = job->number;
    cursor_.clear();
    last_.clear();
  }
  const auto at = node_.find_backend(job->backend);
  for (int i = 0; at != nullptr && i < pages_at_once; ++i) {
    const auto page = page_of(*at, job->id, cursor_);
    if (!page) break;
    cursor_ = page->next_cursor;
    for (const auto& line : page->lines) {
      if (!line.text.empty() && !line.text.starts_with("::progress ")) last_ = line.text.substr(0, 400);
    }
    if (!page->has_more) break;
  }
  draw(job_line(*job, last_, on_terminal_ ? error_width() - 1 : 200));
}

void job_bar::draw(const std::string& line) {
  const std::lock_guard lock{mutex_};
  if (line == drawn_) return;
  const auto now = std::chrono::steady_clock::now();
  if (on_terminal_) {
    drawn_ = line;
    if (!hidden_) write_error("\r\x1b[K" + drawn_);
  } else if (!line.empty() && now - told_ >= line_pause) {
    drawn_ = line;
    told_ = now;
    note(line);
  }
}

void job_bar::hide() {
  const std::lock_guard lock{mutex_};
  hidden_ = true;
  if (on_terminal_ && !drawn_.empty()) write_error("\r\x1b[K");
}

void job_bar::show() {
  const std::lock_guard lock{mutex_};
  hidden_ = false;
  if (on_terminal_ && !drawn_.empty()) write_error(drawn_);
}

}  // namespace perdure::tools::cli
