// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "frontend/server/files/client_files.h"
#include "frontend/server/files/file_state.h"
#include "frontend/server/files/groups.h"
#include "frontend/server/files/profiles.h"

#include <mutex>
#include <optional>

namespace comfy::server {
namespace {

Response get_users(const Request& request, Services& services) {
  Json::Object answer{{"storage", "server"}};
  // With authentication there is nobody to choose from: the key says who it is.
  if (services.settings.multi_user && !request.identity.authenticated) {
    answer["users"] = read_users(services.folders);
  } else {
    const paths::Root profile = services.folders.area(paths::Area::user, request.identity.user);
    answer["migrated"] = profile.status({}).has_value();
  }
  return json_response(answer);
}

Response post_user(const Request& request, Services& services) {
  const Json::Object body = request.json_object();
  const Json* name = body.find("username");
  if (name == nullptr || !name->is_string())
    return json_response(Json::Object{{"error", "username must be a string"}}, 400);
  const std::lock_guard lock{services.files.profiles};
  try {
    return json_response(add_user(services.folders, name->as_string(), services.random));
  } catch (const Error& error) {
    if (error.kind == Error::Kind::unavailable) throw;
    return json_response(Json::Object{{"error", error.message}}, 400);
  }
}

/// The user, or nothing when settings are asked for somebody unknown: the editor takes 401 for "log
/// in again".
std::optional<std::string> settings_user(const Request& request, Services& services) {
  try {
    return user_of(request, services);
  } catch (const Error& error) {
    if (error.kind != Error::Kind::forbidden) throw;
    return {};
  }
}

Response get_settings(const Request& request, Services& services) {
  const auto user = settings_user(request, services);
  if (!user) return empty_response(401);
  return json_response(read_settings(services.folders, *user));
}

Response get_setting(const Request& request, Services& services) {
  const auto user = settings_user(request, services);
  if (!user) return empty_response(401);
  const Json::Object settings = read_settings(services.folders, *user);
  const Json* value = settings.find(request.parameters.at(0));
  return json_response(value == nullptr ? Json{} : *value);
}

Response post_settings(const Request& request, Services& services) {
  const Json::Object changes = request.json_object();
  const std::string user = user_of(request, services);
  const std::lock_guard lock{services.files.profiles};
  Json::Object settings = read_settings(services.folders, user);
  for (const auto& [id, value] : changes) settings[id] = value;
  write_settings(services.folders, user, settings);
  return empty_response();
}

Response post_setting(const Request& request, Services& services) {
  Json value = request.json();
  const std::string user = user_of(request, services);
  const std::lock_guard lock{services.files.profiles};
  Json::Object settings = read_settings(services.folders, user);
  settings[request.parameters.at(0)] = std::move(value);
  write_settings(services.folders, user, settings);
  return empty_response();
}

}  // namespace

std::vector<Route> profile_routes() {
  return {
      {Method::get, "/users", on_pool<get_users>},
      {Method::post, "/users", on_pool<post_user>, BodyLimit::small, Alias::api, Access::admin},
      {Method::get, "/settings", on_pool<get_settings>},
      {Method::post, "/settings", on_pool<post_settings>},
      {Method::get, "/settings/{id}", on_pool<get_setting>},
      {Method::post, "/settings/{id}", on_pool<post_setting>},
  };
}

}  // namespace comfy::server
