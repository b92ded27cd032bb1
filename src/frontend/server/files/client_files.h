// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/media/decode.h"
#include "foundation/paths/folders.h"
#include "frontend/server/request.h"
#include "frontend/server/response.h"
#include "frontend/server/route.h"
#include "frontend/server/services.h"

#include <string>
#include <string_view>

namespace comfy::server {

/// A handler that may wait: it runs on the blocking pool.
using BlockingHandler = Response (*)(const Request&, Services&);

/// The Handler of a BlockingHandler, for the route table.
template <BlockingHandler handler>
awaitable<Response> on_pool(const Request& request, Services& services) {
  const auto work = [&request, &services] { return handler(request, services); };
  co_return co_await services.blocking.run(work);
}

/// Whose files this request may touch: the user of the key, or without authentication and with
/// --multi-user the one whom it names.
/// Throws Error(forbidden) when nobody has that id.
std::string user_of(const Request& request, Services& services);

/// Whose the prompts of this request are; empty where nobody is told apart.
std::string owner_of(const Request& request, Services& services);

/// Throws Error(not_found) for paths that no client may see: what the program keeps in .comfy/.
void check_visible(const paths::ClientPath& path);

/// Reads a picture file whole. Throws Error(too_large) above 512 MiB.
std::string read_picture(const FileDescriptor& file);

/// The stem and the suffix of a name, as Python splits them: ".x" is all stem.
struct SplitName {
  std::string_view stem;
  std::string_view suffix;
};
SplitName split_suffix(std::string_view name);

/// A time as Python's os.path.getmtime gives it.
double python_time(std::int64_t nanoseconds);

/// Python's query booleans: "true" in any case.
bool is_true(const Request& request, std::string_view name);

}  // namespace comfy::server
