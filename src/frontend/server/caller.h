// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/jobs/jobs.h"
#include "frontend/server/request.h"

namespace comfy::server {

/// Whose jobs a request sees and touches: all of them without authentication and for an
/// administrator, otherwise the user's own.
inline jobs::Caller caller_of(const Request& request) {
  if (request.identity.sees_everything()) return {};
  return {.user = request.identity.user};
}

}  // namespace comfy::server
