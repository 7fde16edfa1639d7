// Rows made from records, and the overlay that keeps the new ones.
#include "persistence/projection.hpp"

#include "core/state.hpp"
#include "persistence/blobs.hpp"
#include "persistence/overlay.hpp"
#include "support/journal_records.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;

namespace {

overlay_entry& add(overlay& to, scripted_run& run, after then, lsn_t lsn) {
  const auto record = run.start(then);
  overlay::map made;
  made[run.id].row = kept_row{{*project_first(record, lsn, nullptr), {}}};
  auto& entry = to.adopt(made.extract(run.id));
  to.publish(run.id, entry, project(record, lsn, {}), lsn);
  return entry;
}

}  // namespace

TEST_CASE("the first record of a run settles what never changes") {
  scripted_run run{1, {"flow", "key", "tenant"}};
  const auto record = run.start();
  const auto facts = project_first(record, 5, nullptr);
  REQUIRE(facts.has_value());
  CHECK(facts->id == run.id);
  CHECK(facts->workflow == "flow");
  CHECK(facts->version == "1");
  CHECK(facts->definition_hash == std::string(64, 'd'));
  CHECK(facts->key == "key");
  CHECK(facts->tenant == "tenant");
  CHECK(facts->created_at == record.time);
  CHECK(facts->first_lsn == 5);
  CHECK(project_first(run.turn(), 6, nullptr).error().code == errc::invalid_argument);
  auto damaged = record;
  damaged.bytes.pop_back();
  CHECK(project_first(damaged, 5, nullptr).error().code == errc::corrupt);
}

TEST_CASE("a restored run is projected from the state that it takes over") {
  core::run_state state;
  state.workflow = "old flow";
  state.version = "3";
  state.key = "k";
  state.tenant = "t";
  state.message = "text/v1";
  state.input = payload::trusted("[1]");
  core::run_restored event;
  event.state = *core::encode_state(state, nullptr);
  scripted_run run{2};
  memory_blobs blobs;
  const auto facts = project_first(run.next(event, {}), 9, &blobs);
  REQUIRE(facts.has_value());
  CHECK(facts->workflow == "old flow");
  CHECK(facts->key == "k");
  CHECK(facts->tenant == "t");
  CHECK(facts->input_hash == input_hash("text/v1", "[1]"));
}

TEST_CASE("the hash of an input is that of its text, wherever the text is kept") {
  memory_blobs blobs;
  const auto text = "\"" + std::string(200'000, 'x') + "\"";
  core::run_started event;
  event.message = "m";
  event.input = payload::trusted(text);
  scripted_run run{1};
  auto record = run.next(event, {});
  record.bytes = *core::encode(event, &blobs);
  REQUIRE(record.bytes.size() < 1'000);
  CHECK(project_first(record, 1, &blobs)->input_hash == input_hash("m", text));
  CHECK(project_first(record, 1, nullptr)->input_hash == core::digest{});
}

TEST_CASE("a row follows its records and keeps the marks that skip links need") {
  scripted_run run{1};
  auto head = project(run.start({run_status::running, true, at_second(50)}), 10, {});
  CHECK(head.wakeup == at_second(50));
  CHECK(head.open());
  lsn_t lsn = 10;
  std::map<run_seq, lsn_t> lsn_of{{1, 10}};
  while (run.seq < 8'200) {
    lsn += 3;
    const auto place = place_after(head, lsn);
    CHECK(place.previous == lsn_of[run.seq]);
    const auto record = run.turn();
    const auto distance = skip_distance(record.seq);
    REQUIRE(place.skip == (distance == 0 ? 0 : lsn_of[record.seq - distance]));
    head = project(record, lsn, head);
    lsn_of[record.seq] = lsn;
  }
  head = project(run.end(run_status::failed), lsn + 1, head);
  CHECK_FALSE(head.open());
  CHECK(head.ended_at == head.updated_at);
  CHECK_FALSE(head.wakeup.has_value());
  CHECK(head.seq == 8'201);
  CHECK(head.lsn == lsn + 1);
  CHECK(head.hash == run.hash);
}

TEST_CASE("a row comes back as it was stored and every damage is found") {
  scripted_run run{3, {"flow", "key", "tenant"}};
  projected_row row;
  const auto record = run.start({run_status::waiting, true, at_second(4)});
  row.facts = *project_first(record, 5, nullptr);
  row.head = project(record, 5, {});
  row.head.short_mark = 77;
  const auto bytes = encode_row(row);
  const auto back = decode_row(run.id, bytes);
  REQUIRE(back.has_value());
  CHECK(*back == row);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    REQUIRE(decode_row(run.id, damaged).has_error());
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) CHECK(decode_row(run.id, std::string{bytes.data(), size}).has_error());
  CHECK(decode_row(numbered_run(4), bytes).has_error());
}

TEST_CASE("the overlay counts, orders and forgets") {
  overlay rows;
  scripted_run one{1, {.key = "k", .tenant = "t"}}, two{2, {.tenant = "t"}};
  auto& first = add(rows, one, {run_status::waiting, false, at_second(9)}, 1);
  add(rows, two, {run_status::waiting, false, at_second(8)}, 2);
  CHECK(rows.counts().total == 2);
  CHECK(rows.counts().open == 2);
  CHECK(rows.counts().open_of_tenant.at("t") == 2);
  CHECK(rows.wakeups().begin()->second == two.id);
  CHECK(first.first_dirty == 1);
  rows.publish(one.id, first, project(one.turn({run_status::waiting, false, at_second(7)}), 3, first.row.head), 3);
  CHECK(first.first_dirty == 1);
  CHECK(rows.wakeups().size() == 2);
  CHECK(rows.wakeups().begin()->second == one.id);
  rows.publish(one.id, first, project(one.end(), 4, first.row.head), 4);
  CHECK(rows.wakeups().size() == 1);
  CHECK(rows.counts().open == 1);
  CHECK(rows.counts().open_of_tenant.at("t") == 1);
  rows.forget(one.id);
  CHECK(rows.find(one.id) == nullptr);
  CHECK(rows.ids().size() == 1);
  CHECK(rows.counts().total == 2);
  rows.forget(two.id);
  CHECK(rows.wakeups().empty());
  CHECK(rows.size() == 0);
  CHECK(rows.counts().open == 1);
}

TEST_CASE("a row that waits gives back all that was put in, and runs of one workflow keep its names once") {
  overlay rows;
  scripted_run one{1, {.key = "k", .tenant = "t"}}, two{2, {.tenant = "t"}}, other{3, {.tenant = "u"}};
  auto& first = add(rows, one, {run_status::waiting, false, at_second(9)}, 1);
  auto& second = add(rows, two, {run_status::waiting, false, at_second(8)}, 2);
  auto& third = add(rows, other, {}, 3);
  projected_row whole;
  scripted_run again{1, {.key = "k", .tenant = "t"}};
  const auto record = again.start({run_status::waiting, false, at_second(9)});
  whole.facts = *project_first(record, 1, nullptr);
  whole.head = project(record, 1, {});
  CHECK(first.row.whole(one.id) == whole);
  CHECK(second.row.whole(two.id).facts.key.empty());
  CHECK(first.row.of == second.row.of);
  CHECK(first.row.of != third.row.of);
  CHECK(third.row.of->tenant == "u");
  // With the id and the pointer of a map's node it fits in 256 bytes, which is what allocators have next.
  if (sizeof(void*) == 8) CHECK(sizeof(overlay_entry) <= 256 - sizeof(run_id) - sizeof(void*));
}

TEST_CASE("what no row has any more is not kept for ever") {
  origin_pool pool;
  const auto held = pool.same(std::make_shared<const run_origin>(run_origin{"held", "1", "h", ""}));
  for (int i = 0; i < 10'000; ++i)
    (void)pool.same(std::make_shared<const run_origin>(run_origin{"flow", "1", "h", "tenant-" + std::to_string(i)}));
  CHECK(pool.size() < 100);
  CHECK(pool.same(std::make_shared<const run_origin>(run_origin{"held", "1", "h", ""})) == held);
}
