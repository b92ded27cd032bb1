// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/guide.h"

#include "inference/tensor/ops.h"

#include <algorithm>
#include <cmath>

namespace comfy::conditioning {

namespace {

using sampling::Denoised;
using sampling::Guidance;

bool is_close(double value, double target) {
  return std::abs(value - target) <= 1e-9 * std::max(std::abs(value), std::abs(target));
}

/// Guidance between two predictions, as the model's options want it.
Denoised guided(const GuidanceStep& step, const GuidanceOptions& options) {
  Tensor denoised = options.cfg_function ? options.cfg_function(step)
                                         : step.uncond + (step.cond - step.uncond) * step.cfg;
  for (const PostCfg& change : options.post_cfg) denoised = change(step, denoised);
  return {.guided = denoised, .uncond = step.uncond};
}

struct Guided {
  Evaluator evaluator;
  GuideLists lists;

  /// Which lists stand for the two sides of a step.
  struct Sides {
    const ResolvedConditioning& positive;
    const ResolvedConditioning& negative;
  };

  const ResolvedConditioning& positive() const { return lists.sides[0]; }
  const ResolvedConditioning& negative() const { return lists.sides[1]; }
  const ResolvedConditioning& third() const { return lists.sides[2]; }

  std::vector<Tensor> evaluated(const std::vector<const ResolvedConditioning*>& sides,
                                const Tensor& x, double sigma) const {
    return evaluator(sides, x, sigma, evaluator.model().model.hooks());
  }

  /// A step without its predictions. It refers to `sides` and to this.
  GuidanceStep step(const Sides& sides, const Tensor& x, double sigma, double cfg) const {
    GuidanceStep step{.x = x,
                      .sigma = at::full({x.size(0)}, sigma, x.options().dtype(at::kFloat)),
                      .cond = {},
                      .cfg = cfg};
    step.evaluate = [this, sides, sigma](Side which, const Tensor& sample,
                                         const models::BlockHooks& more) {
      const models::BlockHooks* hooks = evaluator.model().model.hooks();
      const models::BlockHooks all = hooks ? hooks->joined(more) : more;
      return evaluator({which == Side::positive ? &sides.positive : &sides.negative}, sample, sigma,
                       &all)[0];
    };
    step.evaluate_extra = [this, sigma](std::size_t list, const Tensor& sample) {
      return evaluated({&lists.extra.at(list)}, sample, sigma)[0];
    };
    return step;
  }

  Denoised by_two(const Tensor& x, double sigma, bool all) const {
    const GuidanceOptions& options = evaluator.guidance();
    const bool with_uncond = all || !is_close(lists.cfg, 1.0);
    const auto predictions =
        evaluated({&positive(), with_uncond ? &negative() : nullptr}, x, sigma);
    GuidanceStep now = step({positive(), negative()}, x, sigma, lists.cfg);
    now.cond = predictions[0];
    now.uncond = predictions[1];
    now.with_uncond = with_uncond;
    for (const PreCfg& change : options.pre_cfg) change(now);
    return guided(now, options);
  }

  Denoised nested(const Tensor& x, double sigma) const {
    const auto predictions = evaluated({&negative(), &third(), &positive()}, x, sigma);
    GuidanceStep inner = step({positive(), third()}, x, sigma, lists.third->scale);
    inner.cond = predictions[2];
    inner.uncond = predictions[1];
    Denoised result = guided(inner, evaluator.guidance());
    result.guided = predictions[0] + lists.cfg * (result.guided - predictions[0]);
    return result;
  }

  Denoised between(const Tensor& x, double sigma, bool all) const {
    const double scale = lists.third->scale;
    const bool with_negative = all || !is_close(lists.cfg, 1.0);
    const bool with_third = with_negative || !is_close(scale, 1.0);
    const auto predictions = evaluated(
        {with_negative ? &negative() : nullptr, with_third ? &third() : nullptr, &positive()}, x,
        sigma);
    GuidanceStep inner = step({third(), negative()}, x, sigma, lists.cfg);
    inner.cond = predictions[1];
    inner.uncond = predictions[0];
    inner.with_uncond = with_negative;
    Denoised result = guided(inner, evaluator.guidance());
    result.guided = result.guided + (predictions[2] - predictions[1]) * scale;
    return result;
  }

  Denoised perpendicular(const Tensor& x, double sigma, bool all) const {
    const GuidanceOptions& options = evaluator.guidance();
    const double scale = lists.third->scale;
    const bool with_negative = all || std::abs(scale) > 0.0;
    const bool with_empty = with_negative || !is_close(lists.cfg, 1.0);
    const auto predictions = evaluated(
        {&positive(), with_negative ? &negative() : nullptr, with_empty ? &third() : nullptr}, x,
        sigma);
    GuidanceStep now = step({positive(), negative()}, x, sigma, lists.cfg);
    now.cond = predictions[0];
    now.uncond = predictions[1];
    now.with_uncond = with_negative;
    for (const PreCfg& change : options.pre_cfg) change(now);
    Tensor denoised =
        perpendicular_guidance(now.cond, now.uncond, predictions[2], scale, lists.cfg);
    for (const PostCfg& change : options.post_cfg) denoised = change(now, denoised);
    return {.guided = denoised, .uncond = now.uncond};
  }

  Denoised operator()(const Tensor& x, double sigma, Guidance guidance) const {
    const bool all = guidance == Guidance::with_uncond || evaluator.guidance().always_run_uncond;
    if (!lists.third) return by_two(x, sigma, all);
    switch (lists.third->way) {
      case ThirdSide::Way::nested:
        return nested(x, sigma);
      case ThirdSide::Way::perpendicular:
        return perpendicular(x, sigma, all);
      case ThirdSide::Way::between:
        break;
    }
    return between(x, sigma, all);
  }
};

}  // namespace

Tensor perpendicular_guidance(const Tensor& positive, const Tensor& negative, const Tensor& empty,
                              double negative_scale, double cfg) {
  const Tensor towards = positive - empty;
  const Tensor away = negative - empty;
  const Tensor across = away - (away * towards).sum() / towards.norm().pow(2) * towards;
  return empty + cfg * (towards - across * negative_scale);
}

sampling::Denoiser guided_denoiser(Evaluator evaluator, GuideLists lists) {
  const sampling::ModelSampling sampling = evaluator.sampling();
  lists.sides.resize(lists.third ? 3 : 2);
  return {.evaluate = Guided{std::move(evaluator), std::move(lists)}, .sampling = sampling};
}

}  // namespace comfy::conditioning
