// Reads an artifact of a remote job over HTTP, in pieces.
//
// Operation: each read asks for its piece (a range request). A server that does not give pieces sends all of it once, into a
// file without a name, from which it is read then; so memory stays small. Redirects are followed, and checked, one by one.
// Concurrency: one thread; it waits.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "actors/backends/http_asker.hpp"

namespace perdure::actors {

/// `address`: where it is now; asked for again when it is not good any more (403, 404, 410).
[[nodiscard]] std::shared_ptr<artifact_reader> remote_artifact(std::shared_ptr<http_asker> from, job_artifact what,
                                                               bool private_urls, std::function<result<std::string>()> address);

}  // namespace perdure::actors
