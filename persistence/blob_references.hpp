// Which blobs a stored record refers to.
#pragma once

#include <vector>

#include "persistence/record_format.hpp"

namespace perdure::persistence {

/// Adds the hashes of the blobs that the record refers to; twice perhaps. A payload that cannot be decoded refers to whatever
/// it looks as if it referred to, so that nothing that is needed goes.
void add_blob_references(const record_view& record, std::vector<core::digest>& to);

}  // namespace perdure::persistence
