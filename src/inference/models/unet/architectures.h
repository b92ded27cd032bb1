// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/models/architecture.h"

namespace comfy::models::unet {

/// The families whose network is the LDM UNet, under ComfyUI's names.
extern const Architecture kSd15, kSd15InstructPix2Pix, kSd20, kSd21Unclip, kSdxl,
    kSdxlInstructPix2Pix, kSdxlRefiner, kSdX4Upscaler, kSvd;

}  // namespace comfy::models::unet
