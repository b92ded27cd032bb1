// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/model_patches/guidance_options.h"
#include "worker/nodes/model_patches/register.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

namespace comfy::nodes {
namespace {

using conditioning::GuidanceStep;
using engine::node;

/// What adaptive projected guidance remembers from step to step of one run.
struct Momentum {
  Tensor average;
  std::optional<double> last_sigma;

  Tensor next(const Tensor& guidance, double sigma, double momentum) {
    if (last_sigma && sigma > *last_sigma) average.reset();
    last_sigma = sigma;
    if (momentum == 0.0) return guidance;
    average = average.defined() ? average * momentum + guidance : guidance;
    return average;
  }
};

struct APG {
  struct In {
    Model model;
    double eta = 1.0;
    double norm_threshold = 5.0;
    double momentum = 0.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<APG>("APG", "sampling/custom_sampling")
        .display("Adaptive Projected Guidance")
        .module("comfy_extras.nodes_apg")
        .schema()
        .in("model", &In::model)
        .in("eta", &In::eta,
            {.min = -10.0,
             .max = 10.0,
             .step = 0.01,
             .tooltip = "How much of the guidance along the prediction itself is kept; 1 is "
                        "ordinary guidance."})
        .in("norm_threshold", &In::norm_threshold,
            {.min = 0.0,
             .max = 50.0,
             .step = 0.1,
             .tooltip = "The longest guidance allowed; 0 allows any length."})
        .in("momentum", &In::momentum,
            {.min = -5.0,
             .max = 1.0,
             .step = 0.01,
             .tooltip = "How much of the guidance of earlier steps goes on, or with negative "
                        "numbers is held back; 0 is none."})
        .out(&Out::model);
  }

  struct Numbers {
    double eta = 1.0, norm_threshold = 5.0, momentum = 0.0;
  };

  /// Sadat et al. 2024 (arXiv:2410.02416), algorithm 1.
  static void project(GuidanceStep& step, const Numbers& in, Momentum& momentum) {
    Tensor guidance =
        momentum.next(step.cond - step.uncond, step.sigma[0].item<double>(), in.momentum);
    const Shape image{-1, -2, -3};
    if (in.norm_threshold > 0) {
      const Tensor length = guidance.norm(2, image, /*keepdim=*/true);
      guidance = guidance * (in.norm_threshold / length).clamp_max(1.0);
    }
    const Tensor direction = step.cond / step.cond.norm(2, image, true).clamp_min(1e-12);
    const Tensor along = (guidance * direction).sum(image, /*keepdim=*/true) * direction;
    const Tensor changed = guidance - along + along * in.eta;
    step.cond = step.uncond + changed + (step.cond - step.uncond) / step.cfg;
  }

  static Out run(const In& in) {
    const std::string key = fmt::format("apg:{}:{}:{}", in.eta, in.norm_threshold, in.momentum);
    const Numbers numbers{
        .eta = in.eta, .norm_threshold = in.norm_threshold, .momentum = in.momentum};
    return {with_pre_cfg(in.model, key,
                         [numbers, momentum = std::make_shared<Momentum>()](GuidanceStep& step) {
                           project(step, numbers, *momentum);
                         })};
  }
};

struct TCFG {
  struct In {
    Model model;
  };
  struct Out {
    Model patched_model;
  };

  static auto spec() {
    return node<TCFG>("TCFG", "advanced/guidance")
        .display("Tangential Damping CFG")
        .doc(
            "Takes from the negative prediction what is at odds with the positive one (Kwon et al. "
            "2025, arXiv:2503.18137).")
        .module("comfy_extras.nodes_tcfg")
        .schema()
        .in("model", &In::model)
        .out("patched_model", &Out::patched_model);
  }

  static Tensor damped(const Tensor& cond, const Tensor& uncond) {
    const std::int64_t batch = cond.size(0);
    const Tensor positive = cond.reshape({batch, 1, -1}).to(at::kFloat);
    const Tensor negative = uncond.reshape({batch, 1, -1}).to(at::kFloat);
    const Tensor rows = std::get<2>(at::linalg_svd(at::cat({negative, positive}, 1), false));
    const Tensor first = rows.narrow(1, 0, 1);  // the direction that both share most
    return negative.matmul(first.transpose(-2, -1))
        .mul(first)
        .reshape_as(uncond)
        .to(uncond.dtype());
  }

  static Out run(const In& in) {
    return {with_pre_cfg(in.model, "tcfg", [](GuidanceStep& step) {
      if (step.with_uncond) step.uncond = step.x - damped(step.x - step.cond, step.x - step.uncond);
    })};
  }
};

struct FreSca {
  struct In {
    Model model;
    double scale_low = 1.0;
    double scale_high = 1.25;
    int freq_cutoff = 20;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<FreSca>("FreSca", "_for_testing")
        .display("FreSca")
        .doc(
            "Scales low and high frequencies of the guidance apart (Huang et al. 2025, "
            "arXiv:2504.02154).")
        .module("comfy_extras.nodes_fresca")
        .schema()
        .experimental()
        .in("model", &In::model)
        .in("scale_low", &In::scale_low,
            {.min = 0,
             .max = 10,
             .step = 0.01,
             .tooltip = "Times how much of the low frequencies."})
        .in("scale_high", &In::scale_high,
            {.min = 0,
             .max = 10,
             .step = 0.01,
             .tooltip = "Times how much of the high frequencies."})
        .in("freq_cutoff", &In::freq_cutoff,
            {.min = 1,
             .max = 10000,
             .step = 1,
             .tooltip = "How many frequencies on each side of zero count as low."})
        .out(&Out::model);
  }

  struct Numbers {
    double scale_low = 1.0, scale_high = 1.25;
    std::int64_t freq_cutoff = 20;
  };

  static Tensor filtered(const Tensor& guidance, const Numbers& in) {
    const Shape image{-2, -1};
    Tensor spectrum = at::fft_fftshift(at::fft_fftn(guidance.to(at::kFloat), {}, image), image);
    Tensor scale = at::full(guidance.sizes(), in.scale_high, guidance.options().dtype(at::kFloat));
    Tensor low = scale;
    for (std::int64_t d = 2; d < guidance.dim(); ++d) {
      const std::int64_t center = guidance.size(d) / 2;
      const std::int64_t cutoff = std::min<std::int64_t>(in.freq_cutoff, center);
      low = low.narrow(d, center - cutoff, cutoff * 2);
    }
    low.fill_(in.scale_low);
    spectrum = at::fft_ifftshift(spectrum * scale, image);
    return at::real(at::fft_ifftn(spectrum, {}, image)).to(guidance.dtype());
  }

  static Out run(const In& in) {
    const std::string key =
        fmt::format("fresca:{}:{}:{}", in.scale_low, in.scale_high, in.freq_cutoff);
    const Numbers numbers{
        .scale_low = in.scale_low, .scale_high = in.scale_high, .freq_cutoff = in.freq_cutoff};
    return {with_pre_cfg(in.model, key, [numbers](GuidanceStep& step) {
      if (step.with_uncond) step.cond = filtered(step.cond - step.uncond, numbers) + step.uncond;
    })};
  }
};

}  // namespace

void register_projected_guidance(engine::Registry& registry) {
  registry.add<APG>();
  registry.add<TCFG>();
  registry.add<FreSca>();
}

}  // namespace comfy::nodes
