// /v1/files: files are handed in, shown, and used as the input of runs.
#include "tools/gateway/service_file_api.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "core/json_text.hpp"
#include "tools/gateway/byte_answer.hpp"
#include "tools/gateway/multipart.hpp"
#include "tools/gateway/private_file.hpp"
#include "tools/gateway/service_run.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

constexpr std::size_t field_bytes = 64U << 10, name_bytes = 255;
constexpr std::string_view upload_path = "/v1/files/upload", preview_purpose = "file preview";

struct kind_of_file {
  std::string_view name;
  std::uint64_t limit_bytes;
  std::string_view type;        ///< beginning of the media type
  std::string_view extensions;  ///< each with a space behind it
};
constexpr std::array<kind_of_file, 4> kinds{{{"image", 10U << 20, "image/", "jpg jpeg png webp gif svg "},
                                             {"audio", 50U << 20, "audio/", "mp3 m4a wav amr mpga ogg flac "},
                                             {"video", 100U << 20, "video/", "mp4 mov mpeg webm "},
                                             {"document", 15U << 20, "", ""}}};
/// What begins a program where it is opened by a click.
constexpr std::string_view refused_extensions = "exe bat cmd com scr vbs ps1 msi dll jar lnk hta ";

bool is_among(std::string_view word, std::string_view list) {
  return !word.empty() && list.find(std::string{word} + " ") != std::string_view::npos &&
         (list.starts_with(word) || list.find(" " + std::string{word} + " ") != std::string_view::npos);
}

const kind_of_file& kind_of(std::string_view extension, std::string_view type) {
  for (const auto& each : kinds) {
    if (is_among(extension, each.extensions) || (!each.type.empty() && type.starts_with(each.type))) return each;
  }
  return kinds.back();
}

/// How a client was wrong, in the API's words.
struct upload_problem {
  unsigned status = 0;
  std::string code, message;
};

// Takes the body of an upload: the file goes to the store as it comes.
class upload : public body_sink {
 public:
  upload(file_store& store, api_key who, const std::string& boundary)
      : store_(store), who_(std::move(who)), reader_(boundary, {.begin = [this](const form_part& part) { return begin(part); },
                                                                .data = [this](std::string_view bytes) { return data(bytes); },
                                                                .end = [this]() -> result<void> { return {}; }}) {}

  bool take(std::string_view piece) override {
    const auto fed = reader_.feed(piece);
    if (!fed && !problem_) problem_ = upload_problem{400, "bad_request", fed.error().message};
    return fed.has_value();
  }

  [[nodiscard]] const api_key& who() const { return who_; }
  /// The file, once the body is there.
  std::variant<stored_file, upload_problem> finish(timestamp now) {
    if (problem_) return *problem_;
    if (!reader_.complete()) return upload_problem{400, "bad_request", "the multipart body has no end"};
    if (!content_) return upload_problem{400, "no_file_uploaded", "Please upload your file."};
    if (user_.empty()) return upload_problem{400, "invalid_param", "Arg user must be provided."};
    what_.user = core::valid_utf8(user_);
    what_.workflow = who_.workflow;
    what_.created_at = now;
    auto kept = store_.keep(std::move(*content_), what_);
    if (kept) return std::move(*kept);
    return of_error(kept.error());
  }

 private:
  enum class field : std::uint8_t { file, user, other };

  static upload_problem of_error(const error& why) {
    if (why.code == errc::limit_exceeded) return {413, "file_too_large", why.message};
    const auto status = status_of(why.code);
    return {status, std::string{code_of_status(status)}, why.message};
  }
  result<void> wrong(unsigned status, std::string code, std::string message) {
    problem_ = upload_problem{status, std::move(code), message};
    return error{errc::invalid_argument, std::move(message)};
  }

  result<void> begin(const form_part& part) {
    at_ = part.name == "file" ? field::file : part.name == "user" ? field::user : field::other;
    if (at_ != field::file) return {};
    if (content_) return wrong(400, "too_many_files", "Only one file is allowed.");
    if (!part.filename) return wrong(400, "no_file_uploaded", "Please upload your file.");
    const auto& name = *part.filename;
    if (name.empty()) return wrong(400, "filename_not_exists_error", "The specified filename does not exist.");
    if (name.find_first_of("/\\") != std::string::npos || name.find('\0') != std::string::npos)
      return wrong(400, "invalid_param", "Filename contains invalid characters");
    if (name.size() > name_bytes || core::valid_utf8(name) != name)
      return wrong(400, "invalid_param", "Filename is too long, or not UTF-8");
    const auto dot = name.rfind('.');
    what_.name = name;
    what_.extension = dot == std::string::npos ? "" : core_lower(name.substr(dot + 1));
    what_.mime_type = part.type.empty() ? "application/octet-stream" : core::valid_utf8(part.type.substr(0, name_bytes));
    if (is_among(what_.extension, refused_extensions)) return wrong(415, "unsupported_file_type", "File type not allowed.");
    limit_ = kind_of(what_.extension, what_.mime_type).limit_bytes;
    auto begun = store_.begin(who_.tenant);
    if (!begun) {
      problem_ = of_error(begun.error());
      return begun.error();
    }
    content_.emplace(std::move(*begun));
    return {};
  }

  result<void> data(std::string_view bytes) {
    if (at_ == field::other) return {};
    if (at_ == field::user) {
      user_ += bytes;
      return user_.size() <= field_bytes ? result<void>{} : wrong(400, "invalid_param", "user is too long");
    }
    if (content_->size() + bytes.size() > limit_)
      return wrong(413, "file_too_large", "File size exceeded: the limit is " + std::to_string(limit_) + " bytes");
    auto written = content_->write(bytes);
    if (!written) problem_ = of_error(written.error());
    return written;
  }

  static std::string core_lower(std::string text) {
    for (auto& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return text;
  }

  file_store& store_;
  const api_key who_;
  multipart_reader reader_;
  field at_ = field::other;
  std::optional<file_store::incoming> content_;
  std::optional<upload_problem> problem_;
  stored_file what_;
  std::string user_;
  std::uint64_t limit_ = 0;
};

std::int64_t seconds_now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()).time_since_epoch().count();
}

std::string signed_address(const api_parts& parts, const std::string& id) {
  const auto at = std::to_string(seconds_now());
  const auto random = random_hex(16);
  const auto nonce = random ? *random : std::string(32, '0');
  return "/v1/files/" + id + "/preview?timestamp=" + at + "&nonce=" + nonce +
         "&sign=" + parts.signer.sign({preview_purpose, id, at, nonce});
}

/// Whether the query's signature opens the file, and is not too old.
bool opens(const api_parts& parts, const request& in, const std::string& id) {
  const auto *at = in.parameter("timestamp"), *nonce = in.parameter("nonce"), *sign = in.parameter("sign");
  if (at == nullptr || nonce == nullptr || sign == nullptr) return false;
  if (!parts.signer.fits({preview_purpose, id, *at, *nonce}, *sign)) return false;
  std::int64_t made = 0;
  std::from_chars(at->data(), at->data() + at->size(), made);
  return seconds_now() - made <= signed_address_time.count();
}

response take_upload(const api_parts& parts, const call& of) {
  const auto& in = of.in();
  auto* from = dynamic_cast<upload*>(in.sink.get());
  if (from == nullptr) return error_answer(in, 400, "no_file_uploaded", "Please upload your file.");
  const auto now = std::chrono::time_point_cast<duration>(std::chrono::system_clock::now());
  auto done = from->finish(now);
  if (const auto* wrong = std::get_if<upload_problem>(&done)) return error_answer(in, wrong->status, wrong->code, wrong->message);
  const auto& file = std::get<stored_file>(done);
  return json_answer(json::object{{"id", file.id},
                                  {"name", file.name},
                                  {"size", file.size},
                                  {"extension", file.extension},
                                  {"mime_type", file.mime_type},
                                  {"created_by", file.user},
                                  {"created_at", unix_seconds(to_string(file.created_at))},
                                  {"sha256", file.sha256},
                                  {"preview_url", nullptr},
                                  {"source_url", signed_address(parts, file.id)}},
                     201);
}

void show_file(const api_parts& parts, const call& of) {
  const auto& in = of.in();
  const auto& id = of.captured[0];
  const bool by_signature = of.who.id.empty();
  if (by_signature && !opens(parts, in, id))
    return of.answer(error_answer(in, 403, "file_access_denied", "The signature is not valid, or not any more."));
  const auto file = parts.files.find(id);
  if (!file || (!by_signature && file->tenant != of.who.tenant)) {
    if (!file && file.error().code != errc::not_found) return of.fail(file.error());
    return of.answer(error_answer(in, 404, "file_not_found", "The requested file was not found."));
  }
  if (!by_signature && !of.who.workflow.empty() && file->workflow != of.who.workflow)
    return of.answer(error_answer(in, 403, "file_access_denied", "Access to the requested file is denied."));
  const auto opened = std::make_shared<persistence::file_descriptor>(
      ::open(parts.files.path_of(*file).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!*opened) return of.fail(file_error(parts.files.path_of(*file)));
  const auto* asked = in.parameter("as_attachment");
  const bool wanted = asked != nullptr && (*asked == "true" || *asked == "1" || *asked == "True");
  byte_source bytes{.size = file->size,
                    .type = file->mime_type,
                    .name = file->name,
                    .etag = file->sha256,
                    .attachment = wanted || !may_be_shown(file->mime_type)};
  bytes.read = [opened](std::uint64_t offset, char* into, std::size_t size) -> result<std::size_t> {
    const auto got = ::pread(opened->get(), into, size, static_cast<off_t>(offset));
    if (got < 0) return error{errc::io_error, "the file cannot be read"};
    return static_cast<std::size_t>(got);
  };
  answer_bytes(of.at, std::move(bytes), parts.limits.stream_piece_bytes);
}

result<response> remove_file(const api_parts& parts, const call& of) {
  const auto file = parts.files.find(of.captured[0]);
  const bool seen = file && file->tenant == of.who.tenant && (of.who.workflow.empty() || file->workflow == of.who.workflow);
  if (!seen) return error_answer(of.in(), 404, "file_not_found", "The requested file was not found.");
  if (auto removed = parts.files.remove(file->id); !removed) return removed.error();
  return json_answer(json::object{{"result", "success"}});
}

/// A file that a client names by its id, completed with what the store knows of it.
result<void> complete(const api_parts& parts, const call& of, json::value& in) {
  if (in.is_array()) {
    for (auto& each : in.get_array()) {
      if (auto done = complete(parts, of, each); !done) return done;
    }
  }
  if (!in.is_object() || text_of(in.get_object(), "transfer_method") != "local_file") return {};
  auto& what = in.get_object();
  const auto id = text_of(what, "upload_file_id");
  const auto file = parts.files.find(id);
  if (!file && file.error().code != errc::not_found) return file.error();
  if (!file || file->tenant != of.who.tenant || (!of.who.workflow.empty() && file->workflow != of.who.workflow))
    return error{errc::not_found, "there is no file \"" + id + "\"; hand it in first"};
  what["filename"] = file->name;
  what["extension"] = file->extension;
  what["mime_type"] = file->mime_type;
  what["size"] = file->size;
  what["sha256"] = file->sha256;
  auto mark = parts.files.mark_of(*file);
  if (!mark) return mark.error();
  what["path"] = std::move(*mark);
  return {};
}

}  // namespace

result<void> complete_files(const api_parts& parts, const call& of, json::object& inputs) {
  for (auto& [name, value] : inputs) {
    if (auto done = complete(parts, of, value); !done) return done;
  }
  return {};
}

json::object file_limits() {
  json::object out;
  for (const auto& each : kinds) {
    const auto name = each.name == "document" ? std::string{"file"} : std::string{each.name} + "_file";
    out.emplace(name + "_size_limit", each.limit_bytes >> 20U);
  }
  return out;
}

bool is_upload(std::string_view method, std::string_view target) {
  return method == "POST" && target.substr(0, target.find('?')) == upload_path;
}

std::variant<std::shared_ptr<body_sink>, response> open_upload(file_store& store, api_key who, const request& in) {
  const auto* type = in.header("content-type");
  const auto boundary = type == nullptr ? std::nullopt : boundary_of(*type);
  if (!boundary) return error_answer(in, 415, "unsupported_media_type", "a file comes as multipart/form-data with a boundary");
  return std::make_shared<upload>(store, std::move(who), *boundary);
}

void add_service_file_routes(router& to, const api_parts& parts) {
  to.add_simple("POST", upload_path, right::run, [parts](const call& of) -> result<response> { return take_upload(parts, of); });
  to.add_simple("DELETE", "/v1/files/{id}", right::run, [parts](const call& of) { return remove_file(parts, of); });
  to.add_linked("/v1/files/{id}/preview", right::read, [parts](const std::shared_ptr<call>& of) { show_file(parts, *of); });
}

}  // namespace perdure::tools::gateway
