// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/options/config_file.h"
#include "frontend/access/base64.h"
#include "frontend/access/gate.h"
#include "frontend/access/key_file.h"
#include "frontend/access/token.h"
#include "refusing.h"
#include "targets.h"

namespace comfy::fuzz {

void fuzz_token(std::string_view input) {
  static const access::TokenVerifier verifier{
      {.algorithm = access::TokenRules::Algorithm::hs256, .key = std::string(32, 'k')}};
  refusing([input] {
    const auto claims = verifier.verify(input, std::chrono::milliseconds{1'700'000'000'000});
    if (!access::is_user_id(claims.user)) found("a token made a user id that is none");
  });
  access::decode_base64(input);
  access::decode_base64url(input);
  access::read_authorization(input);
  access::find_cookie(input, "a");
  if (!access::is_user_id(access::user_id_of(input)))
    found("a subject made a user id that is none");
}

void fuzz_key_file(std::string_view input) {
  refusing([input] {
    for (const access::ApiKey& key : access::parse_keys(input, "keys")) {
      const auto again = access::parse_keys(access::to_line(key), "keys");
      if (again.size() != 1 || again[0].hash != key.hash)
        found("a key that is another one written");
    }
  });
}

void fuzz_config(std::string_view input) {
  refusing([input] { options::parse_config(input, "config.yaml"); });
}

}  // namespace comfy::fuzz
