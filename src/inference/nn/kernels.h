// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>

/// Loops over plain float32 arrays that do in one pass what takes libtorch several. Compiled for
/// several instruction sets; the best one is taken at run time. No threads in here.
namespace comfy::nn::kernels {

/// Sums of a channels-last map: for each channel c, of x[r, c] - shift[c] and of its square, over
/// the rows, added to `sum` and `square`. A shift near the values keeps the squares' cancellation
/// small.
void add_channel_sums(const float* x, std::int64_t rows, std::int64_t channels, const float* shift,
                      double* sum, double* square);

/// y[r, c] = x[r, c] * scale[c] + offset[c]; y may be x.
void scale_channels(const float* x, float* y, std::int64_t rows, std::int64_t channels,
                    const float* scale, const float* offset);
/// The same, then y * sigmoid(y).
void scale_channels_silu(const float* x, float* y, std::int64_t rows, std::int64_t channels,
                         const float* scale, const float* offset);

/// y[r, c] = x[r, c] * gelu(x[r, width + c]), c < width; a row of x has 2 * width numbers.
void geglu(const float* x, float* y, std::int64_t rows, std::int64_t width);

}  // namespace comfy::nn::kernels
