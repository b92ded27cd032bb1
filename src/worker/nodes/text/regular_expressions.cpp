// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/text/python_regex.h"
#include "worker/nodes/text/register.h"

#include <optional>

namespace comfy::nodes {
namespace {

using engine::node;

PythonRegex::Options options_of(bool case_insensitive, bool multiline, bool dotall) {
  return {.ignore_case = case_insensitive, .multiline = multiline, .dot_matches_all = dotall};
}

/// The pattern; nothing when it is none.
template <class In>
std::optional<PythonRegex> compiled(const In& in) {
  return PythonRegex::compile(in.regex_pattern,
                              options_of(in.case_insensitive, in.multiline, in.dotall));
}

struct RegexMatch {
  struct In {
    std::string string;
    std::string regex_pattern;
    bool case_insensitive = true;
    bool multiline = false;
    bool dotall = false;
  };
  struct Out {
    bool matches;
  };

  static auto spec() {
    return node<RegexMatch>("RegexMatch", "utils/string")
        .display("Regex Match")
        .module("comfy_extras.nodes_string")
        .schema()
        .in("string", &In::string, {.multiline = true})
        .in("regex_pattern", &In::regex_pattern, {.multiline = true})
        .in("case_insensitive", &In::case_insensitive)
        .in("multiline", &In::multiline)
        .in("dotall", &In::dotall)
        .out("matches", &Out::matches);
  }

  static Out run(const In& in) {
    const std::optional<PythonRegex> regex = compiled(in);
    return {regex && regex->search(in.string).has_value()};
  }
};

struct RegexExtract {
  struct In {
    std::string string;
    std::string regex_pattern;
    std::string mode;
    bool case_insensitive = true;
    bool multiline = false;
    bool dotall = false;
    int group_index = 1;
  };
  struct Out {
    std::string string;
  };

  static auto spec() {
    return node<RegexExtract>("RegexExtract", "utils/string")
        .display("Regex Extract")
        .module("comfy_extras.nodes_string")
        .schema()
        .in("string", &In::string, {.multiline = true})
        .in("regex_pattern", &In::regex_pattern, {.multiline = true})
        .in("mode", &In::mode,
            {.choices = {"First Match", "All Matches", "First Group", "All Groups"}})
        .in("case_insensitive", &In::case_insensitive)
        .in("multiline", &In::multiline)
        .in("dotall", &In::dotall)
        .in("group_index", &In::group_index, {.min = 0, .max = 100})
        .out(&Out::string);
  }

  /// All matches: of a pattern with groups the first group of each, as Python's findall.
  static std::string all(const std::vector<PythonRegex::Match>& matches, std::size_t group) {
    std::string lines;
    for (const PythonRegex::Match& match : matches) {
      if (&match != &matches.front()) lines += '\n';
      lines += match.group(group);
    }
    return lines;
  }

  static Out run(const In& in) {
    const std::optional<PythonRegex> regex = compiled(in);
    if (!regex) return {};
    const auto group = static_cast<std::size_t>(in.group_index);
    const std::size_t groups = regex->groups();
    if (in.mode == "All Matches") return {all(regex->find_all(in.string), groups > 0 ? 1 : 0)};
    if (in.mode == "All Groups")
      return {groups > 0 && groups >= group ? all(regex->find_all(in.string), group) : ""};
    const auto match = regex->search(in.string);
    if (!match) return {};
    if (in.mode == "First Match") return {match->group(0)};
    return {groups >= group ? match->group(group) : ""};
  }
};

struct RegexReplace {
  struct In {
    std::string string;
    std::string regex_pattern;
    std::string replace;
    bool case_insensitive = true;
    bool multiline = false;
    bool dotall = false;
    int count = 0;
  };
  struct Out {
    std::string string;
  };

  static auto spec() {
    return node<RegexReplace>("RegexReplace", "utils/string")
        .display("Regex Replace")
        .doc(
            "Replaces what a regular expression finds, in Python's way of writing it: \\1 and "
            "\\g<name> stand for groups.")
        .module("comfy_extras.nodes_string")
        .schema()
        .in("string", &In::string, {.multiline = true})
        .in("regex_pattern", &In::regex_pattern, {.multiline = true})
        .in("replace", &In::replace, {.multiline = true})
        .optional_in("case_insensitive", &In::case_insensitive)
        .optional_in("multiline", &In::multiline)
        .optional_in("dotall", &In::dotall,
                     {.tooltip = "Whether a dot stands for the end of a line too."})
        .optional_in(
            "count", &In::count,
            {.min = 0, .max = 100, .tooltip = "How many to replace at most; 0 replaces all."})
        .out(&Out::string);
  }

  static Out run(const In& in) {
    const std::optional<PythonRegex> regex = compiled(in);
    if (!regex)
      throw Error(Error::Kind::invalid_input,
                  "expected a regular expression, got " + in.regex_pattern);
    return {regex->replace(in.string, in.replace, static_cast<std::size_t>(in.count))};
  }
};

}  // namespace

void register_regular_expressions(engine::Registry& registry) {
  registry.add<RegexMatch>();
  registry.add<RegexExtract>();
  registry.add<RegexReplace>();
}

}  // namespace comfy::nodes
