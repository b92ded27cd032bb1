// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/guide.h"
#include "inference/sampling/denoiser.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/model_patches/guidance_options.h"
#include "worker/nodes/model_patches/register.h"

#include <fmt/format.h>

#include <algorithm>

namespace comfy::nodes {
namespace {

using conditioning::GuidanceStep;
using engine::node;
using sampling::MaskMoment;

/// All dimensions but the batch.
Shape inner_dimensions(const Tensor& x) {
  Shape dimensions;
  for (std::int64_t d = 1; d < x.dim(); ++d) dimensions.push_back(d);
  return dimensions;
}

/// One number an item, shaped to broadcast over x.
Tensor per_item(const Tensor& values, const Tensor& x) {
  Shape shape(static_cast<std::size_t>(x.dim()), 1);
  shape[0] = values.numel();
  return values.reshape(shape);
}

struct RescaleCFG {
  struct In {
    Model model;
    double multiplier = 0.7;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<RescaleCFG>("RescaleCFG", "advanced/model")
        .module("comfy_extras.nodes_model_advanced")
        .in("model", &In::model)
        .in("multiplier", &In::multiplier, {.min = 0.0, .max = 1.0, .step = 0.01})
        .out(&Out::model);
  }

  /// Lin et al. 2023 (arXiv:2305.08891), section 3.4, on the velocity that the prediction means.
  static Tensor rescaled(const GuidanceStep& step, double multiplier) {
    const Tensor sigma = per_item(step.sigma, step.cond);
    const Tensor root = (sigma * sigma + 1.0).sqrt();
    const Tensor x = step.x / (sigma * sigma + 1.0);
    // A custom guidance is handed x minus the prediction and gives x minus its result: at the first
    // steps of a schedule that begins with pure noise x is thousands of times larger, and that
    // rounding is what pictures of ComfyUI hold.
    const auto rounded = [&step](const Tensor& clean) { return step.x - (step.x - clean); };
    const auto velocity = [&](const Tensor& clean) { return (x - rounded(clean)) * root / sigma; };
    const Tensor cond = velocity(step.cond);
    const Tensor uncond = velocity(step.uncond);
    const Tensor guided = uncond + (cond - uncond) * step.cfg;
    const auto spread = [](const Tensor& v) {
      return v.std(at::IntArrayRef{inner_dimensions(v)}, /*unbiased=*/true, /*keepdim=*/true);
    };
    const Tensor calmed = guided * (spread(cond) / spread(guided));
    return rounded(x - (calmed * multiplier + guided * (1.0 - multiplier)) * sigma / root);
  }

  static Out run(const In& in) {
    return {with_cfg_function(in.model, fmt::format("rescale:{}", in.multiplier),
                              [multiplier = in.multiplier](const GuidanceStep& step) {
                                return rescaled(step, multiplier);
                              })};
  }
};

struct CFGZeroStar {
  struct In {
    Model model;
  };
  struct Out {
    Model patched_model;
  };

  static auto spec() {
    return node<CFGZeroStar>("CFGZeroStar", "advanced/guidance")
        .module("comfy_extras.nodes_cfg")
        .schema()
        .in("model", &In::model)
        .out("patched_model", &Out::patched_model);
  }

  /// Fan et al. 2025 (arXiv:2503.18886): the negative side scaled to its projection on the positive
  /// one.
  static Tensor corrected(const GuidanceStep& step, const Tensor& denoised) {
    const Tensor positive = (step.x - step.cond).flatten(1);
    const Tensor negative = (step.x - step.uncond).flatten(1);
    const Tensor product = (positive * negative).sum(1, /*keepdim=*/true);
    const Tensor alpha =
        per_item(product / (negative.pow(2).sum(1, /*keepdim=*/true) + 1e-8), step.cond);
    return denoised + step.uncond * (alpha - 1.0) + step.cfg * step.uncond * (1.0 - alpha);
  }

  static Out run(const In& in) { return {with_post_cfg(in.model, "zero_star", corrected)}; }
};

struct CFGNorm {
  struct In {
    Model model;
    double strength = 1.0;
  };
  struct Out {
    Model patched_model;
  };

  static auto spec() {
    return node<CFGNorm>("CFGNorm", "advanced/guidance")
        .module("comfy_extras.nodes_cfg")
        .schema()
        .experimental()
        .in("model", &In::model)
        .in("strength", &In::strength, {.min = 0.0, .max = 100.0, .step = 0.01})
        .out("patched_model", &Out::patched_model);
  }

  static Out run(const In& in) {
    const auto shortened = [strength = in.strength](const GuidanceStep& step,
                                                    const Tensor& denoised) {
      const Tensor scale = (step.cond.norm(2, 1, true) / (denoised.norm(2, 1, true) + 1e-8));
      return denoised * scale.clamp(0.0, 1.0) * strength;
    };
    return {with_post_cfg(in.model, fmt::format("norm:{}", in.strength), shortened)};
  }
};

struct EpsilonScaling {
  struct In {
    Model model;
    double scaling_factor = 1.005;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<EpsilonScaling>("Epsilon Scaling", "model_patches/unet")
        .module("comfy_extras.nodes_eps")
        .schema()
        .in("model", &In::model)
        .in("scaling_factor", &In::scaling_factor,
            {.min = 0.5, .max = 1.5, .step = 0.001, .display = "number"})
        .out(&Out::model);
  }

  /// Ning et al. 2023 (arXiv:2308.15321): the predicted noise made a little smaller.
  static Out run(const In& in) {
    const double factor = in.scaling_factor == 0 ? 1e-9 : in.scaling_factor;
    return {with_post_cfg(in.model, fmt::format("epsilon:{}", factor),
                          [factor](const GuidanceStep& step, const Tensor& denoised) {
                            return step.x - (step.x - denoised) / factor;
                          })};
  }
};

struct RenormCFG {
  struct In {
    Model model;
    double cfg_trunc = 100;
    double renorm_cfg = 1.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<RenormCFG>("RenormCFG", "advanced/model")
        .module("comfy_extras.nodes_lumina2")
        .schema()
        .in("model", &In::model)
        .in("cfg_trunc", &In::cfg_trunc, {.min = 0.0, .max = 100.0, .step = 0.01})
        .in("renorm_cfg", &In::renorm_cfg, {.min = 0.0, .max = 100.0, .step = 0.01})
        .out(&Out::model);
  }

  /// Above a sigma the positive side alone counts; below it the guided prediction may not be longer
  /// than renorm_cfg times the positive one.
  static Tensor renormed(const GuidanceStep& step, double cfg_trunc, double renorm_cfg) {
    if (step.sigma[0].item<double>() >= cfg_trunc) return step.cond;
    const Tensor guided = step.uncond + (step.cond - step.uncond) * step.cfg;
    if (renorm_cfg <= 0) return guided;
    const Shape inner = inner_dimensions(guided);
    const Tensor longest = step.cond.norm(2, inner, /*keepdim=*/true) * renorm_cfg;
    const Tensor length = guided.norm(2, inner, /*keepdim=*/true);
    return guided * at::where(length >= longest, longest / length, at::ones_like(length));
  }

  static Out run(const In& in) {
    return {
        with_cfg_function(in.model, fmt::format("renorm:{}:{}", in.cfg_trunc, in.renorm_cfg),
                          [trunc = in.cfg_trunc, renorm = in.renorm_cfg](const GuidanceStep& step) {
                            return renormed(step, trunc, renorm);
                          })};
  }
};

struct Mahiro {
  struct In {
    Model model;
  };
  struct Out {
    Model patched_model;
  };

  static auto spec() {
    return node<Mahiro>("Mahiro", "_for_testing")
        .display("Mahiro is so cute that she deserves a better guidance function!! (。・ω・。)")
        .doc(
            "Follows the direction of the positive prompt more than its difference from the "
            "negative one.")
        .module("comfy_extras.nodes_mahiro")
        .schema()
        .experimental()
        .in("model", &In::model)
        .out("patched_model", &Out::patched_model);
  }

  static Tensor leaning(const GuidanceStep& step, const Tensor& denoised) {
    const auto root = [](const Tensor& x) { return x.abs().sqrt() * x.sign(); };
    const Tensor leap = step.cond * step.cfg;
    const Tensor merged = (leap + denoised) / 2;
    const Tensor likeness =
        at::cosine_similarity(root(step.uncond * step.cfg), root(merged)).mean();
    const Tensor weight = 2 * (likeness + 1);
    return (weight * denoised + (4 - weight) * leap) / 4;
  }

  static Out run(const In& in) { return {with_post_cfg(in.model, "mahiro", leaning)}; }
};

/// Guidance that differs from frame to frame of a video. strengths: [frames].
Tensor guided_by(const GuidanceStep& step, const Tensor& strengths) {
  return step.uncond + per_item(strengths, step.cond) * (step.cond - step.uncond);
}

struct VideoLinearCFGGuidance {
  struct In {
    Model model;
    double min_cfg = 1.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<VideoLinearCFGGuidance>("VideoLinearCFGGuidance", "sampling/video_models")
        .module("comfy_extras.nodes_video_model")
        .in("model", &In::model)
        .in("min_cfg", &In::min_cfg, {.min = 0.0, .max = 100.0, .step = 0.5, .round = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    return {with_cfg_function(in.model, fmt::format("linear:{}", in.min_cfg),
                              [lowest = in.min_cfg](const GuidanceStep& step) {
                                return guided_by(step,
                                                 at::linspace(lowest, step.cfg, step.cond.size(0),
                                                              step.cond.options()));
                              })};
  }
};

struct VideoTriangleCFGGuidance {
  struct In {
    Model model;
    double min_cfg = 1.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<VideoTriangleCFGGuidance>("VideoTriangleCFGGuidance", "sampling/video_models")
        .module("comfy_extras.nodes_video_model")
        .in("model", &In::model)
        .in("min_cfg", &In::min_cfg, {.min = 0.0, .max = 100.0, .step = 0.5, .round = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    return {with_cfg_function(in.model, fmt::format("triangle:{}", in.min_cfg),
                              [lowest = in.min_cfg](const GuidanceStep& step) {
                                const Tensor t =
                                    at::linspace(0, 1, step.cond.size(0), step.cond.options());
                                const Tensor rise = 2 * (t - (t + 0.5).floor()).abs();
                                return guided_by(step, rise * (step.cfg - lowest) + lowest);
                              })};
  }
};

struct PerpNeg {
  struct In {
    Model model;
    Conditioning empty_conditioning;
    double neg_scale = 1.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<PerpNeg>("PerpNeg", "_for_testing")
        .display("Perp-Neg (DEPRECATED by PerpNegGuider)")
        .module("comfy_extras.nodes_perpneg")
        .schema()
        .deprecated()
        .experimental()
        .in("model", &In::model)
        .in("empty_conditioning", &In::empty_conditioning)
        .in("neg_scale", &In::neg_scale, {.min = 0.0, .max = 100.0, .step = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    const auto guide = [scale = in.neg_scale](const GuidanceStep& step, std::size_t empty) {
      return conditioning::perpendicular_guidance(
          step.cond, step.uncond, step.evaluate_extra(empty, step.x), scale, step.cfg);
    };
    return {with_cfg_function(in.model, fmt::format("perpneg:{}", in.neg_scale),
                              in.empty_conditioning, guide)};
  }
};

struct DifferentialDiffusion {
  struct In {
    Model model;
    double strength = 1.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<DifferentialDiffusion>("DifferentialDiffusion", "_for_testing")
        .display("Differential Diffusion")
        .module("comfy_extras.nodes_differential_diffusion")
        .schema()
        .experimental()
        .in("model", &In::model)
        .optional_in("strength", &In::strength, {.min = 0.0, .max = 1.0, .step = 0.01})
        .out(&Out::model);
  }

  /// Levin and Fried 2023 (arXiv:2306.00950): a grey place of the mask is painted from the moment
  /// on at which its share of sampling begins.
  static Tensor mask_at(const Tensor& mask, const MaskMoment& moment, double strength) {
    const auto timestep = [&](double sigma) {
      return moment.sampling.timestep(at::full({}, sigma, at::kFloat)).to(at::kFloat);
    };
    const double lowest = std::max(moment.sampling.sigma_min(), moment.sigmas.back());
    const Tensor end = timestep(lowest);
    const Tensor rest = (timestep(moment.sigma) - end) / (timestep(moment.sigmas.front()) - end);
    const Tensor chosen = (mask >= rest).to(mask.dtype());
    if (strength <= 0 || strength >= 1) return chosen;
    return strength * chosen + (1 - strength) * mask;
  }

  static Out run(const In& in) {
    return {
        with_mask_function(in.model, fmt::format("differential:{}", in.strength),
                           [strength = in.strength](const Tensor& mask, const MaskMoment& moment) {
                             return mask_at(mask, moment, strength);
                           })};
  }
};

}  // namespace

void register_guidance(engine::Registry& registry) {
  registry.add<RescaleCFG>();
  registry.add<CFGZeroStar>();
  registry.add<CFGNorm>();
  registry.add<EpsilonScaling>();
  registry.add<RenormCFG>();
  registry.add<Mahiro>();
  registry.add<VideoLinearCFGGuidance>();
  registry.add<VideoTriangleCFGGuidance>();
  registry.add<PerpNeg>();
  registry.add<DifferentialDiffusion>();
}

}  // namespace comfy::nodes
