// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <filesystem>

namespace comfy::golden {

/// A base folder whose models/ offers the recorded models folder to the product: the tiny
/// checkpoints get their attention heads, which no tensor tells, as `comfy.config` metadata. Made
/// once, kept in the user's cache folder. models: the recorded folder, such as golden/e2e/models.
std::filesystem::path offer_models(const std::filesystem::path& models);

/// Makes the models that a case derives from recorded ones (case.derived_models) where they are
/// missing.
void make_derived_models(const Json& derived, const std::filesystem::path& models,
                         const std::filesystem::path& base);

}  // namespace comfy::golden
