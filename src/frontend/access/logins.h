// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/hash.h"
#include "foundation/base/random.h"
#include "frontend/access/role.h"

#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace comfy::access {

/// What a browser that logged in may do. It ends with its time, and with the key it came from.
struct Login {
  std::string user = {};
  Role role = Role::read;
  std::optional<Digest> key = {};       ///< hash of the key it was opened with; nothing for a token
  std::chrono::milliseconds expires{};  ///< wall clock
};

/// The sessions that cookies stand for. Only hashes are kept, in memory and in a file, so that a
/// restart logs nobody out. Safe from several threads.
class Logins {
 public:
  static constexpr std::chrono::hours kLongest{30 * 24};

  /// An empty path keeps them in memory only. A file that cannot be read counts as empty.
  explicit Logins(std::filesystem::path file);

  /// Opens a session; what the cookie is to carry (64 hexadecimal digits).
  std::string open(Login login, Random& random, std::chrono::milliseconds now);
  /// The session of that cookie while it lasts.
  std::optional<Login> find(std::string_view cookie, std::chrono::milliseconds now) const;
  /// Ends a session. True when there was one.
  bool close(std::string_view cookie);
  /// Blocking. Writes the file; throws Error(unavailable).
  void save() const;

 private:
  void load();
  std::string text() const;

  std::filesystem::path file_;
  mutable std::mutex saving_;
  mutable std::mutex mutex_;
  std::map<std::string, Login> by_hash_;  ///< by the hexadecimal SHA-256 of the cookie
};

}  // namespace comfy::access
