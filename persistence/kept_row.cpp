#include "persistence/kept_row.hpp"

#include <algorithm>

namespace perdure::persistence {

kept_row::kept_row(projected_row&& from)
    : of(std::make_shared<const run_origin>(run_origin{std::move(from.facts.workflow), std::move(from.facts.version),
                                                       std::move(from.facts.definition_hash), std::move(from.facts.tenant)})),
      key(from.facts.key.empty() ? nullptr : std::make_unique<const std::string>(std::move(from.facts.key))),
      created_at(from.facts.created_at), first_lsn(from.facts.first_lsn), input_hash(from.facts.input_hash), head(from.head) {}

projected_row kept_row::whole(const run_id& id) const {
  projected_row row;
  auto& facts = row.facts;
  facts.id = id;
  facts.workflow = of->workflow;
  facts.version = of->version;
  facts.definition_hash = of->definition_hash;
  if (key) facts.key = *key;
  facts.tenant = of->tenant;
  facts.created_at = created_at;
  facts.first_lsn = first_lsn;
  facts.input_hash = input_hash;
  row.head = head;
  return row;
}

std::shared_ptr<const run_origin> origin_pool::same(std::shared_ptr<const run_origin> as) {
  const auto known = *all_.insert(std::move(as)).first;
  if (all_.size() >= sweep_at_) {
    std::erase_if(all_, [](const auto& each) { return each.use_count() == 1; });
    sweep_at_ = std::max(few, all_.size() * 2);
  }
  return known;
}

}  // namespace perdure::persistence
