// The part of a backend's file that describes a job service over HTTP, and the presets for services of known shape.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cluster/backend_section.hpp"

namespace perdure::cluster {

/// Reads all but the members that every kind of backend has. Problems are told to the section's checker.
[[nodiscard]] actors::http_service read_http_service(section& all);

/// A preset's text, empty when there is none of that name.
[[nodiscard]] std::string_view http_preset(std::string_view name);
[[nodiscard]] std::vector<std::string_view> http_presets();

}  // namespace perdure::cluster
