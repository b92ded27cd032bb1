// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/conditioning/applied_control.h"
#include "worker/nodes/ports.h"

#include <memory>
#include <optional>

namespace comfy::nodes {

/// What a CONTROL_NET socket carries.
struct ControlNet {
  std::optional<checkpoint::Weights> weights;
  conditioning::ControlPooling pooling = conditioning::ControlPooling::none;
};

struct Services;

/// The network of a ControlNet, built when it is not there yet.
std::shared_ptr<const models::control::ControlNet> resident(const checkpoint::Weights& control,
                                                            Services& services);

}  // namespace comfy::nodes

namespace comfy::engine {

template <>
struct Port<nodes::ControlNet> : Socket<"CONTROL_NET"> {};

}  // namespace comfy::engine
