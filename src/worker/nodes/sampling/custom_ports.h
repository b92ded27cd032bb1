// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/conditioning/sample.h"
#include "worker/nodes/ports.h"

#include <optional>

/// What travels between the nodes that put a sampling run together from its parts.

namespace comfy::nodes {

struct SigmaList {
  sampling::Sigmas values;
};

/// The seed of the starting noise; without one there is no noise.
struct Noise {
  std::optional<std::uint64_t> seed;
};

struct Guider {
  Model model;
  conditioning::Guide guide;
};

using sampling::Sampler;

}  // namespace comfy::nodes

namespace comfy::engine {

template <>
struct Port<nodes::SigmaList> : Socket<"SIGMAS"> {};
template <>
struct Port<nodes::Noise> : Socket<"NOISE"> {};
template <>
struct Port<nodes::Guider> : Socket<"GUIDER"> {};
template <>
struct Port<nodes::Sampler> : Socket<"SAMPLER"> {};

}  // namespace comfy::engine
