// Keeping documents in a data directory and choosing which of them a node registers. Reading them is document_reader's.
#include "cluster/documents.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "core/json_text.hpp"
#include "persistence/durable_file.hpp"
#include "persistence/journal.hpp"

namespace perdure::cluster {

namespace {

constexpr std::size_t hash_digits = 16;

error system_error(const std::filesystem::path& where) { return {errc::io_error, where.string() + ": " + std::strerror(errno)}; }

/// A name as one component of a path.
std::string file_name(std::string_view name) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out;
  for (const auto each : name) {
    const auto byte = static_cast<unsigned char>(each);
    const bool plain = std::isalnum(byte) != 0 || byte == '_' || byte == '-' || (byte == '.' && !out.empty());
    if (plain) {
      out += each;
    } else {
      out += '%';
      out += hex[byte >> 4U];
      out += hex[byte & 15U];
    }
  }
  return out;
}

std::filesystem::path path_of(const std::filesystem::path& data, const document& what) {
  const auto version = file_name(what.version) + "-" + what.definition.hash().substr(0, hash_digits);
  return data / "documents" / file_name(what.name) / (version + ".yaml");
}

/// For this user alone, as the journal is: documents may hold what is nobody else's business.
result<void> private_directory(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return system_error(path);
  ::chmod(path.c_str(), 0700);  // one of an older version; where that is refused it is as it was
  return {};
}

struct kept_file {
  std::filesystem::path path;
  std::filesystem::file_time_type written;
};

std::vector<kept_file> kept_files(const std::filesystem::path& data) {
  std::vector<kept_file> out;
  std::error_code bad;
  for (const auto& each : std::filesystem::recursive_directory_iterator(data / "documents", bad)) {
    if (each.path().extension() == ".yaml") out.push_back({each.path(), each.last_write_time(bad)});
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.written != b.written ? a.written > b.written : a.path < b.path; });
  return out;
}

/// Definition hashes that unfinished runs of the name and version were started with, each with one such run.
std::map<std::string, run_id> hashes_in_use(const std::filesystem::path& data, const std::string& name,
                                            const std::string& version) {
  std::map<std::string, run_id> out;
  const node_options defaults;
  const auto journal = persistence::open_lmdb_journal(data, persistence::open_mode::read_only, defaults.max_map_bytes, 0);
  if (!journal) return out;
  persistence::row_query query{.workflow = name, .open_only = true, .limit = 1000};
  while (true) {
    const auto rows = (*journal)->rows(query);
    for (const auto& row : rows) {
      if (row.version == version) out.emplace(row.definition_hash, row.id);
    }
    if (rows.size() < query.limit) return out;
    query.after = rows.back().id;
  }
}

/// Kept beside a document's text: the folder where files begin that it names.
std::filesystem::path folder_file(std::filesystem::path path) { return path.replace_extension(".folder"); }

std::filesystem::path kept_folder(const std::filesystem::path& of) {
  std::ifstream in{folder_file(of), std::ios::binary};
  std::string text;
  std::getline(in, text, '\0');
  return text;
}

}  // namespace

result<std::string> read_document_file(const std::filesystem::path& path) {
  std::error_code bad;
  if (!std::filesystem::exists(path, bad)) return error{errc::not_found, path.string() + ": no such file"};
  if (!std::filesystem::is_regular_file(path, bad)) return error{errc::io_error, path.string() + ": is not a regular file"};
  if (const auto size = std::filesystem::file_size(path, bad); !bad && size > limits::document_bytes) {
    return error{errc::limit_exceeded, path.string() + ": has " + std::to_string(size) + " bytes; the limit document_bytes is " +
                                           std::to_string(limits::document_bytes)};
  }
  std::ifstream in{path, std::ios::binary};
  if (!in) return error{errc::io_error, path.string() + ": cannot be read: " + std::strerror(errno)};
  return std::string{std::istreambuf_iterator<char>{in}, {}};
}

result<document> find_document(const std::filesystem::path& data, document_reader& reader, const std::string& file_or_name) {
  auto text = read_document_file(file_or_name);
  if (text) return reader.read(*text, file_or_name);
  if (text.error().code != errc::not_found) return text.error();
  std::vector<error> unread;
  for (auto& each : kept_documents(data, reader, &unread)) {
    if (each.name == file_or_name) return std::move(each);
  }
  auto why = file_or_name + ": no such file, and no document of that name ran in " + data.string();
  for (const auto& each : unread) why += "; " + unread_document(each);
  return error{errc::not_found, why};
}

result<void> keep_document(const std::filesystem::path& data, const document& what) {
  const auto path = path_of(data, what);
  std::error_code bad;
  std::filesystem::create_directories(data, bad);
  if (bad) return error{errc::io_error, data.string() + ": " + bad.message()};
  for (const auto& folder : {data / "documents", path.parent_path()}) {
    if (auto made = private_directory(folder); !made) return made;
  }
  if (std::filesystem::exists(path, bad)) {
    if (kept_folder(path) != what.folder) {
      if (auto written = persistence::put_file(folder_file(path), what.folder.string()); !written) return written;
    }
    // It is the newest of its version again.
    std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now(), bad);
    return {};
  }
  if (auto written = persistence::put_file(folder_file(path), what.folder.string()); !written) return written;
  if (auto written = persistence::put_file(path, what.text); !written) return written;
  if (auto synced = persistence::sync_folder(path.parent_path().parent_path()); !synced) return synced;
  return persistence::sync_folder(data);
}

std::vector<document> kept_documents(const std::filesystem::path& data, document_reader& reader, std::vector<error>* unread) {
  std::vector<document> out;
  for (const auto& file : kept_files(data)) {
    const auto text = read_document_file(file.path);
    auto read = text ? reader.read(*text, file.path.string(), kept_folder(file.path)) : result<document>{text.error()};
    if (read) {
      out.push_back(std::move(*read));
    } else if (unread != nullptr) {
      unread->push_back(read.error());
    }
  }
  return out;
}

std::string unread_document(const error& why) {
  return "a kept document cannot be read: " + why.message.substr(0, why.message.find('\n'));
}

namespace {

std::string shown_line(const std::string& line) {
  constexpr std::size_t longest = 60;
  const auto begin = line.find_first_not_of(' ');
  auto text = begin == std::string::npos ? std::string{} : line.substr(begin);
  if (text.size() > longest) text = core::valid_utf8(text.substr(0, longest)) + "...";
  return "\"" + text + "\"";
}

/// The first line in which they part.
std::string difference(const std::string& then, const std::string& now) {
  std::istringstream a{then}, b{now};
  for (std::size_t number = 1;; ++number) {
    std::string left, right;
    const bool more_left = static_cast<bool>(std::getline(a, left)), more_right = static_cast<bool>(std::getline(b, right));
    if (!more_left && !more_right) return "its lines are the same, so a file that it names has changed";
    const auto line = "line " + std::to_string(number);
    if (!more_left) return line + " is new: " + shown_line(right);
    if (!more_right) return line + " is gone: " + shown_line(left);
    if (left != right) return line + " was " + shown_line(left) + " and is " + shown_line(right);
  }
}

}  // namespace

result<std::vector<document>> documents_to_register(const std::filesystem::path& data, document_reader& reader,
                                                    const std::vector<document>& also, std::vector<error>* unread) {
  using name_and_version = std::pair<std::string, std::string>;
  // By name and version, the newest first; those of `also` are the newest of all.
  std::map<name_and_version, std::vector<document>> versions;
  std::map<name_and_version, const document*> given;
  for (const auto& each : also) {
    if (!given.emplace(name_and_version{each.name, each.version}, &each).second)
      return error{errc::already_exists, each.file + ": " + each.name + " " + each.version + " is given twice"};
    versions[{each.name, each.version}].push_back(each);
  }
  for (auto& each : kept_documents(data, reader, unread)) {
    auto& known = versions[{each.name, each.version}];
    const auto same = [&](const document& other) { return other.definition.hash() == each.definition.hash(); };
    if (std::none_of(known.begin(), known.end(), same)) known.push_back(std::move(each));
  }
  std::vector<document> out;
  for (auto& [key, known] : versions) {
    auto chosen = known.begin();
    if (known.size() > 1) {
      const auto used = hashes_in_use(data, key.first, key.second);
      const auto in_use = [&](const document& each) { return used.contains(each.definition.hash()); };
      if (const auto first = std::find_if(known.begin(), known.end(), in_use); first != known.end()) chosen = first;
      if (const auto wanted = given.find(key); wanted != given.end() && chosen != known.begin()) {
        return error{errc::conflict, wanted->second->file + ": differs from the text of " + key.first + " " + key.second +
                                         " that run " + used.at(chosen->definition.hash()).str() +
                                         " was started with and has not ended: " +
                                         difference(chosen->text, wanted->second->text) + "; give the document another version"};
      }
    }
    out.push_back(std::move(*chosen));
  }
  // What is registered last is what a name alone starts.
  std::stable_partition(out.begin(), out.end(), [&](const document& each) { return !given.contains({each.name, each.version}); });
  return out;
}

}  // namespace perdure::cluster
