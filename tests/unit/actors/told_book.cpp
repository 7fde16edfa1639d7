// What bodies tell is gathered in order, and nobody is left waiting for it.
#include "actors/told_book.hpp"

#include "support/catch.hpp"

using namespace perdure::actors;
using next = told_book::next;

TEST_CASE("text that follows text is one piece; notes stay apart, and everything in order") {
  told_book book;
  CHECK(book.add({.text = "Hel"}) == next::take_later);
  CHECK(book.add({.text = "lo"}) == next::nothing);
  CHECK(book.add({.note = true, .text = "looks"}) == next::nothing);
  CHECK(book.add({.note = true, .text = "finds"}) == next::nothing);
  CHECK(book.add({.text = "!"}) == next::nothing);
  const auto all = book.take();
  REQUIRE(all.size() == 4);
  CHECK(all[0].text == "Hello");
  CHECK((all[1].note && all[1].text == "looks"));
  CHECK((all[2].note && all[2].text == "finds"));
  CHECK((!all[3].note && all[3].text == "!"));
  CHECK(book.take().empty());
}

TEST_CASE("what comes after it was taken is taken later; much of it at once") {
  told_book book;
  CHECK(book.add({.text = "a"}) == next::take_later);
  CHECK(book.take().size() == 1);
  CHECK(book.add({.text = "b"}) == next::take_later);
  CHECK(book.add({.text = std::string(told_book::full_bytes, 'c')}) == next::take_now);
  CHECK(book.take().front().text.size() == told_book::full_bytes + 1);
  CHECK(book.add({.text = "d"}) == next::take_later);
}
