// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/strings.h"
#include "foundation/options/config_file.h"
#include "foundation/options/parse_options.h"
#include "frontend/access/base64.h"
#include "frontend/access/gate.h"
#include "frontend/access/key_file.h"
#include "frontend/access/token.h"
#include "refusing.h"
#include "targets.h"

#include <algorithm>

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

void fuzz_options(std::string_view input) {
  if (input.find('\0') != input.npos) return;  // no argument can hold one
  // Lines are arguments; behind an empty one follows what any configuration file says.
  const std::size_t gap = std::min(input.find("\n\n"), input.size());
  options::Sources sources;
  for (const std::string_view word : split(input.substr(0, gap), '\n'))
    sources.arguments.emplace_back(word);
  sources.environment_variable = [](const char*) { return nullptr; };
  sources.read_file = [text = std::string{input.substr(std::min(gap + 2, input.size()))}](
                          const std::string&) { return std::optional{text}; };
  refusing([&sources] {
    const options::Parsed parsed = options::parse_options(sources);
    if (parsed.help) return;
    const options::ChildSettings child = options::child_settings(parsed.options);
    options::Sources again{.arguments = child.arguments,
                           .environment_variable = [](const char*) { return nullptr; },
                           .environment_names = {},
                           .read_file = sources.read_file};
    options::parse_options(again);
  });
}

}  // namespace comfy::fuzz
