// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/conditioning/control.h"
#include "inference/models/control/control_net.h"

#include <functional>
#include <memory>

namespace comfy::conditioning {

enum class ControlPooling { none, global_average };

/// A ControlNet with the picture that it follows, and when and how strongly.
struct ControlSettings {
  /// The network, built or found when it is needed.
  std::function<std::shared_ptr<const models::control::ControlNet>()> network;
  Tensor hint;  ///< [B, 3, H, W] of any size, 0..1
  double strength = 1.0;
  double start_percent = 0.0, end_percent = 1.0;  ///< parts of sampling
  ControlPooling pooling = ControlPooling::none;
  std::shared_ptr<const Control> previous = {};  ///< whose residuals are added
};

std::shared_ptr<const Control> applied_control(ControlSettings settings);

}  // namespace comfy::conditioning
