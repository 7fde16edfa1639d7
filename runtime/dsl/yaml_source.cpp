// YAML 1.2 text to a syntax tree. yaml-cpp scans and gives events; what plain scalars mean is decided here, since its
// own rules are those of YAML 1.1 ("yes" is true).
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <streambuf>

#include "dsl/tree_builder.hpp"

namespace perdure::dsl {

namespace {

mark to_mark(const YAML::Mark& at) {
  if (at.is_null()) return {};
  return {static_cast<std::uint32_t>(at.line + 1), static_cast<std::uint32_t>(at.column + 1)};
}

constexpr std::string_view core_tags = "tag:yaml.org,2002:";

class handler : public YAML::EventHandler {
 public:
  explicit handler(tree_builder& out) : out_(out) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& at, YAML::anchor_t anchor) override {
    node leaf;
    leaf.at = to_mark(at);
    leaf.scalar = nullptr;
    leaf.source = "null";
    out_.scalar(std::move(leaf), anchor);
  }
  void OnAlias(const YAML::Mark& at, YAML::anchor_t anchor) override { out_.alias(to_mark(at), anchor); }
  void OnScalar(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    node leaf;
    leaf.at = to_mark(at);
    if (tag == "?") {
      if (!resolve_plain(value, leaf)) {
        out_.fail(leaf.at, "\"" + value + "\" is a number that JSON does not have; write it in quotes if it is text",
                  out_.place());
        leaf.kind = node_kind::null;
        leaf.scalar = nullptr;
      }
    } else if (tag == "!" || tag == "tag:yaml.org,2002:str") {
      leaf.kind = node_kind::string;
      leaf.scalar = value;
    } else {
      tagged(tag, value, leaf);
    }
    out_.scalar(std::move(leaf), anchor);
  }
  void OnSequenceStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    collection(at, tag, "seq");
    out_.open(node_kind::array, to_mark(at), anchor);
  }
  void OnSequenceEnd() override { out_.close(); }
  void OnMapStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    collection(at, tag, "map");
    out_.open(node_kind::object, to_mark(at), anchor);
  }
  void OnMapEnd() override { out_.close(); }

 private:
  void tagged(const std::string& tag, const std::string& value, node& leaf) {
    const auto wanted = tag.starts_with(core_tags) ? tag.substr(core_tags.size()) : tag;
    const bool known = resolve_plain(value, leaf);
    const auto fits = [&] {
      if (wanted == "null") return leaf.kind == node_kind::null;
      if (wanted == "bool") return leaf.kind == node_kind::boolean;
      if (wanted == "int") return leaf.kind == node_kind::integer;
      return wanted == "float" && (leaf.kind == node_kind::integer || leaf.kind == node_kind::number);
    };
    if (known && fits()) return;
    out_.fail(leaf.at,
              "the tag \"" + tag + "\" does not fit \"" + value + "\"; documents use only the tags of the YAML core schema",
              out_.place());
    leaf.kind = node_kind::null;
    leaf.scalar = nullptr;
  }
  void collection(const YAML::Mark& at, const std::string& tag, std::string_view kind) {
    if (tag.empty() || tag == "?" || tag == "!" || tag == std::string{core_tags}.append(kind)) return;
    out_.fail(to_mark(at), "the tag \"" + tag + "\" does not fit here; documents use only the tags of the YAML core schema",
              out_.place());
  }

  tree_builder& out_;
};

/// Reads the text where it is.
class text_buffer : public std::streambuf {
 public:
  explicit text_buffer(std::string_view text) {
    auto* begin = const_cast<char*>(text.data());  // streambuf reads only
    setg(begin, begin, begin + text.size());
  }
};

/// What people often mean where the text is no YAML; empty when nothing is known.
std::string likely_cause(std::string_view text, std::uint32_t line) {
  std::uint32_t number = 1;
  for (std::size_t at = 0; at <= text.size() && number <= line; ++number) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto one = text.substr(at, end - at);
    at = end + 1;
    if (number + 1 < line) continue;  // this line, or the one before
    const auto indent = one.substr(0, one.find_first_not_of(" \t"));
    if (indent.find('\t') != std::string_view::npos)
      return "; line " + std::to_string(number) + " begins with a tab, and YAML wants spaces there";
    const auto expression = one.find("${"), brace = one.find('{');
    if (expression != std::string_view::npos && brace < expression && one.find_first_of("\"'") > expression)
      return "; an expression inside of { } needs quotes: \"${ … }\"";
  }
  return {};
}

}  // namespace

node_ptr read_yaml(std::string_view text, const std::string& file, std::vector<problem>& problems) {
  tree_builder out{file, problems};
  try {
    text_buffer buffer{text};
    std::istream stream{&buffer};
    YAML::Parser parser{stream};
    handler events{out};
    if (!parser.HandleNextDocument(events)) out.fail({}, "the document is empty");
    tree_builder rest{file, problems};
    handler more{rest};
    if (parser && parser.HandleNextDocument(more))
      out.fail({}, "more than one document in the file; put each in a file of its own");
  } catch (const YAML::Exception& e) {
    out.fail(to_mark(e.mark), "not YAML: " + e.msg + likely_cause(text, to_mark(e.mark).line));
  } catch (const abandoned&) {
    return nullptr;
  }
  return out.take();
}

}  // namespace perdure::dsl
