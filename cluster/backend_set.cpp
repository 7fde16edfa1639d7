#include "cluster/backend_set.hpp"

#include <algorithm>

#include "actors/backends/webhook.hpp"
#include "cluster/documents.hpp"
#include "persistence/durable_file.hpp"

namespace perdure::cluster {

namespace {

constexpr std::string_view folder_name = "backends";

/// As it stands in the name of a file and in an address.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.front() != '.' && text != "process" &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
         });
}

result<named_backend> read_one(const std::string& name, const std::filesystem::path& file, const std::filesystem::path& data,
                               const std::function<void(std::string_view)>& log) {
  auto text = read_document_file(file);
  if (!text) return error{text.error().code, "backend \"" + name + "\": " + text.error().message};
  backend_file_options how;
  how.data_dir = data.empty() ? data : data / folder_name / name;
  if (log) how.log = [log, name](std::string_view what) { log("backend \"" + name + "\": " + std::string{what}); };
  auto opened = read_backend(*text, file.string(), std::move(how));
  if (!opened) return opened.error();
  return named_backend{.name = name, .text = std::move(*text), .opened = std::move(*opened)};
}

result<void> keep(const std::filesystem::path& data, const named_backend& what) {
  if (auto made = persistence::make_folder(data / folder_name); !made) return made;
  return persistence::put_file(data / folder_name / (what.name + ".yaml"), what.text);
}

}  // namespace

result<std::vector<named_backend>> read_backends(const std::filesystem::path& data, const std::vector<std::string>& arguments,
                                                 std::function<void(std::string_view)> log) {
  std::vector<named_backend> out;
  const auto is_there = [&](const std::string& name) {
    return std::any_of(out.begin(), out.end(), [&](const auto& each) { return each.name == name; });
  };
  for (const auto& each : arguments) {
    const auto sign = each.find('=');
    const auto name = each.substr(0, sign);
    if (sign == std::string::npos || !is_name(name)) {
      return error{errc::invalid_argument, "\"" + each +
                                               "\" is no backend; write NAME=FILE, the name of letters, digits, -, _ and . "
                                               "(and not \"process\", which is always there)"};
    }
    if (is_there(name)) return error{errc::invalid_argument, "the backend \"" + name + "\" is named twice"};
    auto read = read_one(name, each.substr(sign + 1), data, log);
    if (!read) return read.error();
    out.push_back(std::move(*read));
  }
  if (data.empty()) return out;
  std::error_code bad;
  for (const auto& each : std::filesystem::directory_iterator(data / folder_name, bad)) {
    const auto name = each.path().stem().string();
    if (each.path().extension() != ".yaml" || !each.is_regular_file(bad) || !is_name(name) || is_there(name)) continue;
    auto read = read_one(name, each.path(), data, log);
    if (!read) return read.error();
    read->kept = true;
    out.push_back(std::move(*read));
  }
  return out;
}

result<void> add_backends(node& to, const std::filesystem::path& data, std::vector<named_backend> all) {
  for (auto& each : all) {
    if (!each.kept && !data.empty()) {
      if (auto kept = keep(data, each); !kept) return kept;
    }
    if (auto added = to.add_backend(each.name, each.opened.what, each.opened.options); !added) return added;
  }
  return {};
}

result<void> take_callback(const node& of, const std::string& backend, name_values headers, name_values query, std::string body) {
  const auto found = std::dynamic_pointer_cast<actors::callback_receiver>(of.find_backend(backend));
  if (found == nullptr) return error{errc::not_found, "there is no backend \"" + backend + "\" that takes callbacks"};
  return found->take_callback({.headers = std::move(headers), .query = std::move(query), .body = std::move(body)});
}

}  // namespace perdure::cluster
