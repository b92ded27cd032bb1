// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"
#include "foundation/paths/root.h"

namespace comfy::server {

/// Merges `from` into `into`: objects member by member, lists end to end, anything else replaced.
void merge_json(Json& into, const Json& from);

/// Adds the translations that folders of nodes bring along, <folder>/locales/<language>/: main.json
/// is the base, nodeDefs.json, commands.json and settings.json become members of those names.
/// Files that are no JSON object count as empty.
void merge_translations(Json::Object& all, const paths::Root& custom_nodes);

}  // namespace comfy::server
