#include "actors/capabilities/secrets.hpp"

#include <algorithm>
#include <cstdlib>

#include "core/hmac.hpp"
#include "core/json_text.hpp"
#include "core/stand_in.hpp"
#include "perdure/json.hpp"

namespace perdure::actors {

namespace {

constexpr auto opening = core::stand_in_opening;
constexpr std::string_view closing = "}}";
constexpr std::size_t least_noticed = 6;
constexpr std::size_t mac_digits = 32;

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

/// "~1" for "/", as JSON pointers do it, and nothing that could end a stand-in.
std::string escaped(std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    if (plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += hex[byte >> 4U];
    out += hex[byte & 15U];
  }
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::strtol(std::string{text.substr(i + 1, 2)}.c_str(), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// What a secret's text holds: an object, or the text itself.
json::value read_secret(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && text[first] == '{') {
    if (auto read = core::read_json_text(text); read && read->is_object()) return std::move(*read);
  }
  return json::value(text);
}

/// The text at "NAME/a/b"; empty when the secret has none there.
std::optional<std::string> text_at(const secret_book::find_secret& secrets, std::string_view place) {
  auto end = place.find('/');
  const auto text = secrets(unescaped(place.substr(0, end)));
  if (!text) return std::nullopt;
  const auto whole = read_secret(*text);
  const auto* at = &whole;
  while (end != std::string_view::npos) {
    place.remove_prefix(end + 1);
    end = place.find('/');
    const auto* members = at->if_object();
    at = members == nullptr ? nullptr : members->if_contains(unescaped(place.substr(0, end)));
    if (at == nullptr) return std::nullopt;
  }
  if (const auto* string = at->if_string()) return std::string{string->data(), string->size()};
  std::string out;
  core::write_json_text(out, *at);
  return out;
}

}  // namespace

std::optional<std::string> secret_of_environment(const std::string& name) {
  constexpr std::string_view prefix = "PERDURE_SECRET_";
  std::string plain{prefix}, capitals{prefix};
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    plain += letter || digit ? c : '_';
    capitals += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : (letter || digit ? c : '_');
  }
  for (const auto& each : {plain, capitals}) {
    if (const char* value = std::getenv(each.c_str()); value != nullptr) return value;
  }
  return std::nullopt;
}

result<std::string> secret_book::mac_of(std::string_view workflow, std::string_view place) {
  const std::lock_guard lock{mutex_};
  if (key_.empty()) {
    auto found = key_of_();
    if (!found) return found.error();
    key_ = std::move(*found);
  }
  return core::hmac_hex(key_, {"stand-in", workflow, place}).substr(0, mac_digits);
}

result<json::value> secret_book::stand_in(std::string_view workflow, const std::string& name) {
  const auto text = secrets_(name);
  if (!text) return error{errc::not_found, "there is no secret \"" + name + "\" here (PERDURE_SECRET_" + name + " is not set)"};
  const auto make = [&](auto&& self, const json::value& of, const std::string& place) -> result<json::value> {
    if (const auto* members = of.if_object()) {
      json::object out;
      for (const auto& [key, value] : *members) {
        auto made = self(self, value, place + "/" + escaped({key.data(), key.size()}));
        if (!made) return made;
        out.emplace(key, std::move(*made));
      }
      return json::value(std::move(out));
    }
    const auto mac = mac_of(workflow, place);
    if (!mac) return mac.error();
    return json::value(std::string{opening} + place + ":" + *mac + std::string{closing});
  };
  return make(make, read_secret(*text), escaped(name));
}

result<void> secret_book::put_in_text(std::string_view workflow, std::string& text, std::vector<used>& in_use) {
  for (auto at = text.find(opening); at != std::string::npos; at = text.find(opening, at)) {
    const auto end = text.find(closing, at);
    if (end == std::string::npos) break;
    const auto inside = std::string_view{text}.substr(at + opening.size(), end - at - opening.size());
    const auto colon = inside.rfind(':');
    const auto mac =
        colon == std::string_view::npos ? result<std::string>{std::string{}} : mac_of(workflow, inside.substr(0, colon));
    if (!mac) return mac.error();
    if (mac->empty() || !core::same_secret(*mac, inside.substr(colon + 1))) {  // made by somebody else, or for another workflow
      at += opening.size();
      continue;
    }
    const auto place = std::string{inside.substr(0, colon)};
    auto secret = text_at(secrets_, place);
    if (!secret) return error{errc::not_found, "the secret \"" + place + "\" is not there any more"};
    in_use.push_back({*secret, text.substr(at, end + closing.size() - at)});
    text.replace(at, end + closing.size() - at, *secret);
    at += secret->size();
  }
  return {};
}

result<void> secret_book::put_in(std::string_view workflow, json::value& value, std::vector<used>& in_use) {
  if (auto* string = value.if_string()) {
    if (!core::has_stand_in({string->data(), string->size()})) return {};
    std::string text{string->data(), string->size()};
    if (auto done = put_in_text(workflow, text, in_use); !done) return done;
    value = json::value(text);
    return {};
  }
  if (auto* items = value.if_array()) {
    for (auto& each : *items) {
      if (auto done = put_in(workflow, each, in_use); !done) return done;
    }
  } else if (auto* members = value.if_object()) {
    for (auto& each : *members) {
      if (auto done = put_in(workflow, each.value(), in_use); !done) return done;
    }
  }
  return {};
}

void secret_book::take_out(std::string& text, const std::vector<used>& in_use) {
  core::spoil_stand_ins(text);
  for (const auto& each : in_use) {
    if (each.secret.size() >= least_noticed) replace_all(text, each.secret, each.stand_in);
  }
}

void secret_book::take_out(json::value& value, const std::vector<used>& in_use) {
  if (auto* string = value.if_string()) {
    std::string text{string->data(), string->size()};
    take_out(text, in_use);
    if (text != std::string_view{string->data(), string->size()}) value = json::value(text);
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

/// Takes secrets out of text that comes in parts, of which one may have the beginning of a secret and the next one the rest:
/// what may be a beginning is held back. Concurrency: any thread.
class clean_teller {
 public:
  clean_teller(std::shared_ptr<const std::vector<secret_book::used>> used, std::function<void(told_text)> tell)
      : used_(std::move(used)), tell_(std::move(tell)) {}

  void tell(told_text what) {
    const std::lock_guard lock{mutex_};
    if (!what.note) {
      what.text.insert(0, std::exchange(held_, {}));
      secret_book::take_out(what.text, *used_);
      const auto kept = what.text.size() - beginning_in(what.text);
      held_ = what.text.substr(kept);
      what.text.resize(kept);
    } else {
      secret_book::take_out(what.text, *used_);
    }
    if (!what.text.empty()) tell_(std::move(what));
  }
  void end() {
    const std::lock_guard lock{mutex_};
    if (!held_.empty()) tell_({.text = std::exchange(held_, {})});
  }

 private:
  /// How many bytes at the end of the text some secret begins with.
  [[nodiscard]] std::size_t beginning_in(const std::string& text) const {
    std::size_t most = 0;
    for (const auto& each : *used_) {
      if (each.secret.size() < least_noticed) continue;
      auto size = std::min(text.size(), each.secret.size() - 1);
      while (size > most && !std::string_view{text}.ends_with(std::string_view{each.secret}.substr(0, size))) --size;
      most = std::max(most, size);
    }
    return most;
  }

  const std::shared_ptr<const std::vector<secret_book::used>> used_;
  const std::function<void(told_text)> tell_;
  std::mutex mutex_;
  std::string held_;
};

class behind_door final : public capability {
 public:
  behind_door(std::shared_ptr<secret_book> book, std::shared_ptr<capability> inner)
      : book_(std::move(book)), inner_(std::move(inner)) {}

  void start(capability_request request) override {
    auto used = std::make_shared<std::vector<secret_book::used>>();
    if (core::has_stand_in(request.spec.text())) {
      auto spec = request.spec.value();
      if (auto put = book_->put_in(request.workflow, spec, *used); !put) {
        const bool gone = put.error().code == errc::not_found;
        failure why{.code = gone ? "authorization" : "runtime", .message = put.error().message};
        return request.done({.error = std::move(why)});
      }
      // What outlives the node has its input and output on the disk.
      if (auto* members = spec.if_object(); members != nullptr && !used->empty()) members->erase("durable");
      request.spec = payload{spec};
      // The longest first: one secret may be a part of another.
      std::sort(used->begin(), used->end(), [](const auto& a, const auto& b) { return a.secret.size() > b.secret.size(); });
    }
    std::shared_ptr<clean_teller> teller;
    if (request.tell) {
      teller = std::make_shared<clean_teller>(used, std::move(request.tell));
      request.tell = [teller](told_text what) { teller->tell(std::move(what)); };
    }
    request.done = [used, teller, done = std::move(request.done)](core::outcome end) {
      if (teller) teller->end();
      clean(end, *used);
      done(std::move(end));
    };
    inner_->start(std::move(request));
  }
  void stop_all() override { inner_->stop_all(); }

 private:
  static void clean(core::outcome& end, const std::vector<secret_book::used>& used) {
    if (end.error) {
      auto why = *end.error;
      secret_book::take_out(why.message, used);
      secret_book::take_out(why.title, used);
      end.error = std::move(why);
    }
    if (used.empty() && !core::has_stand_in(end.value.text())) return;
    auto value = end.value.value();
    secret_book::take_out(value, used);
    end.value = payload{value};
  }

  std::shared_ptr<secret_book> book_;
  std::shared_ptr<capability> inner_;
};

}  // namespace

std::shared_ptr<capability> with_secrets(std::shared_ptr<secret_book> book, std::shared_ptr<capability> inner) {
  return std::make_shared<behind_door>(std::move(book), std::move(inner));
}

}  // namespace perdure::actors
