// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/client_path.h"

#include "foundation/base/strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace comfy::paths {
namespace {

constexpr std::size_t kMaxPart = 255;
constexpr std::size_t kMaxPath = 1024;

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

/// Names that Windows gives to devices, whatever the suffix.
bool is_device(std::string_view part) {
  const std::string stem = lower(trim(part.substr(0, part.find('.'))));
  constexpr std::array kNames{"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"};
  if (std::ranges::find(kNames, stem) != kNames.end()) return true;
  return stem.size() == 4 && (stem.starts_with("com") || stem.starts_with("lpt")) &&
         std::isdigit(static_cast<unsigned char>(stem[3])) != 0;
}

/// The rule that a component breaks; empty when it is fine.
std::string_view fault_of_part(std::string_view part) {
  if (part == "." || part == "..") return "must not have '.' or '..' as a component";
  if (part.size() > kMaxPart) return "must not have a component longer than 255 bytes";
  if (part.back() == ' ' || part.back() == '.')
    return "must not have a component that ends in a blank or a dot";
  if (is_device(part)) return "must not hold the name of a device";
  return {};
}

/// The rule that the text as a whole breaks; empty when it is fine.
std::string_view fault_of_text(std::string_view text) {
  if (text.size() > kMaxPath) return "must not be longer than 1024 bytes";
  if (std::ranges::any_of(text, is_control)) return "must not hold control bytes";
  if (text.find('\\') != text.npos) return "must not hold a backslash";
  if (text.front() == '/') return "must not be absolute";
  const bool letter = std::isalpha(static_cast<unsigned char>(text.front())) != 0;
  if (letter && text.size() > 1 && text[1] == ':') return "must not name a drive";
  if (!is_utf8(text)) return "must be valid UTF-8";
  return {};
}

[[noreturn]] void refuse(Error::Kind kind, std::string_view rule, std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, 80)) {
    const auto byte = static_cast<unsigned char>(c);
    shown += byte < 0x20 || byte > 0x7E ? '?' : c;
  }
  throw Error(kind, fmt::format("path {}, got '{}'", rule, shown), kRefusedPath);
}

}  // namespace

ClientPath ClientPath::parse(std::string_view text, Error::Kind refusal) {
  ClientPath path = parse_folder(text, refusal);
  if (path.empty()) throw Error(refusal, "path must not be empty");
  return path;
}

ClientPath ClientPath::parse_folder(std::string_view text, Error::Kind refusal) {
  ClientPath path;
  if (text.empty()) return path;
  if (const auto rule = fault_of_text(text); !rule.empty()) refuse(refusal, rule, text);
  for (const std::string_view part : split(text, '/')) {
    if (part.empty()) continue;  // "a//b" and "a/" mean what they mean to the system
    if (const auto rule = fault_of_part(part); !rule.empty()) refuse(refusal, rule, text);
    path.parts_.emplace_back(part);
  }
  return path;
}

std::string ClientPath::text() const { return join(parts_, "/"); }

std::string_view ClientPath::name() const {
  return parts_.empty() ? std::string_view{} : parts_.back();
}

ClientPath ClientPath::folder() const {
  ClientPath above = *this;
  if (!above.parts_.empty()) above.parts_.pop_back();
  return above;
}

ClientPath ClientPath::renamed(std::string_view name) const { return folder() / parse(name); }

ClientPath ClientPath::operator/(const ClientPath& below) const {
  ClientPath both = *this;
  both.parts_.insert(both.parts_.end(), below.parts_.begin(), below.parts_.end());
  return both;
}

bool is_client_name(std::string_view name) {
  return !name.empty() && name.find('/') == name.npos && fault_of_text(name).empty() &&
         fault_of_part(name).empty();
}

}  // namespace comfy::paths
