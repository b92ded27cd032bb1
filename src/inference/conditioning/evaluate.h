// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/conditioning/guidance.h"
#include "inference/conditioning/resolve.h"
#include "inference/models/diffusion_model.h"
#include "inference/sampling/model_sampling.h"

#include <memory>
#include <vector>

namespace comfy::conditioning {

/// A model ready to be sampled: what its socket carries, and the network built from it.
struct SampledModel {
  models::Model model;
  std::shared_ptr<const models::DiffusionModel> network;
};

/// Runs the network for conditioning lists at one noise level.
class Evaluator {
 public:
  Evaluator(SampledModel model, sampling::ModelSampling sampling)
      : model_{std::move(model)}, sampling_{std::move(sampling)} {}

  /// The clean sample of each list: its entries' predictions averaged by area, mask and strength.
  /// All that fits together goes through the network in one call. A null list, or one of which no
  /// entry holds at this sigma, gives zeros. hooks: in place of the model's own; null = none.
  std::vector<Tensor> operator()(const std::vector<const ResolvedConditioning*>& lists,
                                 const Tensor& x, double sigma,
                                 const models::BlockHooks* hooks) const;

  const SampledModel& model() const { return model_; }
  /// What nodes hung around guidance; empty options when nothing.
  const GuidanceOptions& guidance() const;
  const sampling::ModelSampling& sampling() const { return sampling_; }

 private:
  struct Part;
  std::optional<Part> part(const ResolvedEntry& entry, const Tensor& x, double sigma) const;
  Tensor run(const std::vector<Part>& parts, double sigma, const models::BlockHooks* hooks) const;

  SampledModel model_;
  sampling::ModelSampling sampling_;
};

}  // namespace comfy::conditioning
