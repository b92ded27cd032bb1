// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"
#include "foundation/paths/folders.h"

#include <optional>
#include <string>
#include <string_view>

namespace comfy {
class Random;
}

namespace comfy::server {

/// The object in a file; nothing when there is no file. A file that is no object counts as empty.
std::optional<Json::Object> read_object(const paths::Root& root, std::string_view name);
/// Replaces such a file as one step. The caller holds FileState::profiles.
void write_object(const paths::Root& root, std::string_view name, const Json::Object& content);

/// Names by user id, as <user directory>/users.json holds them; none when there is no such file.
Json::Object read_users(const paths::Folders& folders);
/// Whether a user of that id was made.
bool knows_user(const paths::Folders& folders, std::string_view id);
/// Makes a user and returns the id: the name with anything unusual replaced, and a UUID.
/// Throws Error(invalid_input) for an empty name, Error(conflict) for one that is taken.
/// The caller holds FileState::profiles.
std::string add_user(const paths::Folders& folders, std::string_view name, Random& random);

/// The settings of a user. One who never stored any has the tutorial marked as done, so that the
/// editor opens with a workflow and not with its dialog of templates.
Json::Object read_settings(const paths::Folders& folders, std::string_view user);
/// Replaces comfy.settings.json as one step. The caller holds FileState::profiles.
void write_settings(const paths::Folders& folders, std::string_view user,
                    const Json::Object& settings);

}  // namespace comfy::server
