// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/resample.h"

#include "foundation/base/error.h"
#include "inference/tensor/lanczos.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

namespace comfy::tensor {
namespace {

/// How much is cut off at either side so that `size` shrinks to `share` of itself.
std::int64_t margin(std::int64_t size, double share) {
  const auto whole = static_cast<double>(size);
  return static_cast<std::int64_t>(std::nearbyint((whole - whole * share) / 2));
}

Tensor crop_to_aspect(const Tensor& samples, std::int64_t width, std::int64_t height) {
  const std::int64_t old_width = samples.size(-1), old_height = samples.size(-2);
  const double old_aspect = static_cast<double>(old_width) / static_cast<double>(old_height);
  const double new_aspect = static_cast<double>(width) / static_cast<double>(height);
  if (old_aspect > new_aspect) {
    const std::int64_t x = margin(old_width, new_aspect / old_aspect);
    return samples.narrow(-1, x, old_width - 2 * x);
  }
  const std::int64_t y = margin(old_height, old_aspect / new_aspect);
  return samples.narrow(-2, y, old_height - 2 * y);
}

/// pixels: [B, C, H, W], 0..1; values are clamped and truncated to 8 bits, as pictures are when
/// saved.
Tensor lanczos(const Tensor& pixels, std::int64_t width, std::int64_t height) {
  const Tensor bytes = (pixels.to(at::kFloat) * 255.0).nan_to_num(0.0).clamp(0, 255).to(at::kByte);
  return lanczos_8bit(bytes.cpu(), width, height).to(pixels.device(), at::kFloat) / 255.0;
}

/// Turns one vector into the other along the arc between them; lengths are mixed linearly.
/// from, to: [N, D]; ratio: [N, 1].
Tensor slerp(const Tensor& from, const Tensor& to, const Tensor& ratio) {
  const Tensor from_length = from.norm(2, {-1}, true), to_length = to.norm(2, {-1}, true);
  const Tensor from_unit = at::where(from_length == 0, 0.0, from / from_length);
  const Tensor to_unit = at::where(to_length == 0, 0.0, to / to_length);
  const Tensor cosine = (from_unit * to_unit).sum(-1, true);
  const Tensor angle = cosine.acos();
  const Tensor direction = (((1.0 - ratio) * angle).sin() / angle.sin()) * from_unit +
                           ((ratio * angle).sin() / angle.sin()) * to_unit;
  const Tensor mixed = direction * (from_length * (1.0 - ratio) + to_length * ratio);
  // Nearly equal vectors keep the first, nearly opposite ones are mixed in a straight line.
  const Tensor opposite = at::where(cosine < 1e-5 - 1, from * (1.0 - ratio) + to * ratio, mixed);
  return at::where(cosine > 1 - 1e-5, from, opposite);
}

/// The two neighbours of every new position on a line, and how far it lies from the first.
struct Neighbours {
  Tensor first, second;  ///< [new size], int64
  Tensor ratio;          ///< [new size]
};

Neighbours neighbours(std::int64_t old_size, std::int64_t new_size, const Tensor& like) {
  // Interpolating the ramp of indices gives the positions in exactly the rounding of a bilinear
  // resize.
  const auto positions = [&](const Tensor& ramp) {
    return at::upsample_bilinear2d(ramp.reshape({1, 1, 1, old_size}), {1, new_size}, false)
        .reshape({new_size});
  };
  const Tensor ramp = at::arange(old_size, like.options());
  const Tensor exact = positions(ramp);
  return {.first = exact.to(at::kLong),
          .second = positions((ramp + 1).clamp_max(old_size - 1)).to(at::kLong),
          .ratio = exact - exact.floor()};
}

/// Resizes the last axis. x: [B, C, H, W].
Tensor bislerp_last_axis(const Tensor& x, std::int64_t new_size) {
  const Neighbours at_new = neighbours(x.size(3), new_size, x);
  const Tensor vectors = x.movedim(1, -1);  // [B, H, W, C]
  const Tensor first = vectors.index_select(2, at_new.first),
               second = vectors.index_select(2, at_new.second);
  const std::int64_t depth = x.size(1);
  const Tensor ratio =
      at_new.ratio.reshape({1, 1, new_size, 1}).expand({x.size(0), x.size(2), new_size, 1});
  const Tensor mixed =
      slerp(first.reshape({-1, depth}), second.reshape({-1, depth}), ratio.reshape({-1, 1}));
  return mixed.reshape(first.sizes()).movedim(-1, 1);
}

Tensor bislerp(const Tensor& samples, std::int64_t width, std::int64_t height) {
  const Tensor wide = bislerp_last_axis(samples.to(at::kFloat), width);
  const Tensor high = bislerp_last_axis(wide.transpose(2, 3), height).transpose(2, 3);
  return high.to(samples.scalar_type());
}

Tensor nearest_exact(const Tensor& samples, std::int64_t width, std::int64_t height) {
  return at::_upsample_nearest_exact2d(samples, {height, width});
}
Tensor bilinear(const Tensor& samples, std::int64_t width, std::int64_t height) {
  return at::upsample_bilinear2d(samples, {height, width}, false);
}
Tensor bicubic(const Tensor& samples, std::int64_t width, std::int64_t height) {
  return at::upsample_bicubic2d(samples, {height, width}, false);
}
Tensor area(const Tensor& samples, std::int64_t width, std::int64_t height) {
  return at::adaptive_avg_pool2d(samples, {height, width});
}

struct Method {
  std::string_view name;
  Tensor (*resize)(const Tensor&, std::int64_t width, std::int64_t height);
};

constexpr Method kMethods[] = {{"nearest-exact", nearest_exact},
                               {"bilinear", bilinear},
                               {"area", area},
                               {"bicubic", bicubic},
                               {"lanczos", lanczos},
                               {"bislerp", bislerp}};

const Method& find_method(std::string_view name) {
  for (const Method& method : kMethods) {
    if (method.name == name) return method;
  }
  throw Error{Error::Kind::invalid_input,
              fmt::format("resampling method must be nearest-exact, bilinear, area, bicubic, "
                          "lanczos or bislerp, got \"{}\"",
                          name)};
}

}  // namespace

Tensor resample(const Tensor& samples, std::int64_t width, std::int64_t height,
                std::string_view method, Crop crop) {
  const Method& chosen = find_method(method);
  if (samples.dim() < 4) {
    throw Error{
        Error::Kind::invalid_input,
        fmt::format("samples must have four axes [B, C, H, W] or more, got {}", samples.dim())};
  }
  if (width < 1 || height < 1 || samples.numel() == 0) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("a size must be at least 1 x 1, got {} x {} from {} x {}", width,
                            height, samples.size(-1), samples.size(-2))};
  }
  const Tensor cut = crop == Crop::center ? crop_to_aspect(samples, width, height) : samples;
  if (cut.numel() == 0) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("nothing is left of {} x {} when it is cut to the shape of {} x {}",
                            samples.size(-1), samples.size(-2), width, height)};
  }
  if (samples.dim() == 4) return chosen.resize(cut, width, height);
  const std::int64_t batch = cut.size(0), channels = cut.size(1);
  const Tensor frames = cut.reshape({batch, channels, -1, cut.size(-2), cut.size(-1)})
                            .movedim(2, 1);  // [B, T, C, H, W]
  const Tensor resized =
      chosen.resize(frames.reshape({-1, channels, cut.size(-2), cut.size(-1)}), width, height);
  Shape shape = samples.sizes().vec();
  shape[shape.size() - 2] = height;
  shape[shape.size() - 1] = width;
  return resized.reshape({batch, -1, channels, height, width}).movedim(2, 1).reshape(shape);
}

}  // namespace comfy::tensor
