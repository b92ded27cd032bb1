// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/conditioning/guidance.h"
#include "worker/nodes/ports.h"

#include <functional>
#include <memory>
#include <string_view>

/// How nodes hang their functions around a model's guidance: each returns the changed model. key
/// names the node and its numbers, so that caches can tell two changes apart.

namespace comfy::nodes {

Model with_pre_cfg(const Model& model, std::string_view key, conditioning::PreCfg change);
Model with_cfg_function(const Model& model, std::string_view key, conditioning::CfgFunction guide);
/// The same for one that evaluates a further list; it gets the number of that list.
Model with_cfg_function(
    const Model& model, std::string_view key, const Conditioning& extra,
    std::function<Tensor(const conditioning::GuidanceStep& step, std::size_t extra)> guide);
Model with_post_cfg(const Model& model, std::string_view key, conditioning::PostCfg change);
/// Puts the generator of each run's noise into `generator` as the run begins.
Model drawing_on(const Model& model, std::shared_ptr<tensor::Generator> generator);
/// Runs the negative side even at cfg 1.
Model with_uncond_always(const Model& model);
Model with_mask_function(const Model& model, std::string_view key, sampling::MaskFunction function);

}  // namespace comfy::nodes
