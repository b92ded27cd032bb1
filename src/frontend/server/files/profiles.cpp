// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/files/profiles.h"

#include "foundation/base/error.h"
#include "foundation/base/ids.h"
#include "foundation/base/random.h"
#include "foundation/base/strings.h"
#include "frontend/server/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

namespace comfy::server {
namespace {

constexpr std::size_t kMaxFile = std::size_t{16} << 20;
constexpr std::size_t kMaxName = 200;
constexpr std::string_view kSettings = "comfy.settings.json";
constexpr std::string_view kUsers = "users.json";

std::string id_from(std::string_view name, Random& random) {
  std::string id;
  for (const char c : name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    if (plain) {
      id += c;
    } else if (id.empty() || id.back() != '-') {
      id += '-';
    }
  }
  return id + "_" + uuid4(random);
}

}  // namespace

std::optional<Json::Object> read_object(const paths::Root& root, std::string_view name) {
  const auto file = root.find(paths::ClientPath::parse(name));
  if (!file) return {};
  try {
    Json content = parse_json(paths::read_all(*file, kMaxFile));
    return std::move(content.as_object());
  } catch (const Error& error) {
    log.warn("{} cannot be read and counts as empty: {}", (root.path().filename() / name).string(),
             error.message);
    return Json::Object{};
  }
}

void write_object(const paths::Root& root, std::string_view name, const Json::Object& content) {
  paths::NewFile file = root.create(paths::ClientPath::parse(name));
  file.write(to_pretty_json(content));
  file.publish(paths::Existing::replace);
}

Json::Object read_users(const paths::Folders& folders) {
  return read_object(paths::Root{folders.user_directory()}, kUsers).value_or(Json::Object{});
}

bool knows_user(const paths::Folders& folders, std::string_view id) {
  return read_users(folders).contains(id);
}

std::string add_user(const paths::Folders& folders, std::string_view name, Random& random) {
  const std::string_view trimmed = trim(name);
  if (trimmed.empty() || trimmed.size() > kMaxName)
    throw Error{Error::Kind::invalid_input,
                fmt::format("username must have 1 to {} bytes, got {}", kMaxName, trimmed.size())};
  if (trimmed.starts_with("__"))
    throw Error{Error::Kind::invalid_input, "username must not begin with '__'"};
  Json::Object users = read_users(folders);
  for (const auto& [id, existing] : users) {
    if (existing.is_string() && existing.as_string() == trimmed)
      throw Error{Error::Kind::conflict, "Duplicate username."};
  }
  const std::string id = id_from(trimmed, random);
  users[id] = std::string{trimmed};
  write_object(paths::Root{folders.user_directory()}, kUsers, users);
  return id;
}

Json::Object read_settings(const paths::Folders& folders, std::string_view user) {
  auto stored = read_object(folders.area(paths::Area::user, user), kSettings);
  if (stored) return std::move(*stored);
  return {{"Comfy.TutorialCompleted", true}};
}

void write_settings(const paths::Folders& folders, std::string_view user,
                    const Json::Object& settings) {
  write_object(folders.area(paths::Area::user, user), kSettings, settings);
}

}  // namespace comfy::server
