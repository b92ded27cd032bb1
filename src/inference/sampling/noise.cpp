// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/noise.h"

#include "foundation/base/error.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

namespace comfy::sampling {

Tensor prepare_noise(const Tensor& latent, tensor::Generator& generator,
                     std::span<const std::int64_t> batch_index) {
  Shape shape = latent.sizes().vec();
  if (batch_index.empty()) return generator.randn(shape, latent.scalar_type());
  const auto [low, high] = std::minmax_element(batch_index.begin(), batch_index.end());
  if (*low < 0) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("batch_index must not be negative, got {}", *low)};
  }
  shape[0] = 1;
  std::map<std::int64_t, Tensor> wanted;
  for (const std::int64_t index : batch_index) wanted.try_emplace(index);
  for (std::int64_t i = 0; i <= *high; ++i) {
    Tensor noise = generator.randn(shape, latent.scalar_type());  // drawn even when nobody wants it
    if (const auto found = wanted.find(i); found != wanted.end()) found->second = std::move(noise);
  }
  std::vector<Tensor> noises;
  for (const std::int64_t index : batch_index) noises.push_back(wanted[index]);
  return at::cat(noises);
}

Tensor fix_empty_latent_channels(const Tensor& latent, std::int64_t channels,
                                 std::int64_t latent_dimensions) {
  Tensor fixed = latent;
  if (latent.size(1) != channels && latent.count_nonzero().item<std::int64_t>() == 0) {
    Shape shape = latent.sizes().vec();
    shape[1] = channels;
    fixed = latent.new_zeros(shape);
  }
  if (latent_dimensions == 3 && fixed.dim() == 4) fixed = fixed.unsqueeze(2);
  return fixed;
}

}  // namespace comfy::sampling
