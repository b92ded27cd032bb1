// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/sampling/schedule.h"

#include <optional>
#include <string_view>

namespace comfy::sampling {

// Noise levels that were searched for and published as tables. Between and beyond their steps they
// are interpolated, linearly in log sigma. With denoise < 1 the last part of them; empty when
// denoise <= 0.

/// model: "SD1", "SDXL" or "SVD". Sabour et al. 2024 (arXiv:2404.14507).
Sigmas align_your_steps_sigmas(std::string_view model, int steps, double denoise);
/// model: "FLUX", "Wan" or "Chroma". Pei et al. 2025 (arXiv:2503.21774).
Sigmas optimal_steps_sigmas(std::string_view model, int steps, double denoise);
/// coefficient: 0.80 to 1.50 by 0.05; steps: 2 or more. Chen et al. 2024 (arXiv:2405.11326).
/// All three throw Error(invalid_input) for what is not tabulated.
Sigmas gits_sigmas(double coefficient, int steps, double denoise);
/// A shift that grows with the number of tokens; `terminal`: where the last sigma before 0 is
/// stretched to, nothing = not. As LTX-Video was trained.
Sigmas ltxv_sigmas(int steps, double shift, std::optional<double> terminal);

}  // namespace comfy::sampling
