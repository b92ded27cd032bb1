// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "golden/area.h"

namespace comfy::golden {

/// A picture file through LoadImage and LoadImageMask, or tensors through SaveImage.
std::optional<Outcome> run_image_io(const std::filesystem::path& file);

}  // namespace comfy::golden
