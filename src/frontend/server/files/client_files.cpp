// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/files/client_files.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "frontend/server/files/profiles.h"

namespace comfy::server {
namespace {

constexpr std::size_t kMaxPictureFile = std::size_t{512} << 20;

}  // namespace

std::string user_of(const Request& request, Services& services) {
  const std::string& known = request.identity.user;
  // With authentication the gate has read the header already.
  if (!services.settings.multi_user || request.identity.authenticated) return known;
  const auto named = request.headers.find("comfy-user");
  std::string user = named && !named->empty() ? std::string{*named} : known;
  if (!knows_user(services.folders, user))
    throw Error{Error::Kind::forbidden, "no user has the id that comfy-user names"};
  return user;
}

std::string owner_of(const Request& request, Services& services) {
  if (!request.identity.authenticated && !services.settings.multi_user) return {};
  return user_of(request, services);
}

void check_visible(const paths::ClientPath& path) {
  if (!path.empty() && path.parts().front() == ".comfy")
    throw Error{Error::Kind::not_found, "no such file"};
}

std::string read_picture(const FileDescriptor& file) {
  return paths::read_all(file, kMaxPictureFile);
}

SplitName split_suffix(std::string_view name) {
  const auto slash = name.rfind('/');
  const std::size_t start = slash == name.npos ? 0 : slash + 1;
  const auto dot = name.rfind('.');
  if (dot == name.npos || dot < start || name.find_first_not_of('.', start) >= dot)
    return {name, {}};
  return {name.substr(0, dot), name.substr(dot)};
}

double python_time(std::int64_t nanoseconds) {
  const std::int64_t seconds = nanoseconds / 1'000'000'000;
  return static_cast<double>(seconds) + 1e-9 * static_cast<double>(nanoseconds % 1'000'000'000);
}

bool is_true(const Request& request, std::string_view name) {
  const auto value = request.query.find(name);
  return value && lower(*value) == "true";
}

}  // namespace comfy::server
