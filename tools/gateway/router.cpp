#include "tools/gateway/router.hpp"

#include <algorithm>
#include <exception>

namespace perdure::tools::gateway {

namespace {

timestamp now() { return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()); }

/// The node's own workflows, which exchange events between documents: nobody starts, signals or stops those over HTTP.
constexpr std::string_view own_workflows = "perdure.";

std::string_view method_of(const request& in) {
  return in.method == "HEAD" ? std::string_view{"GET"} : std::string_view{in.method};
}

std::vector<std::string> segments(std::string_view pattern) {
  request parsed;
  static_cast<void>(read_target(pattern, parsed));
  return parsed.path;
}

}  // namespace

bool call::sees(std::string_view workflow) const {
  if (workflow.starts_with(own_workflows)) return false;
  if (!who.workflow.empty() && who.workflow != workflow) return false;
  const auto slash = workflow.find('/');
  return slash == std::string_view::npos || workflow.substr(0, slash) == who.tenant;
}

void router::add(std::string method, std::string_view pattern, right needs, handler does) {
  routes_.push_back({std::move(method), segments(pattern), needs, std::move(does)});
}

void router::add_simple(std::string method, std::string_view pattern, right needs, simple_handler does) {
  add(std::move(method), pattern, needs, [does = std::move(does)](const std::shared_ptr<call>& of) {
    auto done = does(*of);
    done ? of->answer(std::move(*done)) : of->fail(done.error());
  });
}

void router::add_linked(std::string_view pattern, right needs, handler does) {
  routes_.push_back({"GET", segments(pattern), needs, std::move(does), true});
}

const router::route* router::linked_route(const request& in) const {
  if ((in.method != "GET" && in.method != "HEAD") || in.parameter("sign") == nullptr) return nullptr;
  const auto found = std::find_if(routes_.begin(), routes_.end(),
                                  [&](const route& each) { return each.by_link && fits(each.pattern, in.path); });
  return found == routes_.end() ? nullptr : &*found;
}

std::variant<api_key, response> router::admit(const request& in) {
  if (state_ == state::starting) return refusal(503, "the node is starting; try again soon", in);
  if (state_ == state::closed) return error_answer(in, 503, "shutting_down", "the node is stopping; try again later");
  auto who = caller_of(in);
  if (!who) return refusal(401, "a valid key is needed: Authorization: Bearer pdr_…", in);
  return std::move(*who);
}

std::variant<api_key, response> router::admit(const request& in, right needs) {
  auto who = admit(in);
  const auto* key = std::get_if<api_key>(&who);
  if (key != nullptr && !key->may.has(needs)) return refusal(403, "the key lacks the right to do this", in);
  return who;
}

void router::give(const route& to, const std::shared_ptr<exchange>& at, api_key who) {
  auto made = std::make_shared<call>();
  made->captured = captured_by(to.pattern, at->in.path);
  made->at = at;
  made->who = std::move(who);
  to.does(made);
}

void router::add_open(std::string_view path, std::function<response()> does) {
  open_.emplace_back(segments(path), std::move(does));
}

void router::add_proven(std::string_view pattern, proven_handler does) {
  proven_.push_back({segments(pattern), std::move(does)});
}

bool router::fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  const auto same = [](const std::string& wanted, const std::string& given) {
    return wanted.front() == '{' ? !given.empty() : wanted == given;
  };
  return std::equal(pattern.begin(), pattern.end(), path.begin(), path.end(), same);
}

std::vector<std::string> router::captured_by(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i].front() == '{') out.push_back(path[i]);
  }
  return out;
}

std::optional<api_key> router::caller_of(const request& in) {
  constexpr std::string_view scheme = "bearer ";
  const auto* given = in.header("authorization");
  if (given == nullptr || given->size() <= scheme.size()) return std::nullopt;
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  if (!std::equal(scheme.begin(), scheme.end(), given->begin(), [&](char b, char a) { return same(a, b); })) return std::nullopt;
  return keys_.check(std::string_view{*given}.substr(scheme.size()), now());
}

bool router::within_rate(const api_key& key) {
  const auto rate = policies_.of(key.tenant).rate_per_key;
  if (rate == 0) return true;
  const auto at = std::chrono::steady_clock::now();
  const auto most = static_cast<double>(rate);
  const std::lock_guard lock{mutex_};
  auto& of = buckets_.try_emplace(key.id, bucket{most, at}).first->second;
  of.tokens = std::min(most, of.tokens + std::chrono::duration<double>(at - of.at).count() * most);
  of.at = at;
  if (of.tokens < 1) return false;
  of.tokens -= 1;
  return true;
}

void router::take(const std::shared_ptr<exchange>& at) {
  try {
    dispatch(at);
  } catch (const std::exception& wrong) {
    at->answer(error_answer(at->in, {errc::internal, wrong.what()}));
  }
}

void router::dispatch(const std::shared_ptr<exchange>& at) {
  const auto& in = at->in;
  const auto method = method_of(in);
  const auto refuse = [&](unsigned status, std::string_view message) { at->answer(refusal(status, message, in)); };
  for (const auto& [path, does] : open_) {
    if (path != in.path) continue;
    if (method == "GET") return at->answer(does());
    auto out = refusal(405, in.method + " is not for this resource", in);
    out.headers.push_back({"Allow", "GET, HEAD"});
    return at->answer(std::move(out));
  }
  if (state_ == state::starting) return refuse(503, "the node is starting; try again soon");
  if (state_ == state::closed) return at->answer(error_answer(in, 503, "shutting_down", "the node is stopping; try again later"));
  for (const auto& each : proven_) {
    if (!fits(each.pattern, in.path)) continue;
    if (method != "POST") {
      auto out = refusal(405, in.method + " is not for this resource", in);
      out.headers.push_back({"Allow", "POST"});
      return at->answer(std::move(out));
    }
    auto done = each.does(in, captured_by(each.pattern, in.path));
    return at->answer(done ? std::move(*done) : error_answer(in, done.error()));
  }
  if (const auto* open = linked_route(in)) return give(*open, at, {});
  auto who = caller_of(in);
  if (!who) return refuse(401, "a valid key is needed: Authorization: Bearer pdr_…");
  at->caller = who->id;
  if (!within_rate(*who)) return at->answer(error_answer(in, 429, "rate_limit_error", "too many requests with this key"));
  auto found = route_for(in, *who);
  if (auto* refused = std::get_if<response>(&found)) return at->answer(std::move(*refused));
  give(*std::get<const route*>(found), at, std::move(*who));
}

std::variant<const router::route*, response> router::route_for(const request& in, const api_key& who) const {
  const auto method = method_of(in);
  std::string allowed;
  for (const auto& each : routes_) {
    if (!fits(each.pattern, in.path)) continue;
    if (each.method != method) {
      allowed += (allowed.empty() ? "" : ", ") + each.method;
      continue;
    }
    if (!who.may.has(each.needs)) return refusal(403, "the key lacks the right to do this", in);
    return &each;
  }
  if (allowed.empty()) return refusal(404, "there is no such resource", in);
  auto out = refusal(405, in.method + " is not for this resource", in);
  out.headers.push_back({"Allow", allowed});
  return out;
}

std::optional<response> router::refusal_before_body(const request& in) {
  const auto fitting = [&](const auto& each) { return fits(each.pattern, in.path); };
  if (std::any_of(open_.begin(), open_.end(), [&](const auto& each) { return each.first == in.path; })) return std::nullopt;
  if (state_ == state::open) {
    // These prove themselves by what they hold.
    if (std::any_of(proven_.begin(), proven_.end(), fitting) || linked_route(in) != nullptr) return std::nullopt;
  }
  auto who = admit(in);
  if (auto* refused = std::get_if<response>(&who)) return std::move(*refused);
  auto found = route_for(in, std::get<api_key>(who));
  if (auto* refused = std::get_if<response>(&found)) return std::move(*refused);
  return std::nullopt;
}

}  // namespace perdure::tools::gateway
