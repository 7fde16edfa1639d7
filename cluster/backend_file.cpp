// Backends by configuration: perdure/backend_file.hpp.
#include "perdure/backend_file.hpp"

#include <algorithm>
#include <tuple>

#include "actors/backends/http_backend.hpp"
#include "actors/backends/slurm_backend.hpp"
#include "actors/backends/slurm_folder.hpp"
#include "actors/capabilities/secrets.hpp"
#include "cluster/backend_http_file.hpp"
#include "cluster/documents.hpp"

namespace perdure {

namespace {

using namespace cluster;

constexpr std::int64_t longest_s = 86'400;

error told(std::vector<dsl::problem> problems) {
  std::stable_sort(problems.begin(), problems.end(), [](const auto& a, const auto& b) {
    return std::tie(a.at.line, a.at.column) < std::tie(b.at.line, b.at.column);
  });
  std::string text;
  for (const auto& each : problems) text += (text.empty() ? "" : "\n") + each.str();
  return {errc::invalid_argument, std::move(text)};
}

/// The file over the preset that it names.
dsl::node_ptr with_preset(const dsl::node_ptr& root, const std::string& file, std::vector<dsl::problem>& problems) {
  const auto* named = root->is_object() ? root->find("preset") : nullptr;
  if (named == nullptr || !named->value->is_string()) return root;
  const auto text = http_preset(named->value->text());
  if (text.empty()) {
    std::string all;
    for (const auto each : http_presets()) all += (all.empty() ? "" : ", ") + std::string{each};
    problems.push_back({dsl::problem_kind::invalid, file, named->value->at, "/preset",
                        "there is no preset \"" + std::string{named->value->text()} + "\"; there are " + all});
    return root;
  }
  const auto base = dsl::read_tree(text, "preset " + std::string{named->value->text()}, problems);
  return base ? merged(base, root) : root;
}

backend_options read_options(section& all) {
  backend_options out;
  if (const auto given = all.number("submit_timeout_s", 1, longest_s)) out.submit_timeout = std::chrono::seconds{*given};
  const auto first = all.number("retry_s", 1, longest_s), longest = all.number("longest_retry_s", 1, longest_s);
  if (first || longest) {
    const auto from = first.value_or(1);
    out.retry = exponential(std::chrono::seconds{from}, std::chrono::seconds{std::max(from, longest.value_or(60))});
  }
  if (const auto given = all.number("jobs_at_once", 0, 1'000'000)) out.running = static_cast<std::size_t>(*given);
  if (const auto given = all.number("submits_per_minute", 0, 6'000'000))
    out.submits_per_second = static_cast<double>(*given) / 60.0;
  if (const auto given = all.number("burst", 1, 1'000'000)) out.burst = static_cast<std::size_t>(*given);
  if (const auto given = all.number("down_after", 1, 1'000'000)) out.down_after = static_cast<std::uint32_t>(*given);
  const auto down = all.text("when_down", "park");
  if (down != "park" && down != "fail") all.wrong("when_down", "expected park or fail");
  if (down == "fail") out.down = when_down::fail;
  return out;
}

actors::slurm_options read_slurm(section& all, const std::filesystem::path& data_dir) {
  actors::slurm_options out;
  const std::filesystem::path given = all.text("directory");
  out.root = given.empty() ? data_dir : given;
  if (out.root.empty()) all.wrong("directory", "expected the property \"directory\": a folder that the cluster's machines share");
  std::error_code bad;
  if (!given.empty() && !given.is_absolute()) all.wrong("directory", "expected an absolute path");
  if (!out.root.empty()) out.root = std::filesystem::absolute(out.root, bad);
  // Slurm would put something in their place.
  if (out.root.string().find_first_of("%\\\n") != std::string::npos)
    all.wrong("directory", "expected a path without %, \\ and line breaks");
  out.owner = std::filesystem::absolute(data_dir, bad).string();
  out.commands = all.text("commands");
  out.conf = all.text("conf");
  for (auto& [name, value] : all.patterns("options", {})) out.job_options[name] = value;
  slurm_job checked;
  checked.program = "true";
  checked.options = out.job_options;
  if (const auto problem = actors::problem_of(checked); !problem.empty()) all.wrong("options", problem);
  if (const auto refresh = all.number("refresh_ms", 10, 600'000)) out.refresh = std::chrono::milliseconds{*refresh};
  return out;
}

}  // namespace

result<opened_backend> read_backend(std::string_view text, const std::string& file, backend_file_options how) {
  std::vector<dsl::problem> problems;
  auto root = dsl::read_tree(text, file, problems);
  if (root) root = with_preset(root, file, problems);
  if (!root || !problems.empty()) return told(std::move(problems));
  dsl::checker to{file, problems};
  const dsl::cursor top{root};
  section all{to, top, "a backend"};
  opened_backend out;
  out.kind = all.needed_text("kind");
  static_cast<void>(all.text("preset"));
  out.options = read_options(all);
  if (!how.secrets) how.secrets = actors::secret_of_environment;
  if (out.kind == "http") {
    auto service = read_http_service(all);
    all.done();
    if (!problems.empty()) return told(std::move(problems));
    out.what = std::make_shared<actors::http_backend>(std::move(service),
                                                      actors::http_backend_ports{std::move(how.secrets), std::move(how.log)});
    return out;
  }
  if (out.kind == "slurm") {
    auto how_reached = read_slurm(all, how.data_dir);
    all.done();
    if (!problems.empty()) return told(std::move(problems));
    how_reached.log = std::move(how.log);
    out.what = std::make_shared<actors::slurm_backend>(std::move(how_reached));
    return out;
  }
  if (!out.kind.empty()) all.wrong("kind", "there is no kind of backend \"" + out.kind + "\"; there are http and slurm");
  return told(std::move(problems));
}

result<opened_backend> open_backend(const std::filesystem::path& file, backend_file_options how) {
  const auto text = read_document_file(file);
  if (!text) return text.error();
  return read_backend(*text, file.string(), std::move(how));
}

}  // namespace perdure
