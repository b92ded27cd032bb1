// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace comfy::access {

/// What a key lets its holder do; each covers those before it.
enum class Role : std::uint8_t {
  read,    ///< look: the page, node definitions, the holder's own queue and history
  submit,  ///< run prompts, upload, save settings and workflows
  admin    ///< everybody's jobs, memory, logs, metrics
};

std::string_view role_name(Role role);
std::optional<Role> find_role(std::string_view name);
inline bool covers(Role held, Role needed) { return held >= needed; }

/// Who sent a request. Without authentication everybody is this default.
struct Identity {
  std::string user = "default";  ///< whose jobs, settings and files the request may touch
  Role role = Role::admin;
  bool authenticated = false;
  /// An admin who named this user by the comfy-user header: sees what that user would see.
  bool stands_in = false;

  bool sees_everything() const { return !authenticated || (role == Role::admin && !stands_in); }
};

/// 1 to 64 bytes of letters, digits and ._@- that begin with a letter or digit: what a user id from
/// a key or a token must be, as it names a folder too.
bool is_user_id(std::string_view text);
/// The user id for the subject of a token: itself where that can be, else its harmless characters
/// and some digits of its hash, so that different subjects never meet.
std::string user_id_of(std::string_view subject);

}  // namespace comfy::access
