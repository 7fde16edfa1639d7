// fan_out_fan_in: one text goes to three counters at once; their answers are joined.
#pragma once

#include <algorithm>
#include <iterator>
#include <sstream>

#include "perdure/perdure.hpp"

namespace fan_out_fan_in {

using namespace perdure;

struct text {
  std::string body;
};
PERDURE_MESSAGE(text, "text/v1", body)

struct count {
  std::string of;
  std::int64_t number = 0;
};
PERDURE_MESSAGE(count, "count/v1", of, number)

class reader : public executor<text> {
  task<> handle(const text& what, context& ctx) override {
    ctx.send(what);
    co_return;
  }
};

class counter : public executor<text> {
  task<> handle(const text& what, context& ctx) override {
    auto measure = [&] {
      std::istringstream words{what.body};
      const auto& name = ctx.executor();
      if (name == "words") return std::int64_t{std::distance(std::istream_iterator<std::string>{words}, {})};
      if (name == "lines") return std::int64_t{std::count(what.body.begin(), what.body.end(), '\n')};
      return static_cast<std::int64_t>(what.body.size());
    };
    const std::int64_t number = co_await ctx.call("measure", measure);
    ctx.send(count{ctx.executor(), number});
  }
};

class report : public executor<joined> {
  task<> handle(const joined& all, context& ctx) override {
    const auto counts = all.as<count>().value();
    json::object out;
    for (const auto& each : counts) out.emplace(each.of, each.number);
    ctx.yield_output(json::value(out));
    co_return;
  }
};

inline workflow wc() {
  return workflow_builder("wc", "1.0.0")
      .add<reader>("reader")
      .add<counter>("lines")
      .add<counter>("words")
      .add<counter>("bytes")
      .add<report>("report")
      .start_at("reader")
      .fan_out("reader", {"lines", "words", "bytes"})
      .fan_in({"lines", "words", "bytes"}, "report")
      .build();
}

}  // namespace fan_out_fan_in
