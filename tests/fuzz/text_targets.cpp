// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/ids.h"
#include "foundation/base/random.h"
#include "foundation/base/strings.h"
#include "inference/models/text/unicode.h"
#include "inference/models/text/vocabulary.h"
#include "refusing.h"
#include "targets.h"
#include "worker/nodes/text/python_regex.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace comfy::fuzz {
namespace {

namespace fs = std::filesystem;
namespace text = models::text;

/// A vocabulary of few merges, so that both whole words and single bytes occur.
const text::Vocabulary& small_vocabulary() {
  static const text::Vocabulary vocabulary = [] {
    const fs::path file =
        fs::temp_directory_path() / ("comfyui-fuzz-" + random_hex(system_random(), 8));
    std::ofstream{file} << "#version\nb c</w>\na b\na bc</w>\n! !</w>\n0 0</w>\n";
    return text::Vocabulary{file};
  }();
  return vocabulary;
}

/// The vocabulary reads its file with the first text; later it is not needed any more.
void read_vocabulary() {
  static const bool done = [] {
    small_vocabulary().encode("a");
    std::error_code ignored;
    fs::remove(small_vocabulary().file(), ignored);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

void fuzz_tokens(std::string_view input) {
  read_vocabulary();
  const std::u32string points = text::to_code_points(input);
  if (!is_utf8(text::to_utf8(points))) found("code points that are no UTF-8");
  const std::u32string once = text::composed(points);
  if (text::composed(once) != once) found("a composed text composes to another one");
  const auto tokens = small_vocabulary().encode(input);
  if (tokens.size() > 16 * input.size() + 1) found("more tokens than a text can have");
  const auto is_entry = [](std::int64_t id) { return id >= 0 && id <= text::kEndToken; };
  if (!std::ranges::all_of(tokens, is_entry)) found("a token that is no entry");
}

void fuzz_regex(std::string_view input) {
  // Lines: flags, pattern, replacement; the rest is the text.
  const auto next_line = [&input] {
    const std::string_view line = input.substr(0, input.find('\n'));
    input.remove_prefix(std::min(line.size() + 1, input.size()));
    return line;
  };
  const std::string_view flags = next_line();
  const std::string_view pattern = next_line();
  const std::string_view with = next_line();
  if (!is_utf8(pattern) || !is_utf8(with) || !is_utf8(input)) return;  // JSON has no such texts
  const auto has = [flags](char c) { return flags.find(c) != flags.npos; };
  refusing([&] {
    const auto regex = nodes::PythonRegex::compile(
        pattern, {.ignore_case = has('i'), .multiline = has('m'), .dot_matches_all = has('s')});
    if (!regex) return;
    const std::string subject{input};
    const bool fits = regex->search(subject).has_value();
    const auto all = regex->find_all(subject);
    if (fits == all.empty()) found("one place and all places disagree");
    const std::string replaced = regex->replace(subject, with, 0);
    if (!is_utf8(replaced)) found("a replacement that is no UTF-8");
    if (!fits && replaced != subject) found("a text without a match was changed");
  });
}

}  // namespace comfy::fuzz
