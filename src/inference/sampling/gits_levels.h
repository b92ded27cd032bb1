// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>

namespace comfy::sampling {

inline constexpr std::size_t kGitsCoefficients = 15;  ///< 0.80, 0.85 ... 1.50
inline constexpr int kGitsMostSteps = 20;             ///< 2 steps and more are tabulated
inline constexpr double kGitsFirst = 14.61464119, kGitsLast = 0.02916753;  ///< of every run
inline constexpr std::size_t kGitsInnerLevels = 190;                       ///< 1 + 2 + ... + 19

/// Every noise level that a run may visit between the first and the last one.
extern const double kGitsLevels[];
/// Which of them: those of 2 steps, then of 3 and so on.
extern const unsigned char kGitsChoice[kGitsCoefficients][kGitsInnerLevels];

}  // namespace comfy::sampling
