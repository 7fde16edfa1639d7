#include "actors/backends/spawner_image.hpp"

// The build says where the program is.
asm(".pushsection .rodata\n"
    ".hidden perdure_spawner_image\n"
    ".global perdure_spawner_image\n"
    ".hidden perdure_spawner_image_end\n"
    ".global perdure_spawner_image_end\n"
    ".balign 16\n"
    "perdure_spawner_image:\n"
    ".incbin \"" PERDURE_SPAWNER_PROGRAM
    "\"\n"
    "perdure_spawner_image_end:\n"
    ".byte 0\n"
    ".popsection\n");

extern "C" {
extern const char perdure_spawner_image[];
extern const char perdure_spawner_image_end[];
}

namespace perdure::actors {

std::string_view spawner_image() {
  return {perdure_spawner_image, static_cast<std::string_view::size_type>(perdure_spawner_image_end - perdure_spawner_image)};
}

}  // namespace perdure::actors
