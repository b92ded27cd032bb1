// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/access/gate.h"

#include "foundation/base/error.h"
#include "foundation/base/ids.h"
#include "foundation/base/strings.h"
#include "frontend/access/base64.h"
#include "frontend/access/private_file.h"

#include <fmt/format.h>

namespace comfy::access {
namespace {

constexpr std::size_t kKeyFileMost = 4 * 1024 * 1024;
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kMostSubmitters = 10'000;
constexpr double kSubmitBurst = 1'000;
constexpr double kSubmitsPerSecond = 100;

std::filesystem::path below(const std::filesystem::path& folder, const char* name) {
  return folder.empty() ? std::filesystem::path{} : folder / name;
}

KeyRing read_key_file(const std::filesystem::path& file) {
  const auto text = read_private_file(file, kKeyFileMost);
  if (!text) {
    throw Error{
        Error::Kind::invalid_input,
        fmt::format("--api-key-file must name a file, found none at \"{}\"", file.string())};
  }
  return KeyRing{parse_keys(*text, file.filename().string())};
}

}  // namespace

Gate::Gate(GateOptions options, const Clock& clock, Random& random)
    : options_{std::move(options)},
      clock_{clock},
      random_{random},
      logins_{options_.on ? below(options_.state_folder, "logins.json") : std::filesystem::path{}} {
  if (!options_.on) return;
  if (options_.tokens) tokens_.emplace(*options_.tokens);
  reload();
}

std::filesystem::path Gate::generated_key_file() const {
  const bool only_way = options_.on && options_.key_file.empty() && !options_.tokens;
  return only_way ? below(options_.state_folder, "generated.key") : std::filesystem::path{};
}

void Gate::make_or_read_key() {
  const std::filesystem::path file = generated_key_file();
  if (!file.empty()) {
    if (const auto text = read_private_file(file, kKeyFileMost)) {
      keys_ = KeyRing{parse_keys(*text, file.filename().string())};
      if (keys_.size() > 0) return;
    }
  }
  new_key_ = random_hex(random_, kKeyBytes);
  const ApiKey key{.name = "default", .role = Role::admin, .hash = sha256(*new_key_)};
  if (!file.empty()) write_private_file(file, to_line(key) + "\n");
  keys_ = KeyRing{{key}};
}

void Gate::reload() {
  if (!options_.on) return;
  if (!options_.key_file.empty()) {
    keys_ = read_key_file(options_.key_file);
  } else if (!options_.tokens) {
    if (options_.state_folder.empty() && new_key_) return;
    make_or_read_key();
  }
}

std::optional<Gate::Holder> Gate::holder_of(std::string_view secret, std::string& reason) const {
  if (const ApiKey* key = keys_.find(secret)) {
    return Holder{.identity = {.user = key->name, .role = key->role, .authenticated = true},
                  .key = key->hash,
                  .expires = clock_.wall() + Logins::kLongest};
  }
  reason = "the key is not known";
  if (!tokens_) return {};
  try {
    const Claims claims = tokens_->verify(secret, clock_.wall());
    return Holder{.identity = {.user = claims.user, .role = claims.role, .authenticated = true},
                  .key = {},
                  .expires = std::min(claims.expires, clock_.wall() + Logins::kLongest)};
  } catch (const Error& error) {
    if (error.kind != Error::Kind::forbidden) throw;
    reason = error.message;
  }
  return {};
}

std::optional<Identity> Gate::identity_of_cookie(std::string_view cookie) const {
  const auto login = logins_.find(cookie, clock_.wall());
  if (!login) return {};
  Identity identity{.user = login->user, .role = login->role, .authenticated = true};
  if (!login->key) return identity;
  // Whoever takes a key away, or lowers its role, means its browsers too.
  const ApiKey* key = keys_.find(*login->key);
  if (key == nullptr) return {};
  identity.user = key->name;
  identity.role = key->role;
  return identity;
}

Gate::Verdict Gate::judge_secret(std::string_view secret, std::string_view address) {
  if (attempts_.is_spent(address, clock_.monotonic())) return {.outcome = Outcome::limited};
  Verdict verdict;
  if (const auto holder = holder_of(secret, verdict.reason)) {
    verdict = {.outcome = Outcome::granted, .identity = holder->identity};
  } else {
    attempts_.fail(address, clock_.monotonic());
    verdict.outcome = Outcome::refused;
  }
  return verdict;
}

Gate::Verdict Gate::stand_in(Verdict verdict, const Credentials& credentials) {
  if (verdict.outcome != Outcome::granted || !credentials.acts_as || credentials.acts_as->empty() ||
      *credentials.acts_as == verdict.identity.user) {
    return verdict;
  }
  if (verdict.identity.role != Role::admin || !is_user_id(*credentials.acts_as)) {
    return {.outcome = Outcome::impersonation,
            .identity = verdict.identity,
            .reason = "comfy-user must be the user of the key"};
  }
  verdict.identity.user = *credentials.acts_as;
  verdict.identity.stands_in = true;
  return verdict;
}

Gate::Verdict Gate::judge(const Credentials& credentials, std::string_view address) {
  if (!options_.on) return {.outcome = Outcome::granted};
  if (credentials.repeated) {
    return {.outcome = Outcome::refused, .reason = "Authorization must be given once"};
  }
  if (credentials.authorization) {
    const auto secret = read_authorization(*credentials.authorization);
    if (!secret) {
      return {.outcome = Outcome::refused,
              .reason = "Authorization must be \"Bearer KEY\", or Basic with the key as password"};
    }
    Verdict verdict = judge_secret(secret->text, address);
    verdict.deliberate = secret->bearer;
    return stand_in(std::move(verdict), credentials);
  }
  if (const auto identity = identity_of_cookie(credentials.cookie)) {
    return stand_in({.outcome = Outcome::granted, .identity = *identity}, credentials);
  }
  return {.outcome = Outcome::anonymous, .reason = "a key is needed"};
}

Gate::Entry Gate::log_in(std::string_view secret, std::string_view address) {
  if (attempts_.is_spent(address, clock_.monotonic())) return {.outcome = Outcome::limited};
  Entry entry;
  const auto holder = holder_of(secret, entry.reason);
  if (!holder) {
    attempts_.fail(address, clock_.monotonic());
    return entry;
  }
  const auto now = clock_.wall();
  entry.outcome = Outcome::granted;
  entry.identity = holder->identity;
  entry.lasts = std::chrono::duration_cast<std::chrono::seconds>(holder->expires - now);
  entry.cookie = logins_.open({.user = holder->identity.user,
                               .role = holder->identity.role,
                               .key = holder->key,
                               .expires = holder->expires},
                              random_, now);
  return entry;
}

bool Gate::may_submit(const std::string& user) {
  if (!options_.on) return true;
  auto found = submissions_.find(user);
  if (found == submissions_.end()) {
    if (submissions_.size() >= kMostSubmitters) submissions_.clear();
    found = submissions_.emplace(user, RateLimit{kSubmitBurst, kSubmitsPerSecond}).first;
  }
  return found->second.pass(clock_.monotonic());
}

std::optional<Secret> read_authorization(std::string_view field) {
  const std::size_t blank = field.find(' ');
  if (blank == field.npos) return {};
  const std::string scheme = lower(field.substr(0, blank));
  const std::string_view rest = trim(field.substr(blank + 1));
  if (rest.empty()) return {};
  if (scheme == "bearer") return Secret{std::string{rest}, true};
  if (scheme != "basic") return {};
  const auto decoded = decode_base64(rest);
  if (!decoded) return {};
  const std::size_t colon = decoded->find(':');
  if (colon == decoded->npos) return {};
  return Secret{decoded->substr(colon + 1), false};
}

std::string_view find_cookie(std::string_view field, std::string_view name) {
  for (const std::string_view raw : split(field, ';')) {
    const std::string_view pair = trim(raw);
    const std::size_t equals = pair.find('=');
    if (equals != pair.npos && pair.substr(0, equals) == name) return pair.substr(equals + 1);
  }
  return {};
}

}  // namespace comfy::access
