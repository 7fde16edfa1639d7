// /api/v1/runs/{id}/journal: the stored records of a run, and whether they follow from each other.
#include "cluster/tenants.hpp"
#include "tools/gateway/native_api.hpp"
#include "tools/view/record_view.hpp"

namespace perdure::tools::gateway {

namespace {

/// Records as lines, a page at a time, each read when the client has taken the one before.
class journal_export : public std::enable_shared_from_this<journal_export> {
 public:
  journal_export(const api_parts& parts, std::shared_ptr<exchange> at, run_id run)
      : parts_(parts), at_(std::move(at)), run_(run) {}

  void start() {
    at_->answer_with_stream({.type = "application/x-ndjson"}, {}, [self = shared_from_this()](std::shared_ptr<stream> to) {
      self->to_ = std::move(to);
      self->to_->on_room([self] { self->read_on(); });
      self->to_->on_gone([self] { self->to_.reset(); });
      self->read_on();
    });
  }

 private:
  void read_on() {
    if (reading_ || !to_) return;
    reading_ = true;
    at_->work([self = shared_from_this()] {
      auto piece = std::make_shared<std::string>();
      std::size_t count = 0;
      const auto read = cluster::records_of(self->parts_.engine, self->run_, self->after_, [&](const auto& record, auto& blobs) {
        *piece += json_text(record_json(record, blobs)) + "\n";
        self->after_ = record.seq;
        return ++count < limits::reader_records && piece->size() < self->parts_.limits.stream_piece_bytes;
      });
      // A line of its own, so that what is cut short does not look whole.
      if (!read) *piece += json_text(json::object{{"error", cluster::to_wire(read.error())}}) + "\n";
      self->at_->post([self, piece, over = !read || count == 0] { self->write(*piece, over); });
    });
  }
  void write(const std::string& piece, bool over) {
    reading_ = false;
    if (!to_) return;
    to_->write(piece);
    if (over) to_->end();
  }

  api_parts parts_;
  std::shared_ptr<exchange> at_;
  run_id run_;
  run_seq after_ = 0;     // one reader at a time
  bool reading_ = false;  // the server's thread
  std::shared_ptr<stream> to_;
};

void export_journal(const api_parts& parts, const call& of) {
  const auto run = run_of(parts, of);
  if (!run) return of.fail(run.error());
  std::make_shared<journal_export>(parts, of.at, run->id)->start();
}

result<response> verify_journal(const api_parts& parts, const call& of) {
  const auto run = run_of(parts, of);
  if (!run) return run.error();
  chain_check check;
  const auto read = cluster::records_of(parts.engine, run->id, 0, [&](const auto& record, auto& blobs) {
    check.add(record, blobs);
    return true;
  });
  if (!read) return read.error();
  return json_answer(check.report());
}

}  // namespace

void add_journal_routes(router& to, const api_parts& parts) {
  to.add("GET", "/api/v1/runs/{id}/journal", right::read,
         [parts](const std::shared_ptr<call>& of) { export_journal(parts, *of); });
  to.add_simple("GET", "/api/v1/runs/{id}/journal/verify", right::read,
                [parts](const call& of) { return verify_journal(parts, of); });
}

}  // namespace perdure::tools::gateway
