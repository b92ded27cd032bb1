// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/nn/kernels.h"

#include <algorithm>
#include <bit>

namespace comfy::nn::kernels {
namespace {

/// e^x to about one unit in the last place, for vector units: x = n ln 2 + r, a polynomial for e^r.
/// Source: coefficients of Cephes' expf.
[[gnu::always_inline]] inline float exponential(float x) {
  constexpr float kLog2E = 1.44269504088896341F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  x = x < -87.0F ? -87.0F : x;
  x = x > 88.0F ? 88.0F : x;
  const float n = (x * kLog2E + kRound) - kRound;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const std::int32_t exponent = (static_cast<std::int32_t>(n) + 127) << 23;
  return p * std::bit_cast<float>(exponent);
}

[[gnu::always_inline]] inline float silu(float x) { return x / (1.0F + exponential(-x)); }

/// x * Phi(x) by the complementary error function.
/// Source: Press et al., Numerical Recipes, erfc by Chebyshev fit (fractional error 1.2e-7).
[[gnu::always_inline]] inline float gelu(float x) {
  constexpr float kInvSqrt2 = 0.70710678118654752F;
  const float z = (x < 0.0F ? -x : x) * kInvSqrt2;
  const float t = 1.0F / (1.0F + 0.5F * z);
  float p = 0.17087277F;
  p = p * t - 0.82215223F;
  p = p * t + 1.48851587F;
  p = p * t - 1.13520398F;
  p = p * t + 0.27886807F;
  p = p * t - 0.18628806F;
  p = p * t + 0.09678418F;
  p = p * t + 0.37409196F;
  p = p * t + 1.00002368F;
  const float half_erfc = 0.5F * t * exponential(-z * z - 1.26551223F + p * t);
  return x * (x < 0.0F ? half_erfc : 1.0F - half_erfc);
}

constexpr std::int64_t kLanes = 64;      // channels summed at a time: a few vector registers
constexpr std::int64_t kFloatRows = 64;  // rows summed in float32 before going to float64

}  // namespace

[[gnu::COMFY_CPU_VARIANTS]] void add_channel_sums(const float* x, std::int64_t rows,
                                                  std::int64_t channels, const float* shift,
                                                  double* sum, double* square) {
  for (std::int64_t first = 0; first < rows; first += kFloatRows) {
    const std::int64_t last = std::min(rows, first + kFloatRows);
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      const std::int64_t lanes = std::min(kLanes, channels - c);
      float s[kLanes] = {};
      float q[kLanes] = {};
      for (std::int64_t r = first; r < last; ++r) {
        const float* row = x + r * channels + c;
        for (std::int64_t i = 0; i < lanes; ++i) {
          const float d = row[i] - shift[c + i];
          s[i] += d;
          q[i] += d * d;
        }
      }
      for (std::int64_t i = 0; i < lanes; ++i) {
        sum[c + i] += static_cast<double>(s[i]);
        square[c + i] += static_cast<double>(q[i]);
      }
    }
  }
}

[[gnu::COMFY_CPU_VARIANTS]] void scale_channels(const float* x, float* y, std::int64_t rows,
                                                std::int64_t channels, const float* scale,
                                                const float* offset) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* from = x + r * channels;
    float* to = y + r * channels;
#pragma GCC ivdep
    for (std::int64_t c = 0; c < channels; ++c) to[c] = from[c] * scale[c] + offset[c];
  }
}

[[gnu::COMFY_CPU_VARIANTS]] void scale_channels_silu(const float* x, float* y, std::int64_t rows,
                                                     std::int64_t channels, const float* scale,
                                                     const float* offset) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* from = x + r * channels;
    float* to = y + r * channels;
#pragma GCC ivdep
    for (std::int64_t c = 0; c < channels; ++c) to[c] = silu(from[c] * scale[c] + offset[c]);
  }
}

[[gnu::COMFY_CPU_VARIANTS]] void geglu(const float* x, float* y, std::int64_t rows,
                                       std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* value = x + r * 2 * width;
    const float* gate = value + width;
    float* to = y + r * width;
#pragma GCC ivdep
    for (std::int64_t c = 0; c < width; ++c) to[c] = value[c] * gelu(gate[c]);
  }
}

}  // namespace comfy::nn::kernels
