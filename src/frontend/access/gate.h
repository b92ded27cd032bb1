// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/clock.h"
#include "foundation/base/rate_limit.h"
#include "frontend/access/attempt_limit.h"
#include "frontend/access/key_file.h"
#include "frontend/access/logins.h"
#include "frontend/access/role.h"
#include "frontend/access/token.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace comfy::access {

/// How this server lets people in.
struct GateOptions {
  bool on = false;                        ///< off: everybody is the administrator
  std::filesystem::path key_file = {};    ///< --api-key-file; empty: none
  std::optional<TokenRules> tokens = {};  ///< nothing: no tokens are taken
  std::filesystem::path state_folder =
      {};  ///< for the generated key and for sessions; empty: memory
};

/// What a request brings along to say who sends it; views into its head.
struct Credentials {
  std::optional<std::string_view> authorization = {};
  bool repeated = false;                         ///< several Authorization fields
  std::string_view cookie = {};                  ///< value of the session cookie, or empty
  std::optional<std::string_view> acts_as = {};  ///< the comfy-user field
};

/// Decides who a request comes from (security.md, section 3). Lives on the I/O thread.
class Gate {
 public:
  /// Reads the key file; without keys and tokens makes a key on the first start (see new_key).
  /// Throws Error(invalid_input) for a bad file.
  Gate(GateOptions options, const Clock& clock, Random& random);

  enum class Outcome : std::uint8_t {
    granted,
    anonymous,     ///< no credentials: 401
    refused,       ///< credentials that do not hold: 401
    limited,       ///< too many of those from this address: 429
    impersonation  ///< a user who names another: 403
  };
  struct Verdict {
    Outcome outcome = Outcome::anonymous;
    Identity identity = {};
    /// No browser sends this kind by itself, so no page can have tricked it into the request.
    bool deliberate = false;
    std::string reason = {};  ///< what does not hold; no secret in it
  };

  bool is_on() const { return options_.on; }
  Verdict judge(const Credentials& credentials, std::string_view address);

  /// A browser's way in: the cookie for a key or token, or why not (`refused`, `limited`).
  struct Entry {
    Outcome outcome = Outcome::refused;
    Identity identity = {};
    std::string cookie = {};
    std::chrono::seconds lasts{};
    std::string reason = {};
  };
  Entry log_in(std::string_view secret, std::string_view address);
  void log_out(std::string_view cookie) { logins_.close(cookie); }
  /// Blocking. Writes down who is logged in.
  void save_logins() const { logins_.save(); }

  /// The key that was made by this start, to be shown once; it is not kept.
  const std::optional<std::string>& new_key() const { return new_key_; }
  /// The file in which the hash of a generated key lies, where that is the only way in.
  std::filesystem::path generated_key_file() const;

  /// Reads the key file again. On an error the keys of before stay; throws it.
  void reload();

  /// Whether the user may send one more prompt now: 100 a second after 1,000.
  bool may_submit(const std::string& user);

 private:
  struct Holder {
    Identity identity = {};
    std::optional<Digest> key = {};
    std::chrono::milliseconds expires{};
  };
  void make_or_read_key();
  std::optional<Holder> holder_of(std::string_view secret, std::string& reason) const;
  std::optional<Identity> identity_of_cookie(std::string_view cookie) const;
  Verdict judge_secret(std::string_view secret, std::string_view address);
  static Verdict stand_in(Verdict verdict, const Credentials& credentials);

  GateOptions options_;
  const Clock& clock_;
  Random& random_;
  KeyRing keys_;
  std::optional<TokenVerifier> tokens_;
  Logins logins_;
  AttemptLimit attempts_;
  std::optional<std::string> new_key_;
  std::map<std::string, RateLimit> submissions_;
};

/// The secret of an Authorization field: a bearer's key or token, or the password of Basic.
struct Secret {
  std::string text;
  bool bearer = false;
};
std::optional<Secret> read_authorization(std::string_view field);

/// The value of a cookie in a Cookie field; empty when it is not there.
std::string_view find_cookie(std::string_view field, std::string_view name);

}  // namespace comfy::access
