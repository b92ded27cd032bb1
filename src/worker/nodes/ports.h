// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/conditioning/conditioning.h"
#include "inference/models/model.h"
#include "inference/tensor/tensor.h"
#include "worker/engine/port.h"

#include <cstdint>
#include <vector>

/// What travels on the sockets between nodes: cheap values that share immutable data.

namespace comfy::nodes {

/// Pictures: float32 [B, H, W, C], 0..1, C = 3 or 4.
struct Image {
  Tensor pixels;
};

/// Masks: float32 [B, H, W], 0..1; 1 = chosen.
struct Mask {
  Tensor values;
};

/// Pictures in the space of a diffusion network.
struct Latent {
  Tensor samples;          ///< [B, C, H, W]; video [B, C, T, H, W]
  Tensor noise_mask = {};  ///< [B or 1, 1, H, W] of any size; 1 = may change. Empty: everything
  std::vector<std::int64_t> batch_index =
      {};  ///< which noise each picture gets; empty: 0, 1, 2 ...
};

/// Bytes of the machine's memory behind a tensor; those of other devices do not count.
inline std::size_t memory_of(const Tensor& tensor) {
  return tensor.defined() && tensor.device().is_cpu() ? tensor.nbytes() : 0;
}
inline std::size_t memory_of(const Image& image) { return memory_of(image.pixels); }
inline std::size_t memory_of(const Mask& mask) { return memory_of(mask.values); }
inline std::size_t memory_of(const Latent& latent) {
  return memory_of(latent.samples) + memory_of(latent.noise_mask);
}

using conditioning::Conditioning;
using models::Clip;
using models::Model;
using models::Vae;

/// The longest side of a picture that a node offers, in pixels.
inline constexpr int kMaxSide = 16384;

}  // namespace comfy::nodes

namespace comfy::engine {

template <>
struct Port<nodes::Image> : Socket<"IMAGE"> {};
template <>
struct Port<nodes::Mask> : Socket<"MASK"> {};
template <>
struct Port<nodes::Latent> : Socket<"LATENT"> {};
template <>
struct Port<nodes::Conditioning> : Socket<"CONDITIONING"> {};
template <>
struct Port<nodes::Model> : Socket<"MODEL"> {};
template <>
struct Port<nodes::Clip> : Socket<"CLIP"> {};
template <>
struct Port<nodes::Vae> : Socket<"VAE"> {};

}  // namespace comfy::engine
