// What the program asks of its allocator where that is jemalloc (cmake/dependencies.cmake); of others it asks nothing.
#pragma once

#include <malloc.h>

#include <cstddef>

extern "C" int mallctl(const char* name, void* old, std::size_t* old_size, void* wanted, std::size_t size) __attribute__((weak));

namespace perdure::tools {

/// Has a thread give back what was freed some seconds ago. Without it that is left to the next allocations, so a node that
/// rests after much work would keep all its memory.
inline void give_memory_back_in_time() {
  bool yes = true;
  if (mallctl != nullptr) (void)mallctl("background_thread", nullptr, nullptr, &yes, sizeof yes);
}

/// Gives back all that is free now.
inline void give_memory_back() {
  if (mallctl != nullptr) {
    (void)mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);  // 4096 stands for all of them
  } else {
    ::malloc_trim(0);
  }
}

}  // namespace perdure::tools
