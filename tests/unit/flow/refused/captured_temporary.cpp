// Must not compile with GCC before 13, which destroys such a temporary twice: a lambda that owns something, made inside
// of the co_await expression.
#include "perdure/executor.hpp"

struct sample : perdure::executor<std::string> {
  perdure::task<> handle(const std::string& text, perdure::context& ctx) override {
    co_await ctx.call("name", [text] { return text.size(); });
  }
};
