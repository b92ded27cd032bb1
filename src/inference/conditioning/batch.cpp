// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/batch.h"

#include "inference/tensor/ops.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace comfy::conditioning {

Tensor repeat_to_batch(const Tensor& items, std::int64_t batch) {
  const std::int64_t count = items.size(0);
  if (count == batch) return items;
  if (count > batch) return items.narrow(0, 0, batch);
  Shape repeats(static_cast<std::size_t>(items.dim()), 1);
  repeats[0] = (batch + count - 1) / count;
  return items.repeat(repeats).narrow(0, 0, batch);
}

Tensor spread_over_batch(const Tensor& items, std::int64_t batch) {
  const std::int64_t count = items.size(0);
  if (count == batch) return items;
  if (batch <= 1) return items.narrow(0, 0, batch);
  std::vector<Tensor> spread;
  for (std::int64_t i = 0; i < batch; ++i) {
    const double place =
        batch < count
            ? std::nearbyint(static_cast<double>(i * (count - 1)) / static_cast<double>(batch - 1))
            : std::floor((static_cast<double>(i) + 0.5) * static_cast<double>(count) /
                         static_cast<double>(batch));
    spread.push_back(items[std::min(static_cast<std::int64_t>(place), count - 1)]);
  }
  return at::stack(spread);
}

Tensor mask_like_latent(const Tensor& mask, const Shape& latent_shape) {
  const std::int64_t height = latent_shape[latent_shape.size() - 2];
  const std::int64_t width = latent_shape.back();
  Tensor shaped;
  if (latent_shape.size() == 5) {
    const Tensor frames =
        mask.dim() < 5 ? mask.reshape({1, 1, -1, mask.size(-2), mask.size(-1)}) : mask;
    shaped =
        at::upsample_trilinear3d(frames.to(at::kFloat), {latent_shape[2], height, width}, false);
  } else {
    const Tensor pictures = mask.reshape({-1, 1, mask.size(-2), mask.size(-1)});
    shaped = at::upsample_bilinear2d(pictures.to(at::kFloat), {height, width}, false);
  }
  const std::int64_t channels = latent_shape[1];
  if (shaped.size(1) < channels) {
    Shape repeats(latent_shape.size(), 1);
    repeats[1] = channels;
    shaped = shaped.repeat(repeats).narrow(1, 0, channels);
  }
  return repeat_to_batch(shaped, latent_shape[0]);
}

Tensor resized_mask(const Tensor& mask, std::int64_t height, std::int64_t width) {
  if (mask.size(-2) == height && mask.size(-1) == width) return mask;
  return at::upsample_bilinear2d(mask.unsqueeze(1).to(at::kFloat), {height, width}, false)
      .squeeze(1);
}

}  // namespace comfy::conditioning
