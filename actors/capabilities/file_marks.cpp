#include "actors/capabilities/file_marks.hpp"

#include "core/client_files.hpp"
#include "core/hmac.hpp"

namespace perdure::actors {

namespace {

constexpr std::string_view opening = "{{perdure-file:", closing = "}}";
constexpr std::size_t mac_digits = 32;

std::string_view text_of(const json::string& from) { return {from.data(), from.size()}; }

}  // namespace

bool file_marks::has_mark(std::string_view text) { return text.find(opening) != std::string_view::npos; }

result<std::string> file_marks::mac_of(std::string_view place) {
  const std::lock_guard lock{mutex_};
  if (key_.empty()) {
    auto found = key_of_();
    if (!found) return found.error();
    key_ = std::move(*found);
  }
  return core::hmac_hex(key_, {"file", place}).substr(0, mac_digits);
}

result<std::string> file_marks::mark_of(std::string_view tenant, std::string_view sha256) {
  const auto place = std::string{tenant} + "/" + std::string{sha256};
  const auto mac = mac_of(place);
  if (!mac) return mac.error();
  return std::string{opening} + place + ":" + *mac + std::string{closing};
}

result<void> file_marks::put_in_text(std::string& text, std::vector<used>& in_use) {
  for (auto at = text.find(opening); at != std::string::npos; at = text.find(opening, at)) {
    const auto end = text.find(closing, at);
    if (end == std::string::npos) break;
    const auto inside = std::string_view{text}.substr(at + opening.size(), end - at - opening.size());
    const auto slash = inside.find('/'), colon = inside.rfind(':');
    const bool whole = slash != std::string_view::npos && colon != std::string_view::npos && slash < colon;
    const auto mac = whole ? mac_of(inside.substr(0, colon)) : result<std::string>{std::string{}};
    if (!mac) return mac.error();
    if (mac->empty() || !core::same_secret(*mac, inside.substr(colon + 1))) {  // made by somebody else
      at += opening.size();
      continue;
    }
    auto path =
        (folder_ / core::client_file_place(inside.substr(0, slash), inside.substr(slash + 1, colon - slash - 1))).string();
    const auto mark = text.substr(at, end + closing.size() - at);
    text.replace(at, mark.size(), path);
    at += path.size();
    in_use.push_back({std::move(path), mark});
  }
  return {};
}

result<void> file_marks::put_in(json::value& value, std::vector<used>& in_use) {
  if (auto* string = value.if_string()) {
    if (!has_mark(text_of(*string))) return {};
    std::string text{text_of(*string)};
    if (auto done = put_in_text(text, in_use); !done) return done;
    value = json::value(text);
  } else if (auto* items = value.if_array()) {
    for (auto& each : *items) {
      if (auto done = put_in(each, in_use); !done) return done;
    }
  } else if (auto* members = value.if_object()) {
    for (auto& each : *members) {
      if (auto done = put_in(each.value(), in_use); !done) return done;
    }
  }
  return {};
}

void file_marks::take_out(std::string& text, const std::vector<used>& in_use) {
  for (const auto& each : in_use) {
    for (auto at = text.find(each.path); at != std::string::npos; at = text.find(each.path, at + each.mark.size()))
      text.replace(at, each.path.size(), each.mark);
  }
}

void file_marks::take_out(json::value& value, const std::vector<used>& in_use) {
  if (auto* string = value.if_string()) {
    std::string text{text_of(*string)};
    take_out(text, in_use);
    if (text != text_of(*string)) value = json::value(text);
  } else if (auto* items = value.if_array()) {
    for (auto& each : *items) take_out(each, in_use);
  } else if (auto* members = value.if_object()) {
    // Keys cannot be changed in place.
    json::object out;
    for (auto& [key, member] : *members) {
      take_out(member, in_use);
      std::string name{key.data(), key.size()};
      take_out(name, in_use);
      out.emplace(name, std::move(member));
    }
    value = std::move(out);
  }
}

namespace {

class behind_files final : public capability {
 public:
  behind_files(std::shared_ptr<file_marks> marks, std::shared_ptr<capability> inner)
      : marks_(std::move(marks)), inner_(std::move(inner)) {}

  void start(capability_request request) override {
    if (!file_marks::has_mark(request.spec.text())) return inner_->start(std::move(request));
    std::vector<file_marks::used> used;
    auto spec = request.spec.value();
    if (auto put = marks_->put_in(spec, used); !put)
      return request.done({.error = failure{.code = "runtime", .message = put.error().message}});
    request.spec = payload{spec};
    request.done = [used = std::move(used), done = std::move(request.done)](core::outcome end) {
      if (end.error) {
        auto why = *end.error;
        file_marks::take_out(why.message, used);
        end.error = std::move(why);
      } else if (!used.empty()) {
        auto value = end.value.value();
        file_marks::take_out(value, used);
        end.value = payload{value};
      }
      done(std::move(end));
    };
    inner_->start(std::move(request));
  }
  void stop_all() override { inner_->stop_all(); }

 private:
  std::shared_ptr<file_marks> marks_;
  std::shared_ptr<capability> inner_;
};

}  // namespace

result<payload> with_paths(file_marks& marks, const payload& spec) {
  if (!file_marks::has_mark(spec.text())) return spec;
  auto value = spec.value();
  std::vector<file_marks::used> used;
  if (auto put = marks.put_in(value, used); !put) return put.error();
  return payload{value};
}

std::shared_ptr<capability> with_files(std::shared_ptr<file_marks> marks, std::shared_ptr<capability> inner) {
  return std::make_shared<behind_files>(std::move(marks), std::move(inner));
}

}  // namespace perdure::actors
