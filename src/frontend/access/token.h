// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/access/role.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace comfy::access {

/// Which JSON Web Tokens are taken (RFC 7519).
struct TokenRules {
  enum class Algorithm : std::uint8_t { hs256, rs256, es256 };
  Algorithm algorithm = Algorithm::rs256;  ///< the one that counts, whatever a token says
  std::string key = {};                    ///< the shared secret (HS256), or a public key in PEM
  std::string issuer = {};                 ///< `iss` must be it; empty: it is not looked at
  std::string audience = {};  ///< `aud` must be or hold it; empty: a token must have none
};

std::optional<TokenRules::Algorithm> find_algorithm(std::string_view name);

/// What a token that holds says.
struct Claims {
  std::string user;          ///< from `sub`, as user_id_of makes it
  Role role = Role::submit;  ///< from `role`
  std::chrono::milliseconds expires{};
};

/// Checks tokens by one fixed algorithm and key. Safe from several threads.
class TokenVerifier {
 public:
  /// Throws Error(invalid_input) when the key does not fit the algorithm or is too weak.
  explicit TokenVerifier(const TokenRules& rules);
  ~TokenVerifier();
  TokenVerifier(TokenVerifier&&) noexcept;
  TokenVerifier& operator=(TokenVerifier&&) noexcept;

  /// `now`: milliseconds since 1970. Throws Error(forbidden) saying what does not hold.
  Claims verify(std::string_view token, std::chrono::milliseconds now) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace comfy::access
