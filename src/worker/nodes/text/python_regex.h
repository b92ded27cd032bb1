// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::nodes {

/// A regular expression as Python's `re` writes and applies it, on UTF-8 text.
class PythonRegex {
 public:
  struct Options {
    bool ignore_case = false, multiline = false, dot_matches_all = false;
  };

  /// One place where it fits. Groups that took no part are empty.
  class Match {
   public:
    /// 0 is the whole match.
    std::string group(std::size_t number) const {
      return number < groups_.size() ? groups_[number] : std::string{};
    }

   private:
    friend class PythonRegex;
    std::size_t begin_ = 0, end_ = 0;
    std::vector<std::string> groups_;
  };

  /// Nothing when the pattern is no regular expression.
  static std::optional<PythonRegex> compile(std::string_view pattern, const Options& options);

  /// How many groups it has, without the whole.
  std::size_t groups() const;
  /// The first place; nothing when it fits nowhere. This and the next two throw
  /// Error(invalid_input) for a pattern that would take too long on this text.
  std::optional<Match> search(const std::string& text) const;
  std::vector<Match> find_all(const std::string& text) const;
  /// Every place, or the first `count`, replaced. The template knows \1, \g<1>, \g<name> and \n.
  /// Throws Error(invalid_input) for a template with an unknown group or escape.
  std::string replace(const std::string& text, std::string_view with, std::size_t count) const;

 private:
  struct Code;
  explicit PythonRegex(std::shared_ptr<const Code> code) : code_{std::move(code)} {}
  std::optional<Match> match_from(const std::string& text, std::size_t start,
                                  bool allow_empty_at_start) const;
  std::size_t group_named(std::string_view name) const;
  std::string expanded(std::string_view with, const Match& match) const;
  std::shared_ptr<const Code> code_;
};

}  // namespace comfy::nodes
