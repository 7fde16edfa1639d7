# Warnings and sanitizers of every target of ours.
add_library(perdure_options INTERFACE)
target_compile_options(perdure_options INTERFACE -Wall -Wextra -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees uninitialized members of std::optional inside std::variant where there are none.
  target_compile_options(perdure_options INTERFACE -Wno-maybe-uninitialized)
endif()
# The preset `dev` leaves out those checks of `undefined` that double the time to compile and that the address sanitizer
# makes in its own way (null, alignment, object-size, vptr).
if(PERDURE_SANITIZE)
  target_compile_options(perdure_options INTERFACE -fsanitize=${PERDURE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(perdure_options INTERFACE -fsanitize=${PERDURE_SANITIZE})
endif()
