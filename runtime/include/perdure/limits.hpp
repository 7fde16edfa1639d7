// Every limit of the engine: its name, its default, and how they depend on each other.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace perdure::limits {

/// One payload: a message, an input, an output, a step's result.
inline constexpr std::size_t payload_bytes = 16U << 20;
/// Payloads above this go to the blob store and are referred to by hash.
inline constexpr std::size_t inline_payload_bytes = 64U << 10;
/// One journal record, payloads that were moved to blobs not counted.
inline constexpr std::size_t record_bytes = 32U << 20;
/// What a handler sends, yields and writes to the run's state between two steps.
inline constexpr std::size_t turn_output_bytes = 24U << 20;
/// Bytes of all records of one commit.
inline constexpr std::size_t commit_bytes = 64U << 20;
/// Records of one commit.
inline constexpr std::size_t commit_records = 4096;
/// Steps of one activation; what needs more uses several activations.
inline constexpr std::uint32_t activation_steps = 20'000;
/// Steps that wait at once in one activation.
inline constexpr std::uint32_t pending_steps = 4'096;
/// Activations of one run unless the workflow says otherwise.
inline constexpr std::uint32_t run_activations = 100'000;
/// Activations of one run that are alive at once.
inline constexpr std::uint32_t live_activations = 10'000;
/// Children one run starts, background work among them.
inline constexpr std::size_t run_children = 10'000;
/// Compensations one run keeps.
inline constexpr std::size_t run_compensations = 10'000;
/// Signals a run keeps until somebody waits for them.
inline constexpr std::size_t buffered_signals = 10'000;
/// Signals that one wait_signals takes, and about how many bytes of them (one larger signal is taken alone).
inline constexpr std::size_t signal_batch = 1'000;
inline constexpr std::size_t signal_batch_bytes = 256U << 10;
/// Command ids a run remembers to tell duplicates.
inline constexpr std::size_t remembered_commands = 10'000;
/// What is kept of a failure: bytes of its message, of its other texts each, and causes in all.
inline constexpr std::size_t failure_message_bytes = 8U << 10;
inline constexpr std::size_t failure_text_bytes = 1U << 10;
inline constexpr std::size_t failure_causes = 16;
/// Depth of JSON documents that are taken in.
inline constexpr std::size_t json_depth = 64;
/// Length of names: workflows, executors, steps, signals, keys.
inline constexpr std::size_t name_bytes = 256;
/// Dirty projection rows flushed in one commit, and the time it may take.
inline constexpr std::size_t flush_rows = 2'000;
inline constexpr std::chrono::milliseconds flush_time{5};
/// Records that recovery may have to read again at most before a flush is forced.
inline constexpr std::uint64_t redo_records = 1'000'000;
/// Projection rows that wait in memory to be flushed before flushing hurries; half of it begins a flush.
inline constexpr std::size_t overlay_rows = 65'536;
/// Events after which a run's state is stored as a snapshot.
inline constexpr std::uint64_t snapshot_events = 1'000;
/// Suspect marks after which a run is quarantined.
inline constexpr std::uint32_t suspect_marks = 3;
/// How long a run that has such marks is held back before it is tried again.
inline constexpr std::chrono::seconds suspect_pause{2};
/// Commands that wait for one run before more are refused.
inline constexpr std::size_t queued_commands = 10'000;
/// Jobs that wait for a thread of the user pool.
inline constexpr std::size_t pool_queue = 1U << 20;
/// Child processes that run at once, and those that wait for their turn.
inline constexpr std::size_t child_processes = 1'024;
inline constexpr std::size_t waiting_processes = 100'000;
/// What is kept of a child's standard output and standard error, each; and of it when written as JSON text, each.
inline constexpr std::size_t process_output_bytes = 4U << 20;
inline constexpr std::size_t process_output_json_bytes = 7U << 20;
/// What a failure shows of a child's standard error.
inline constexpr std::size_t process_error_tail_bytes = 2'000;
/// A Serverless Workflow document: its text, how deep it is nested, its nodes with aliases expanded, problems reported.
inline constexpr std::size_t document_bytes = 8U << 20;
inline constexpr std::size_t document_depth = 100;
inline constexpr std::size_t document_nodes = 1'000'000;
inline constexpr std::size_t document_problems = 200;
/// A runtime expression: its text, how deep it is nested, the bytes and number of the values it may give.
inline constexpr std::size_t expression_bytes = 64U << 10;
inline constexpr std::size_t expression_depth = 100;
inline constexpr std::size_t expression_result_bytes = 16U << 20;
inline constexpr std::size_t expression_values = 100'000;
/// Steps of the native evaluator, and time of a jq worker, for one expression.
inline constexpr std::size_t expression_steps = 10'000'000;
inline constexpr std::chrono::milliseconds expression_time{2'000};
/// Tasks a document may go through without one durable step between them.
inline constexpr std::uint32_t idle_tasks = 10'000;
/// Functions of a document that call each other: how deep.
inline constexpr std::uint32_t function_depth = 100;
/// Misfits told of one value that does not fit its schema.
inline constexpr std::size_t schema_problems = 20;
/// HTTP calls of documents: how many go on at once and wait for their turn, how long one may take without a time limit of
/// its own, the body and the headers of an answer, redirects that are followed.
inline constexpr std::size_t http_calls = 1'024;
inline constexpr std::size_t waiting_http_calls = 100'000;
inline constexpr std::chrono::seconds http_time{300};
inline constexpr std::size_t http_body_bytes = 8U << 20;
inline constexpr std::size_t http_header_bytes = 256U << 10;
inline constexpr std::uint32_t http_redirects = 20;
/// Runs of one node that listen for events at once.
inline constexpr std::size_t event_listeners = 100'000;
/// Ticks of a schedule that are made up for after the node was down, where all of them are to be.
inline constexpr std::size_t schedule_catch_up = 1'000;
/// Used pages of the map, in percent: above `new_runs` no run starts, above `steps` running runs wait.
inline constexpr unsigned new_runs_used_percent = 90;
inline constexpr unsigned steps_used_percent = 97;
/// Records after which a reader renews its view.
inline constexpr std::size_t reader_records = 1'000;
/// Records and bytes of the log from which its older half is moved to the archive.
inline constexpr std::uint64_t archive_log_records = 1'000'000;
inline constexpr std::size_t archive_log_bytes = 512U << 20;
/// Bytes of the records in one chunk of the archive, before compression; a larger record has a chunk of its own.
inline constexpr std::size_t archive_chunk_bytes = 64U << 10;
/// What one commit of the background work does at most: records copied to the archive (and their bytes), records cut off
/// the log, runs removed.
inline constexpr std::size_t archive_slice_records = 6'000;
inline constexpr std::size_t archive_slice_bytes = 2U << 20;
inline constexpr std::size_t cut_slice_records = 6'000;
inline constexpr std::size_t removal_slice_runs = 256;
/// Records after which a checkpoint is written; the most that one covers.
inline constexpr std::uint64_t checkpoint_records = 65'536;
/// Removed runs of which it is kept on record that they were there.
inline constexpr std::uint64_t kept_removals = 10'000;
/// Room on the disk that is given up when the disk is full, so that a cancel can still be recorded.
inline constexpr std::size_t disk_reserve_bytes = std::size_t{4} << 20;
/// So long after a node was opened its host may still be registering workflows: runs go on as soon as their own is there, and a
/// child of another one is not refused before that.
inline constexpr std::chrono::seconds registration_grace{5};
/// How long a blob stays that no stored event refers to.
inline constexpr std::chrono::hours blob_grace{1};
/// Jobs on backends that one run submits.
inline constexpr std::size_t run_jobs = 10'000;
/// A run looks at a running job by itself at least so often (`most`: with a backoff that goes beyond the pause). Whoever watches
/// the job for it looks more often and tells it of changes only.
inline constexpr std::chrono::seconds job_look_pause{60};
inline constexpr std::chrono::minutes job_look_most{10};
/// Progress of a job is recorded at most so often.
inline constexpr std::chrono::seconds job_progress_pause{1};
/// Calls to one backend that are under way at once; further ones wait.
inline constexpr std::size_t backend_calls = 64;
/// A process job: its spec with the files that it begins with, one piece of its log, and all that is kept of that.
inline constexpr std::size_t process_job_bytes = 16U << 20;
inline constexpr std::size_t job_log_piece_bytes = 8U << 20;
inline constexpr std::size_t job_log_bytes = 256U << 20;
/// What one page of a job's log has at most: lines, and about how many bytes. A longer line comes in several parts.
inline constexpr std::size_t job_log_page_lines = 10'000;
inline constexpr std::size_t job_log_page_bytes = 1U << 20;
inline constexpr std::size_t job_log_line_bytes = 32U << 10;
/// Files that a job leaves.
inline constexpr std::size_t job_artifacts = 10'000;
/// Artifacts that a node keeps in its own store: one of them, and all together unless the node's options say otherwise.
inline constexpr std::uint64_t artifact_bytes = std::uint64_t{1} << 40;
inline constexpr std::uint64_t artifact_store_bytes = std::uint64_t{100} << 30;
/// A job that waits for a place of its backend keeps its run in memory no longer than so, and is looked at again by its run
/// after `job_look_pause`.
inline constexpr std::chrono::seconds job_queue_patience{1};
/// Time an attempt has to clean up after a cancel before it is fenced.
inline constexpr std::chrono::seconds cancel_grace{10};

static_assert(inline_payload_bytes <= payload_bytes);
static_assert(payload_bytes <= turn_output_bytes);
static_assert(turn_output_bytes <= record_bytes);
static_assert(record_bytes <= commit_bytes);
static_assert(pending_steps <= activation_steps);
static_assert(signal_batch <= buffered_signals);
static_assert(signal_batch_bytes < payload_bytes);
static_assert(live_activations <= run_activations);
static_assert(2 * process_output_json_bytes < payload_bytes);
static_assert(expression_result_bytes <= payload_bytes);
static_assert(2 * http_body_bytes <= payload_bytes);
static_assert(archive_chunk_bytes <= archive_slice_bytes);
static_assert(archive_slice_records <= checkpoint_records);
static_assert(checkpoint_records <= archive_log_records);
static_assert(job_look_pause < job_look_most);
static_assert(process_job_bytes <= payload_bytes);
static_assert(job_log_piece_bytes < job_log_bytes);
static_assert(job_log_line_bytes < job_log_page_bytes);
static_assert(2 * job_log_page_bytes < payload_bytes);
static_assert(new_runs_used_percent < steps_used_percent);

}  // namespace perdure::limits
