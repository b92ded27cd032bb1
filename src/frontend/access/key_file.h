// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/hash.h"
#include "frontend/access/role.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::access {

/// One line of a key file: whose key it is, what it lets do, and the SHA-256 of the key. Keys are
/// long random texts, so that a plain hash does not help to find them.
struct ApiKey {
  std::string name = {};
  Role role = Role::read;
  Digest hash{};
};

/// The keys of this server.
class KeyRing {
 public:
  KeyRing() = default;
  explicit KeyRing(std::vector<ApiKey> keys) : keys_{std::move(keys)} {}

  /// The key whose text this is, or null. Takes the same time whichever it is, or none.
  const ApiKey* find(std::string_view secret) const;
  /// Whether a key of that hash is still there.
  const ApiKey* find(const Digest& hash) const;
  std::size_t size() const { return keys_.size(); }

 private:
  std::vector<ApiKey> keys_;
};

/// Reads "name:role:hash" lines; empty lines and those that begin with "#" are skipped. The hash is
/// the key's SHA-256 in 64 lower-case hexadecimal digits, perhaps after "sha256:". Throws
/// Error(invalid_input) naming `file` and line, never what stood there: it may be a key by mistake.
std::vector<ApiKey> parse_keys(std::string_view text, const std::string& file);

/// A SHA-256 in 64 lower-case hexadecimal digits; nothing for anything else.
std::optional<Digest> parse_digest(std::string_view text);

/// The line of a key.
std::string to_line(const ApiKey& key);

}  // namespace comfy::access
