// Must not compile: a handler that awaits something a replay would not repeat.
#include "perdure/executor.hpp"

struct sample : perdure::executor<int> {
  perdure::task<> handle(const int&, perdure::context&) override { co_await std::suspend_always{}; }
};
