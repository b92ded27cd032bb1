// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/access/logins.h"

#include "foundation/base/error.h"
#include "foundation/base/ids.h"
#include "foundation/base/json.h"
#include "frontend/access/key_file.h"
#include "frontend/access/log.h"
#include "frontend/access/private_file.h"

#include <algorithm>

namespace comfy::access {
namespace {

constexpr std::size_t kMostLogins = 10'000;
constexpr std::size_t kMostBytes = 8 * 1024 * 1024;
constexpr std::size_t kCookieBytes = 32;

Json::Object to_object(const std::string& hash, const Login& login) {
  Json::Object object{{"session", hash},
                      {"user", login.user},
                      {"role", role_name(login.role)},
                      {"expires", static_cast<std::int64_t>(login.expires.count())}};
  if (login.key) object["key"] = to_hex(*login.key);
  return object;
}

Login to_login(const Json& object) {
  Login login;
  login.user = object.at("user").as_string();
  const auto role = find_role(object.at("role").as_string());
  if (!role || !is_user_id(login.user)) {
    throw Error{Error::Kind::invalid_input, "a session must have a user and a role"};
  }
  login.role = *role;
  login.expires = std::chrono::milliseconds{object.at("expires").as_int()};
  if (const Json* key = object.find("key")) login.key = parse_digest(key->as_string());
  return login;
}

}  // namespace

Logins::Logins(std::filesystem::path file) : file_{std::move(file)} {
  if (!file_.empty()) load();
}

void Logins::load() {
  try {
    const auto text = read_private_file(file_, kMostBytes);
    if (!text) return;
    const Json content = parse_json(*text);
    for (const Json& entry : content.at("sessions").as_array()) {
      by_hash_[entry.at("session").as_string()] = to_login(entry);
    }
  } catch (const Error& error) {
    log.warn("{} cannot be read, so everybody has to log in again: {}", file_.filename().string(),
             error.message);
    by_hash_.clear();
  }
}

std::string Logins::open(Login login, Random& random, std::chrono::milliseconds now) {
  std::string cookie = random_hex(random, kCookieBytes);
  const std::lock_guard lock{mutex_};
  std::erase_if(by_hash_, [now](const auto& entry) { return entry.second.expires <= now; });
  if (by_hash_.size() >= kMostLogins) {
    by_hash_.erase(std::ranges::min_element(
        by_hash_, {}, [](const auto& entry) { return entry.second.expires; }));
  }
  by_hash_[to_hex(sha256(cookie))] = std::move(login);
  return cookie;
}

std::optional<Login> Logins::find(std::string_view cookie, std::chrono::milliseconds now) const {
  if (cookie.size() != 2 * kCookieBytes) return {};
  const std::string hash = to_hex(sha256(cookie));
  const std::lock_guard lock{mutex_};
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end() || found->second.expires <= now) return {};
  return found->second;
}

bool Logins::close(std::string_view cookie) {
  const std::string hash = to_hex(sha256(cookie));
  const std::lock_guard lock{mutex_};
  return by_hash_.erase(hash) > 0;
}

std::string Logins::text() const {
  const std::lock_guard lock{mutex_};
  Json::Array sessions;
  for (const auto& [hash, login] : by_hash_) sessions.emplace_back(to_object(hash, login));
  return to_json(Json::Object{{"sessions", std::move(sessions)}});
}

void Logins::save() const {
  if (file_.empty()) return;
  const std::lock_guard lock{saving_};
  write_private_file(file_, text());
}

}  // namespace comfy::access
