// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/access/role.h"

#include "foundation/base/hash.h"

#include <algorithm>
#include <array>

namespace comfy::access {
namespace {

constexpr std::array<std::string_view, 3> kNames{"read", "submit", "admin"};
constexpr std::size_t kLongestId = 64;
constexpr std::size_t kHashDigits = 16;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_plain(char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '@' || c == '-'; }

}  // namespace

std::string_view role_name(Role role) { return kNames[static_cast<std::size_t>(role)]; }

std::optional<Role> find_role(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return {};
  return static_cast<Role>(found - kNames.begin());
}

bool is_user_id(std::string_view text) {
  return !text.empty() && text.size() <= kLongestId && is_alphanumeric(text.front()) &&
         text.back() != '.' && std::ranges::all_of(text, is_plain);
}

std::string user_id_of(std::string_view subject) {
  if (is_user_id(subject)) return std::string{subject};
  std::string id = "user-";
  for (const char c : subject.substr(0, 32)) {
    if (is_alphanumeric(c)) id += c;
  }
  return id + "-" + to_hex(sha256(subject)).substr(0, kHashDigits);
}

}  // namespace comfy::access
