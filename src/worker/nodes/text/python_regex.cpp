// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/nodes/text/python_regex.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <charconv>

namespace comfy::nodes {
namespace {

/// How hard a pattern may try: about a second on plain text.
constexpr std::uint32_t kMatchLimit = 10'000'000;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The escape at the front of `pattern` (behind its backslash) in PCRE's words; nothing when Python
/// knows none such. Takes it off the front.
std::optional<std::string> translated_escape(std::string_view& pattern) {
  const char c = pattern.front();
  pattern.remove_prefix(1);
  if (c == 'Z') return "\\z";    // the end of the text, even behind a last line feed
  if (c == 'v') return "\\x0b";  // for PCRE a class
  if (c == 'u' || c == 'U') {
    const std::size_t digits = c == 'u' ? 4 : 8;
    if (pattern.size() < digits) return {};
    const std::string code{pattern.substr(0, digits)};
    pattern.remove_prefix(digits);
    return "\\x{" + code + "}";
  }
  constexpr std::string_view kShared = "AbBdDsSwWafnrtx";
  if (is_letter(c) && kShared.find(c) == std::string_view::npos) return {};
  return std::string{'\\', c};
}

/// Python's pattern as PCRE's; nothing when it has an escape that Python refuses.
std::optional<std::string> translated(std::string_view pattern) {
  std::string result;
  while (!pattern.empty()) {
    const char c = pattern.front();
    pattern.remove_prefix(1);
    if (c != '\\') {
      result += c;
      continue;
    }
    if (pattern.empty()) return {};
    const std::optional<std::string> escape = translated_escape(pattern);
    if (!escape) return {};
    result += *escape;
  }
  return result;
}

struct MatchDataDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct ContextDeleter {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

[[noreturn]] void refuse_template(std::string_view with, std::string_view problem) {
  throw Error(Error::Kind::invalid_input, fmt::format("the replacement \"{}\" {}", with, problem));
}

std::optional<std::size_t> number_of(std::string_view digits) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size()) return {};
  return number;
}

/// The character that a letter behind a backslash means in a template.
std::optional<char> control_character(char letter) {
  constexpr std::string_view kLetters = "abfnrtv";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v";
  const std::size_t place = kLetters.find(letter);
  if (place == std::string_view::npos) return {};
  return kMeanings[place];
}

}  // namespace

struct PythonRegex::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

std::optional<PythonRegex> PythonRegex::compile(std::string_view pattern, const Options& options) {
  const std::optional<std::string> words = translated(pattern);
  if (!words) return {};
  std::uint32_t flags = PCRE2_UTF | PCRE2_UCP;
  if (options.ignore_case) flags |= PCRE2_CASELESS;
  if (options.multiline) flags |= PCRE2_MULTILINE;
  if (options.dot_matches_all) flags |= PCRE2_DOTALL;
  int error = 0;
  PCRE2_SIZE place = 0;
  auto code = std::make_shared<Code>();
  code->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(words->data()), words->size(), flags,
                             &error, &place, nullptr);
  if (code->code == nullptr) return {};
  return PythonRegex{std::move(code)};
}

std::size_t PythonRegex::groups() const {
  std::uint32_t count = 0;
  pcre2_pattern_info(code_->code, PCRE2_INFO_CAPTURECOUNT, &count);
  return count;
}

std::optional<PythonRegex::Match> PythonRegex::match_from(const std::string& text,
                                                          std::size_t start,
                                                          bool allow_empty_at_start) const {
  const std::unique_ptr<pcre2_match_data, MatchDataDeleter> data{
      pcre2_match_data_create_from_pattern(code_->code, nullptr)};
  const std::unique_ptr<pcre2_match_context, ContextDeleter> context{
      pcre2_match_context_create(nullptr)};
  pcre2_set_match_limit(context.get(), kMatchLimit);
  const std::uint32_t flags = allow_empty_at_start ? 0 : PCRE2_NOTEMPTY_ATSTART;
  const int found = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                start, flags, data.get(), context.get());
  if (found == PCRE2_ERROR_NOMATCH) return {};
  if (found < 0)
    throw Error(Error::Kind::invalid_input,
                fmt::format("expected a regular expression that is quick on this text, "
                            "matching ended with error {}",
                            found));
  const PCRE2_SIZE* places = pcre2_get_ovector_pointer(data.get());
  Match match;
  match.begin_ = places[0];
  match.end_ = places[1];
  for (std::size_t i = 0; i <= groups(); ++i) {
    const bool taken = i < static_cast<std::size_t>(found) && places[2 * i] != PCRE2_UNSET;
    match.groups_.push_back(taken ? text.substr(places[2 * i], places[2 * i + 1] - places[2 * i])
                                  : std::string{});
  }
  return match;
}

std::optional<PythonRegex::Match> PythonRegex::search(const std::string& text) const {
  return match_from(text, 0, true);
}

std::vector<PythonRegex::Match> PythonRegex::find_all(const std::string& text) const {
  std::vector<Match> matches;
  std::size_t start = 0;
  bool allow_empty = true;
  while (auto match = match_from(text, start, allow_empty)) {
    start = match->end_;
    // An empty match may follow a longer one at once, but not another empty one.
    allow_empty = match->end_ > match->begin_;
    matches.push_back(std::move(*match));
  }
  return matches;
}

std::size_t PythonRegex::group_named(std::string_view name) const {
  if (const auto number = number_of(name); number && *number <= groups()) return *number;
  const std::string terminated{name};
  const int number = pcre2_substring_number_from_name(
      code_->code, reinterpret_cast<PCRE2_SPTR>(terminated.c_str()));
  if (number < 0)
    throw Error(
        Error::Kind::invalid_input,
        fmt::format("the replacement names the group \"{}\", which the pattern lacks", name));
  return static_cast<std::size_t>(number);
}

std::string PythonRegex::expanded(std::string_view with, const Match& match) const {
  std::string result;
  std::string_view rest = with;
  while (!rest.empty()) {
    const char c = rest.front();
    rest.remove_prefix(1);
    if (c != '\\') {
      result += c;
      continue;
    }
    if (rest.empty()) refuse_template(with, "ends with a backslash");
    const char kind = rest.front();
    if (kind == 'g') {
      const std::size_t close = rest.find('>');
      if (rest.size() < 2 || rest[1] != '<' || close == std::string_view::npos)
        refuse_template(with, "has \\g without <group>");
      result += match.group(group_named(rest.substr(2, close - 2)));
      rest.remove_prefix(close + 1);
      continue;
    }
    if (is_digit(kind) && kind != '0') {
      const std::size_t digits = rest.size() > 1 && is_digit(rest[1]) ? 2 : 1;
      result += match.group(group_named(rest.substr(0, digits)));
      rest.remove_prefix(digits);
      continue;
    }
    rest.remove_prefix(1);
    if (kind == '0') {
      result += '\0';
    } else if (const auto control = control_character(kind)) {
      result += *control;
    } else if (is_letter(kind)) {
      refuse_template(with, fmt::format("has the unknown escape \\{}", kind));
    } else {
      result += kind == '\\' ? std::string{kind} : std::string{'\\', kind};
    }
  }
  return result;
}

std::string PythonRegex::replace(const std::string& text, std::string_view with,
                                 std::size_t count) const {
  std::string result;
  std::size_t copied = 0;
  std::size_t replaced = 0;
  for (const Match& match : find_all(text)) {
    if (count > 0 && replaced == count) break;
    result += text.substr(copied, match.begin_ - copied);
    result += expanded(with, match);
    copied = match.end_;
    ++replaced;
  }
  return result + text.substr(copied);
}

}  // namespace comfy::nodes
