#include "tools/view/timeline_svg.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "core/json_text.hpp"
#include "tools/view/time_axis.hpp"

namespace perdure::tools {

namespace {

using doing = timeline::doing;

// All lengths are in pixels of the picture's own scale.
constexpr double width = 1200;
constexpr double margin = 24;
constexpr double names_at = margin;
constexpr double took_end = 348;
constexpr double bars_from = 364;
constexpr double bars_to = width - margin - 12;
constexpr double axis_at = 92;
constexpr double row_height = 24;
constexpr double bar_height = 14;
constexpr double indent = 14;
constexpr double least_bar = 2;
constexpr std::size_t axis_marks = 10;

/// Text inside XML: well-formed, and without the control characters that XML cannot hold.
std::string escaped(std::string_view text) {
  const auto clean = core::valid_utf8(text);
  std::string out;
  for (std::size_t i = 0; i < clean.size(); ++i) {
    const auto c = static_cast<unsigned char>(clean[i]);
    const bool noncharacter = c == 0xEFU && clean.compare(i, 3, "\xEF\xBF\xBE") == 0;
    switch (clean[i]) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default:
        if (noncharacter || clean.compare(i, 3, "\xEF\xBF\xBF") == 0) {
          out += "\xEF\xBF\xBD";
          i += 2;
        } else {
          out += c < 0x20U || c == 0x7fU ? ' ' : clean[i];
        }
    }
  }
  return out;
}

/// About so wide is text of the picture's font; only to cut what is too long.
std::string fitting(std::string_view text, std::size_t characters) {
  const auto clean = core::valid_utf8(text);
  std::size_t count = 0;
  for (std::size_t i = 0; i < clean.size(); ++i) {
    if ((static_cast<unsigned char>(clean[i]) & 0xC0U) == 0x80U) continue;
    if (count++ == characters) return clean.substr(0, i) + "…";
  }
  return clean;
}

std::string number(double value) {
  const auto tenths = static_cast<long long>(value * 10 + (value < 0 ? -0.5 : 0.5));
  auto out = std::to_string(tenths / 10);
  if (tenths % 10 != 0) out += "." + std::to_string(std::abs(tenths % 10));
  return out;
}

/// "2026-11-22 10:00:00Z".
std::string time_of(timestamp at) {
  constexpr std::size_t seconds_end = 19;
  auto out = perdure::to_string(at).substr(0, seconds_end) + "Z";
  out[out.find('T')] = ' ';
  return out;
}

std::string_view colour_of(const timeline::row& row) {
  if (row.open) return "#0969da";
  if (row.status == "succeeded") return "#2da44e";
  if (row.status == "failed") return "#cf222e";
  if (row.status == "timed_out") return "#bc4c00";
  return "#8c959f";
}

std::string_view meaning_of(doing what) {
  switch (what) {
    case doing::pending: return "not started";
    case doing::running: return "works";
    case doing::waiting: return "waits";
    case doing::retrying: return "waits to try again";
    case doing::paused: return "paused";
  }
  return "works";
}

std::string fill_of(doing what, std::string_view working) {
  switch (what) {
    case doing::pending: return "fill=\"none\" stroke=\"#8c959f\" stroke-dasharray=\"3 2\"";
    case doing::running: return "fill=\"" + std::string{working} + "\"";
    case doing::waiting: return "fill=\"url(#waits)\"";
    case doing::retrying: return "fill=\"url(#retries)\"";
    case doing::paused: return "fill=\"#eaeef2\" stroke=\"#afb8c1\"";
  }
  return {};
}

std::string text_at(double x, double y, std::string_view kind, std::string_view text) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" class=\"" + std::string{kind} + "\">" + escaped(text) +
         "</text>\n";
}

std::string box(double x, double y, double wide, double high, const std::string& fill, std::string_view title) {
  const auto radius = std::min({3.0, wide / 2, high / 2});
  auto out = "<rect x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" + number(wide) + "\" height=\"" + number(high) +
             "\" rx=\"" + number(radius) + "\" " + fill;
  return title.empty() ? out + "/>\n" : out + "><title>" + escaped(title) + "</title></rect>\n";
}

class picture {
 public:
  explicit picture(const timeline& what) : what_(what), length_(std::max<duration::rep>(what.whole.took().count(), 1)) {
    rows_.push_back(&what.whole);
    for (const auto& each : what.rows) rows_.push_back(&each);
    bottom_ = axis_at + 12 + row_height * static_cast<double>(rows_.size());
  }

  std::string text() {
    std::string body = header() + axis();
    for (std::size_t i = 0; i < rows_.size(); ++i) body += row(i);
    auto below = bottom_ + 22;
    if (what_.left_out > 0) {
      body += text_at(names_at, below, "dim", "and " + std::to_string(what_.left_out) + " shorter ones, left out");
      below += 24;
    }
    body += legend(below + 6);
    return start(below + 30) + body + "</svg>\n";
  }

 private:
  static std::string start(double height) {
    const auto size = number(width) + "\" height=\"" + number(height);
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + size + "\" viewBox=\"0 0 " + number(width) + " " +
           number(height) +
           "\" font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\" font-size=\"12\">\n"
           "<style>text{fill:#24292f}.title{font-size:16px;font-weight:600}.dim{fill:#57606a}.took{fill:#57606a;text-anchor:end}"
           ".run{font-weight:600}.mark{fill:#57606a;font-size:11px}</style>\n"
           "<defs>\n"
           "<pattern id=\"waits\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
           "<rect width=\"6\" height=\"6\" fill=\"#eaeef2\"/><rect width=\"2\" height=\"6\" fill=\"#c8d1da\"/></pattern>\n"
           "<pattern id=\"retries\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
           "<rect width=\"6\" height=\"6\" fill=\"#fff8c5\"/><rect width=\"2\" height=\"6\" fill=\"#eac54f\"/></pattern>\n"
           "</defs>\n"
           "<rect width=\"" +
           size + "\" fill=\"#ffffff\"/>\n";
  }

  [[nodiscard]] double x_of(timestamp at) const {
    const auto part = static_cast<double>((at - what_.whole.from).count()) / static_cast<double>(length_);
    return bars_from + std::clamp(part, 0.0, 1.0) * (bars_to - bars_from);
  }

  [[nodiscard]] std::string header() const {
    auto about = what_.whole.status + (what_.whole.open ? " for " : " after ") + perdure::to_human(rounded(what_.whole.took()));
    about += "  ·  from " + time_of(what_.whole.from) + (what_.whole.open ? " until now, " : " to ") + time_of(what_.whole.to) +
             "  ·  run " + what_.run;
    return text_at(names_at, 36, "title", fitting(what_.workflow + " " + what_.version, 110)) + "<circle cx=\"" +
           number(names_at + 5) + "\" cy=\"54\" r=\"5\" fill=\"" + std::string{colour_of(what_.whole)} + "\"/>\n" +
           text_at(names_at + 16, 58, "dim", about);
  }

  [[nodiscard]] std::string axis() const {
    std::string out;
    for (const auto& each : marks_of(what_.whole.took(), axis_marks)) {
      const auto x = number(x_of(what_.whole.from + each.at));
      out += "<line x1=\"" + x + "\" y1=\"" + number(axis_at) + "\" x2=\"" + x + "\" y2=\"" + number(bottom_) +
             "\" stroke=\"#d8dee4\"/>\n<text x=\"" + x + "\" y=\"" + number(axis_at - 6) +
             "\" class=\"mark\" text-anchor=\"middle\">" + escaped(each.text) + "</text>\n";
    }
    return out;
  }

  std::string row(std::size_t index) {
    const auto& row = *rows_[index];
    const auto top = axis_at + 8 + row_height * static_cast<double>(index);
    const auto base = top + row_height / 2 + 4;
    std::string out = "<g>\n";
    if (index % 2 == 1) {
      out += "<rect x=\"" + number(margin - 8) + "\" y=\"" + number(top) + "\" width=\"" + number(width - 2 * margin + 16) +
             "\" height=\"" + number(row_height) + "\" fill=\"#57606a\" fill-opacity=\"0.05\" rx=\"3\"/>\n";
    }
    const auto depth = std::min<std::size_t>(row.depth, 8);
    auto name = fitting(row.name, 34 - 2 * depth);
    if (row.attempts > 1) name += " ×" + std::to_string(row.attempts);
    out += text_at(names_at + indent * static_cast<double>(depth), base, index == 0 ? "run" : "name", name);
    out += text_at(took_end, base, "took", perdure::to_human(rounded(row.took())));
    out += bars(row, top, index + 1 < rows_.size() && rows_[index + 1]->depth > row.depth);
    return out + "</g>\n";
  }

  /// Tasks with tasks in them have thin bars. What ends less than half a pixel after the one before is not drawn.
  std::string bars(const timeline::row& row, double top, bool thin) {
    const auto high = thin ? bar_height / 2 : bar_height;
    const auto y = top + (row_height - high) / 2;
    std::string out;
    double drawn = -1;
    for (const auto& each : row.spans) {
      const auto x = x_of(each.from);
      const auto wide = std::max(x_of(each.to) - x, least_bar);
      if (x + wide < drawn + 0.5) continue;
      drawn = x + wide;
      used_.insert(each.what);
      auto title = row.name + " " + std::string{meaning_of(each.what)} + " " + perdure::to_human(rounded(each.to - each.from)) +
                   " from " + perdure::to_string(each.from);
      if (row.attempts > 1) title += ", attempt " + std::to_string(each.attempt);
      out += box(x, y, wide, high, fill_of(each.what, colour_of(row)), title);
    }
    const auto middle = number(top + row_height / 2);
    for (const auto at : row.failures) {
      failed_ = true;
      out += failure(x_of(at), top + row_height / 2, row.name + " failed at " + perdure::to_string(at));
    }
    if (row.open) {
      const auto x = x_of(row.to) + 2;
      open_ = true;
      out += "<path d=\"M" + number(x) + " " + number(top + row_height / 2 - 6) + " L" + number(x + 8) + " " + middle + " L" +
             number(x) + " " + number(top + row_height / 2 + 6) + " Z\" fill=\"#0969da\"/>\n";
    }
    return out;
  }

  static std::string failure(double x, double y, const std::string& title) {
    const auto at = [](double px, double py) { return number(px) + " " + number(py); };
    return "<g><circle cx=\"" + number(x) + "\" cy=\"" + number(y) +
           "\" r=\"6\" fill=\"#cf222e\" stroke=\"#ffffff\"/><path d=\"M" + at(x - 2.5, y - 2.5) + " L" + at(x + 2.5, y + 2.5) +
           " M" + at(x - 2.5, y + 2.5) + " L" + at(x + 2.5, y - 2.5) + "\" stroke=\"#ffffff\" stroke-width=\"1.5\"/>" +
           (title.empty() ? std::string{} : "<title>" + escaped(title) + "</title>") + "</g>\n";
  }

  [[nodiscard]] std::string legend(double y) const {
    std::string out;
    double x = names_at;
    for (const auto each : used_) {
      out += box(x, y - 10, 22, 12, fill_of(each, colour_of(what_.whole)), {});
      out += text_at(x + 28, y, "dim", meaning_of(each));
      x += 50 + 7 * static_cast<double>(meaning_of(each).size());
    }
    if (failed_) {
      out += failure(x + 8, y - 4, {}) + text_at(x + 20, y, "dim", "an attempt failed");
      x += 150;
    }
    if (open_) {
      out += "<path d=\"M" + number(x) + " " + number(y - 10) + " L" + number(x + 8) + " " + number(y - 4) + " L" + number(x) +
             " " + number(y + 2) + " Z\" fill=\"#0969da\"/>\n" + text_at(x + 14, y, "dim", "goes on");
    }
    return out;
  }

  const timeline& what_;
  duration::rep length_;
  std::vector<const timeline::row*> rows_;
  double bottom_ = 0;
  std::set<doing> used_;
  bool failed_ = false, open_ = false;
};

}  // namespace

std::string timeline_svg(const timeline& what) { return picture{what}.text(); }

}  // namespace perdure::tools
