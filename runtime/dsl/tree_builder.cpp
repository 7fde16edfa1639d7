#include "dsl/tree_builder.hpp"

#include "dsl/checker.hpp"

namespace perdure::dsl {

std::string tree_builder::place(bool of_parent) const {
  std::string out;
  for (const auto& each : open_) {
    if (of_parent && &each == &open_.back()) break;
    if (each.made->is_array()) append_pointer(out, std::to_string(each.made->items.size()));
    if (each.key) append_pointer(out, each.key->key);
  }
  return out;
}

void tree_builder::fail(mark at, std::string what, std::string pointer) {
  failed_ = true;
  if (problems_.size() >= limits::document_problems) throw abandoned{};
  problems_.push_back({problem_kind::syntax, file_, at, std::move(pointer), std::move(what)});
}

void tree_builder::abandon(mark at, std::string what, std::string pointer) {
  fail(at, std::move(what), std::move(pointer));
  throw abandoned{};
}

void tree_builder::open(node_kind kind, mark at, std::size_t anchor) {
  if (!open_.empty() && open_.back().made->is_object() && !open_.back().key && !open_.back().drop) {
    abandon(at, "a property's name must be text, found " + std::string{to_string(kind)}, place());
  }
  if (open_.size() >= limits::document_depth) {
    abandon(at, "nested deeper than document_depth = " + std::to_string(limits::document_depth) + " levels");
  }
  auto made = std::make_shared<node>();
  made->kind = kind;
  made->at = at;
  open_.push_back({std::move(made), anchor, {}, false, {}});
}

void tree_builder::close() {
  auto done = std::move(open_.back());
  open_.pop_back();
  add(std::move(done.made), done.anchor);
}

void tree_builder::scalar(node leaf, std::size_t anchor) {
  if (!open_.empty() && open_.back().made->is_object() && !open_.back().key && !open_.back().drop) {
    add_key(leaf);
    return;
  }
  add(std::make_shared<const node>(std::move(leaf)), anchor);
}

void tree_builder::alias(mark at, std::size_t anchor) {
  if (!open_.empty() && open_.back().made->is_object() && !open_.back().key && !open_.back().drop) {
    abandon(at, "a property's name must be text, found an alias", place());
  }
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end()) abandon(at, "an alias inside the node that it names", place());
  add(found->second, 0);
}

void tree_builder::add_key(const node& key) {
  auto& parent = open_.back();
  auto name = key.is_string() ? std::string{key.text()} : key.source;
  if (key.kind == node_kind::null) {
    fail(key.at, "a property's name must be text, found null", place());
    parent.drop = true;
  } else if (const auto [first, fresh] = parent.names.emplace(name, key.at); !fresh) {
    auto twice = place();
    append_pointer(twice, name);
    fail(key.at,
         "duplicate property \"" + name + "\"; the first is in line " + std::to_string(first->second.line) + ", column " +
             std::to_string(first->second.column),
         std::move(twice));
    parent.drop = true;
  } else {
    parent.key = node::member{std::move(name), key.at, nullptr};
  }
}

void tree_builder::add(node_ptr value, std::size_t anchor) {
  if (anchor != 0) anchors_[anchor] = value;
  if (open_.empty()) {
    root_ = std::move(value);
    return;
  }
  auto& parent = open_.back();
  if (parent.drop) {
    parent.drop = false;
    return;
  }
  const auto size = value->size;
  parent.made->size += size;
  if (parent.made->is_array()) {
    parent.made->items.push_back(std::move(value));
  } else {
    parent.key->value = std::move(value);
    parent.made->members.push_back(std::move(*parent.key));
    parent.key.reset();
  }
  // Every level counts what lies below it, so that aliases of aliases are found before they grow.
  if (parent.made->size > limits::document_nodes) {
    abandon(parent.made->at, "more than document_nodes = " + std::to_string(limits::document_nodes) + " nodes, aliases expanded",
            place(true));
  }
}

node_ptr tree_builder::take() { return failed_ ? nullptr : std::move(root_); }

}  // namespace perdure::dsl
