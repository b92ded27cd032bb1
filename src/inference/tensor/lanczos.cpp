// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/lanczos.h"

#include "foundation/base/error.h"
#include "inference/tensor/ops.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <numbers>

namespace comfy::tensor {
namespace {

constexpr double kLobes = 3.0;
constexpr int kFractionBits = 22;  // 32 less 8 of a pixel and 2 for the overshoot of negative lobes
constexpr std::int32_t kHalf = 1 << (kFractionBits - 1);

/// The input pixels that make one output pixel: `weights` on the positions from `first`.
struct Taps {
  std::int64_t first;
  std::vector<std::int32_t> weights;
};

double sinc(double x) {
  if (x == 0.0) return 1.0;
  const double angle = x * std::numbers::pi;
  return std::sin(angle) / angle;
}

double lanczos(double x) { return x < -kLobes || x >= kLobes ? 0.0 : sinc(x) * sinc(x / kLobes); }

std::int32_t to_fixed_point(double weight) {
  const double scaled = weight * (1 << kFractionBits);
  return static_cast<std::int32_t>(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

std::vector<Taps> taps_of(std::int64_t old_size, std::int64_t new_size) {
  const double scale = static_cast<double>(old_size) / static_cast<double>(new_size);
  const double stretch = std::max(scale, 1.0);  // a smaller picture averages over more pixels
  const double reach = kLobes * stretch;
  const double shrink = 1.0 / stretch;
  std::vector<Taps> taps;
  taps.reserve(static_cast<std::size_t>(new_size));
  std::vector<double> weights;
  for (std::int64_t i = 0; i < new_size; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max(static_cast<std::int64_t>(center - reach + 0.5), std::int64_t{0});
    const auto end = std::min(static_cast<std::int64_t>(center + reach + 0.5), old_size);
    weights.clear();
    double sum = 0;
    for (std::int64_t at = 0; at < end - first; ++at) {
      weights.push_back(lanczos((static_cast<double>(at + first) - center + 0.5) * shrink));
      sum += weights.back();
    }
    Taps& tap = taps.emplace_back(Taps{first, {}});
    for (const double weight : weights) tap.weights.push_back(to_fixed_point(weight / sum));
  }
  return taps;
}

std::uint8_t to_byte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

/// pixels: [rows, old width] -> [rows, new width].
Tensor resize_rows(const Tensor& pixels, std::int64_t new_width) {
  const std::int64_t rows = pixels.size(0), old_width = pixels.size(1);
  const std::vector<Taps> taps = taps_of(old_width, new_width);
  Tensor result = at::empty({rows, new_width}, at::kByte);
  const std::uint8_t* from = pixels.const_data_ptr<std::uint8_t>();
  std::uint8_t* to = result.mutable_data_ptr<std::uint8_t>();
  at::parallel_for(0, rows, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      for (std::int64_t x = 0; x < new_width; ++x) {
        const Taps& tap = taps[static_cast<std::size_t>(x)];
        const std::uint8_t* source = from + row * old_width + tap.first;
        std::int32_t sum = kHalf;
        for (const std::int32_t weight : tap.weights) sum += weight * *source++;
        to[row * new_width + x] = to_byte(sum);
      }
    }
  });
  return result;
}

/// pixels: [planes, old height, width] -> [planes, new height, width].
Tensor resize_columns(const Tensor& pixels, std::int64_t new_height) {
  const std::int64_t planes = pixels.size(0), old_height = pixels.size(1), width = pixels.size(2);
  const std::vector<Taps> taps = taps_of(old_height, new_height);
  Tensor result = at::empty({planes, new_height, width}, at::kByte);
  const std::uint8_t* from = pixels.const_data_ptr<std::uint8_t>();
  std::uint8_t* to = result.mutable_data_ptr<std::uint8_t>();
  at::parallel_for(0, planes * new_height, 16, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int32_t> sums(static_cast<std::size_t>(width));
    for (std::int64_t row = begin; row < end; ++row) {
      const Taps& tap = taps[static_cast<std::size_t>(row % new_height)];
      const std::uint8_t* source = from + (row / new_height * old_height + tap.first) * width;
      std::fill(sums.begin(), sums.end(), kHalf);
      for (const std::int32_t weight : tap.weights) {
        for (std::int32_t& sum : sums) sum += weight * *source++;
      }
      std::transform(sums.begin(), sums.end(), to + row * width, to_byte);
    }
  });
  return result;
}

/// Colour times alpha as 8-bit fractions, rounded. Both in int.
Tensor multiply_by_alpha(const Tensor& color, const Tensor& alpha) {
  const Tensor product = color * alpha + 128;
  return (product.bitwise_right_shift(8) + product).bitwise_right_shift(8);
}

/// The opposite, truncated; where alpha is 0 colours stay as they are.
Tensor divide_by_alpha(const Tensor& color, const Tensor& alpha) {
  const Tensor quotient = at::div(color * 255, alpha.clamp_min(1), "trunc").clamp_max(255);
  return at::where(alpha == 0, color, quotient);
}

Tensor with_colors(const Tensor& pixels, Tensor (*change)(const Tensor&, const Tensor&)) {
  const std::int64_t colors = pixels.size(1) - 1;
  const Tensor color = pixels.narrow(1, 0, colors).to(at::kInt);
  const Tensor alpha = pixels.narrow(1, colors, 1);
  return at::cat({change(color, alpha.to(at::kInt)).to(at::kByte), alpha}, 1);
}

}  // namespace

Tensor lanczos_8bit(const Tensor& pixels, std::int64_t width, std::int64_t height) {
  const std::int64_t batch = pixels.size(0), channels = pixels.size(1);
  const std::int64_t old_height = pixels.size(2), old_width = pixels.size(3);
  if (channels < 1 || channels > 4) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("lanczos resizes pictures of 1 to 4 channels, got {}", channels)};
  }
  if (width == old_width && height == old_height) return pixels;
  const bool has_alpha = channels % 2 == 0;
  Tensor work = (has_alpha ? with_colors(pixels, multiply_by_alpha) : pixels).contiguous();
  if (width != old_width) work = resize_rows(work.reshape({-1, old_width}), width);
  if (height != old_height) {
    work = resize_columns(work.reshape({-1, old_height, width}), height);
  }
  work = work.reshape({batch, channels, height, width});
  return has_alpha ? with_colors(work, divide_by_alpha) : work;
}

}  // namespace comfy::tensor
