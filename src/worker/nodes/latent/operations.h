// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "worker/nodes/ports.h"

#include <functional>
#include <string>

namespace comfy::nodes {

/// A function from latent samples to latent samples, made by one node and applied by another.
struct LatentOperation {
  std::function<Tensor(const Tensor& samples)> apply;
  std::string key = {};  ///< names the content
};

}  // namespace comfy::nodes

namespace comfy::engine {

template <>
struct Port<nodes::LatentOperation> : Socket<"LATENT_OPERATION"> {};

}  // namespace comfy::engine
