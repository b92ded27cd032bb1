// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/guide.h"

#include "inference/tensor/ops.h"

#include <algorithm>
#include <cmath>

namespace comfy::conditioning {

namespace {

bool is_one(double cfg) { return std::abs(cfg - 1.0) <= 1e-9 * std::max(std::abs(cfg), 1.0); }

struct Guided {
  Evaluator evaluator;
  std::vector<ResolvedConditioning> lists;
  double cfg;

  const ResolvedConditioning& side(Side side) const {
    return lists[side == Side::positive ? 0 : 1];
  }

  sampling::Denoised operator()(const Tensor& x, double sigma, sampling::Guidance guidance) const {
    const GuidanceOptions& options = evaluator.guidance();
    const models::BlockHooks* hooks = evaluator.model().model.hooks();
    const bool with_uncond =
        !is_one(cfg) || guidance == sampling::Guidance::with_uncond || options.always_run_uncond;
    const std::vector<Tensor> predictions = evaluator(
        {&side(Side::positive), with_uncond ? &side(Side::negative) : nullptr}, x, sigma, hooks);

    GuidanceStep step{.x = x,
                      .sigma = at::full({x.size(0)}, sigma, x.options().dtype(at::kFloat)),
                      .cond = predictions[0],
                      .uncond = predictions[1],
                      .cfg = cfg};
    step.evaluate = [&](Side which, const Tensor& sample, const models::BlockHooks& more) {
      const models::BlockHooks all = hooks ? hooks->joined(more) : more;
      return evaluator({&side(which)}, sample, sigma, &all)[0];
    };
    for (const PreCfg& change : options.pre_cfg) change(step);
    Tensor denoised = options.cfg_function ? options.cfg_function(step)
                                           : step.uncond + (step.cond - step.uncond) * cfg;
    for (const PostCfg& change : options.post_cfg) denoised = change(step, denoised);
    return {.guided = denoised, .uncond = step.uncond};
  }
};

}  // namespace

sampling::Denoiser guided_denoiser(Evaluator evaluator, std::vector<ResolvedConditioning> lists,
                                   double cfg) {
  const sampling::ModelSampling sampling = evaluator.sampling();
  lists.resize(std::max<std::size_t>(lists.size(), 2));
  return {.evaluate = Guided{std::move(evaluator), std::move(lists), cfg}, .sampling = sampling};
}

}  // namespace comfy::conditioning
