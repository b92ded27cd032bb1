// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/strings.h"

#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/text/letter_case.h"
#include "worker/nodes/text/register.h"

#include <algorithm>

namespace comfy::nodes {
namespace {

using engine::node;

constexpr const char* kModule = "comfy_extras.nodes_string";
constexpr const char* kCategory = "utils/string";

/// Text as code points, which is what Python counts.
std::u32string code_points(std::string_view text) {
  std::u32string points;
  while (!text.empty()) points.push_back(take_code_point(text));
  return points;
}

std::string to_text(std::u32string_view points) {
  std::string text;
  for (const char32_t point : points) append_utf8(text, point);
  return text;
}

struct StringConcatenate {
  struct In {
    std::string string_a;
    std::string string_b;
    std::string delimiter;
  };
  struct Out {
    std::string string;
  };

  static auto spec() {
    return node<StringConcatenate>("StringConcatenate", kCategory)
        .display("Concatenate")
        .module(kModule)
        .schema()
        .in("string_a", &In::string_a, {.multiline = true})
        .in("string_b", &In::string_b, {.multiline = true})
        .in("delimiter", &In::delimiter, {.multiline = false, .show_default = true})
        .out(&Out::string);
  }

  static Out run(const In& in) { return {in.string_a + in.delimiter + in.string_b}; }
};

struct StringSubstring {
  struct In {
    std::string string;
    std::int64_t start = 0;
    std::int64_t end = 0;
  };
  struct Out {
    std::string string;
  };

  static auto spec() {
    return node<StringSubstring>("StringSubstring", kCategory)
        .display("Substring")
        .module(kModule)
        .schema()
        .in("string", &In::string, {.multiline = true})
        .in("start", &In::start, {.show_default = false})
        .in("end", &In::end, {.show_default = false})
        .out(&Out::string);
  }

  /// Negative places count from the end, as in Python.
  static Out run(const In& in) {
    const std::u32string points = code_points(in.string);
    const auto size = static_cast<std::int64_t>(points.size());
    const auto place = [size](std::int64_t at) {
      return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
    };
    const std::int64_t start = place(in.start), end = place(in.end);
    if (start >= end) return {};
    return {to_text(std::u32string_view{points}.substr(static_cast<std::size_t>(start),
                                                       static_cast<std::size_t>(end - start)))};
  }
};

struct StringLength {
  struct In {
    std::string string;
  };
  struct Out {
    std::int64_t length = 0;
  };

  static auto spec() {
    return node<StringLength>("StringLength", kCategory)
        .display("Length")
        .module(kModule)
        .schema()
        .in("string", &In::string, {.multiline = true})
        .out("length", &Out::length);
  }

  static Out run(const In& in) { return {std::ssize(code_points(in.string))}; }
};

struct CaseConverter {
  struct In {
    std::string string;
    std::string mode = "UPPERCASE";
  };
  struct Out {
    std::string string;
  };

  static auto spec() {
    return node<CaseConverter>("CaseConverter", kCategory)
        .display("Case Converter")
        .module(kModule)
        .schema()
        .in("string", &In::string, {.multiline = true})
        .in("mode", &In::mode,
            {.choices = {"UPPERCASE", "lowercase", "Capitalize", "Title Case"},
             .show_default = false})
        .out(&Out::string);
  }

  static Out run(const In& in) {
    const std::u32string points = code_points(in.string);
    if (in.mode == "UPPERCASE") return {to_text(upper_case(points))};
    if (in.mode == "lowercase") return {to_text(lower_case(points))};
    if (in.mode == "Title Case") return {to_text(title_case(points))};
    if (points.empty()) return {};
    return {to_text(title_case(points.substr(0, 1)) + lower_case(points.substr(1)))};
  }
};

struct StringTrim {
  struct In {
    std::string string;
    std::string mode = "Both";
  };
  struct Out {
    std::string string;
  };

  static auto spec() {
    return node<StringTrim>("StringTrim", kCategory)
        .display("Trim")
        .module(kModule)
        .schema()
        .in("string", &In::string, {.multiline = true})
        .in("mode", &In::mode, {.choices = {"Both", "Left", "Right"}, .show_default = false})
        .out(&Out::string);
  }

  static Out run(const In& in) {
    const std::u32string points = code_points(in.string);
    std::u32string_view left = points;
    if (in.mode != "Right")
      while (!left.empty() && is_blank(left.front())) left.remove_prefix(1);
    if (in.mode != "Left")
      while (!left.empty() && is_blank(left.back())) left.remove_suffix(1);
    return {to_text(left)};
  }
};

struct StringReplace {
  struct In {
    std::string string;
    std::string find;
    std::string replace;
  };
  struct Out {
    std::string string;
  };

  static auto spec() {
    return node<StringReplace>("StringReplace", kCategory)
        .display("Replace")
        .module(kModule)
        .schema()
        .in("string", &In::string, {.multiline = true})
        .in("find", &In::find, {.multiline = true})
        .in("replace", &In::replace, {.multiline = true})
        .out(&Out::string);
  }

  static Out run(const In& in) {
    if (!in.find.empty()) return {replace_all(in.string, in.find, in.replace)};
    // Nothing is found everywhere: before each character and at the end.
    std::string text = in.replace;
    for (const char32_t point : code_points(in.string)) {
      append_utf8(text, point);
      text += in.replace;
    }
    return {text};
  }
};

/// Both texts as they are, or both in lower case.
std::pair<std::string, std::string> comparable(const std::string& a, const std::string& b,
                                               bool case_sensitive) {
  if (case_sensitive) return {a, b};
  return {to_text(lower_case(code_points(a))), to_text(lower_case(code_points(b)))};
}

struct StringContains {
  struct In {
    std::string string;
    std::string substring;
    bool case_sensitive = true;
  };
  struct Out {
    bool contains = false;
  };

  static auto spec() {
    return node<StringContains>("StringContains", kCategory)
        .display("Contains")
        .module(kModule)
        .schema()
        .in("string", &In::string, {.multiline = true})
        .in("substring", &In::substring, {.multiline = true})
        .in("case_sensitive", &In::case_sensitive)
        .out("contains", &Out::contains);
  }

  static Out run(const In& in) {
    const auto [text, part] = comparable(in.string, in.substring, in.case_sensitive);
    return {text.find(part) != std::string::npos};
  }
};

struct StringCompare {
  struct In {
    std::string string_a;
    std::string string_b;
    std::string mode = "Equal";
    bool case_sensitive = true;
  };
  struct Out {
    bool result = false;
  };

  static auto spec() {
    return node<StringCompare>("StringCompare", kCategory)
        .display("Compare")
        .module(kModule)
        .schema()
        .in("string_a", &In::string_a, {.multiline = true})
        .in("string_b", &In::string_b, {.multiline = true})
        .in("mode", &In::mode,
            {.choices = {"Starts With", "Ends With", "Equal"}, .show_default = false})
        .in("case_sensitive", &In::case_sensitive)
        .out(&Out::result);
  }

  static Out run(const In& in) {
    const auto [a, b] = comparable(in.string_a, in.string_b, in.case_sensitive);
    if (in.mode == "Starts With") return {a.starts_with(b)};
    if (in.mode == "Ends With") return {a.ends_with(b)};
    return {a == b};
  }
};

}  // namespace

void register_strings(engine::Registry& registry) {
  registry.add<StringConcatenate>();
  registry.add<StringSubstring>();
  registry.add<StringLength>();
  registry.add<CaseConverter>();
  registry.add<StringTrim>();
  registry.add<StringReplace>();
  registry.add<StringContains>();
  registry.add<StringCompare>();
}

}  // namespace comfy::nodes
