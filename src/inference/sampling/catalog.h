// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/sampling/sampler.h"

#include <span>
#include <string_view>

namespace comfy::sampling {

enum class Penultimate { kept, left_out };

/// One entry of the sampler menu. A row without a function shows in the menu and is refused when
/// run.
struct SamplerRow {
  std::string_view name;
  Tensor (*function)(const Denoiser&, Tensor, std::span<const double>,
                     const SamplerContext&) = nullptr;
  Penultimate penultimate = Penultimate::kept;
  InpaintNoise inpaint_noise = InpaintNoise::same;
  double last_sigma = 0.0;
};

/// Every sampler in ComfyUI's order, which is the user's menu.
std::span<const SamplerRow> sampler_catalog();

}  // namespace comfy::sampling
