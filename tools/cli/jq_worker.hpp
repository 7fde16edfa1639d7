// The isolated jq: a process that evaluates expressions and can do nothing else.
#pragma once

namespace perdure::tools::cli {

/// `perdure __jq`: answers JSON lines on standard input with JSON lines on standard output until that closes.
///   {"program", "input", "args"}       → {"values": […]}
///   {"check": [{"program", "names"}]}  → {}
/// and {"error": TEXT} for what does not compile or fails. The process limits its own memory and can open no files; it
/// may be killed at any time.
int jq_worker_main();

}  // namespace perdure::tools::cli
