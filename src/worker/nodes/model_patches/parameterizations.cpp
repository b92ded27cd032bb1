// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/latent_format.h"
#include "inference/sampling/model_sampling.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/model_patches/register.h"
#include "worker/nodes/ports.h"

namespace comfy::nodes {
namespace {

using engine::node;
using sampling::Prediction;
using sampling::SamplingSettings;
using sampling::SigmaSpace;

constexpr const char* kModule = "comfy_extras.nodes_model_advanced";
constexpr const char* kCategory = "advanced/model";

/// The model's own beta table, whatever nodes before made of its sampling.
SamplingSettings table_of(const Model& model) {
  const SamplingSettings& now = model.sampling();
  return {.beta_schedule = now.beta_schedule,
          .linear_start = now.linear_start,
          .linear_end = now.linear_end,
          .timesteps = now.timesteps};
}

struct ModelSamplingDiscrete {
  struct In {
    Model model;
    std::string sampling;
    bool zsnr = false;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<ModelSamplingDiscrete>("ModelSamplingDiscrete", "advanced/model")
        .module("comfy_extras.nodes_model_advanced")
        .in("model", &In::model)
        .in("sampling", &In::sampling,
            {.choices = {"eps", "v_prediction", "lcm", "x0", "img_to_img"}})
        .in("zsnr", &In::zsnr)
        .out(&Out::model);
  }

  static Out run(const In& in) {
    SamplingSettings settings = table_of(in.model);
    settings.zsnr = in.zsnr;
    if (in.sampling == "v_prediction") settings.prediction = Prediction::v;
    if (in.sampling == "x0") settings.prediction = Prediction::x0;
    if (in.sampling == "img_to_img") settings.prediction = Prediction::image;
    if (in.sampling == "lcm") {
      settings.prediction = Prediction::lcm;
      settings.space = SigmaSpace::distilled;
    }
    return {in.model.with_sampling(settings)};
  }
};

struct ModelSamplingContinuousEDM {
  struct In {
    Model model;
    std::string sampling;
    double sigma_max = 120.0;
    double sigma_min = 0.002;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<ModelSamplingContinuousEDM>("ModelSamplingContinuousEDM", "advanced/model")
        .module("comfy_extras.nodes_model_advanced")
        .in("model", &In::model)
        .in("sampling", &In::sampling,
            {.choices = {"v_prediction", "edm", "edm_playground_v2.5", "eps", "cosmos_rflow"}})
        .in("sigma_max", &In::sigma_max, {.min = 0.0, .max = 1000.0, .step = 0.001, .round = false})
        .in("sigma_min", &In::sigma_min, {.min = 0.0, .max = 1000.0, .step = 0.001, .round = false})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    SamplingSettings settings{
        .space = SigmaSpace::continuous_edm, .sigma_min = in.sigma_min, .sigma_max = in.sigma_max};
    if (in.sampling == "v_prediction") settings.prediction = Prediction::v;
    if (in.sampling.starts_with("edm")) {
      settings.prediction = Prediction::edm;
      settings.sigma_data = 0.5;
    }
    if (in.sampling == "cosmos_rflow") {
      settings.prediction = Prediction::cosmos_rflow;
      settings.space = SigmaSpace::cosmos_rflow;
    }
    const Model model = in.model.with_sampling(settings);
    if (in.sampling == "edm_playground_v2.5")
      return {model.with_latent_format(models::latents::kPlayground25)};
    return {model};
  }
};

struct ModelSamplingContinuousV {
  struct In {
    Model model;
    std::string sampling;
    double sigma_max = 500.0;
    double sigma_min = 0.03;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<ModelSamplingContinuousV>("ModelSamplingContinuousV", "advanced/model")
        .module("comfy_extras.nodes_model_advanced")
        .in("model", &In::model)
        .in("sampling", &In::sampling, {.choices = {"v_prediction"}})
        .in("sigma_max", &In::sigma_max, {.min = 0.0, .max = 1000.0, .step = 0.001, .round = false})
        .in("sigma_min", &In::sigma_min, {.min = 0.0, .max = 1000.0, .step = 0.001, .round = false})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    return {in.model.with_sampling({.prediction = Prediction::v,
                                    .space = SigmaSpace::continuous_v,
                                    .sigma_min = in.sigma_min,
                                    .sigma_max = in.sigma_max})};
  }
};

struct ModelSamplingStableCascade {
  struct In {
    Model model;
    double shift = 2.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<ModelSamplingStableCascade>("ModelSamplingStableCascade", "advanced/model")
        .module("comfy_extras.nodes_model_advanced")
        .in("model", &In::model)
        .in("shift", &In::shift, {.min = 0.0, .max = 100.0, .step = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    return {in.model.with_sampling({.space = SigmaSpace::cascade, .shift = in.shift})};
  }
};

struct ModelSamplingSD3 {
  struct In {
    Model model;
    double shift = 3.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<ModelSamplingSD3>("ModelSamplingSD3", "advanced/model")
        .module("comfy_extras.nodes_model_advanced")
        .in("model", &In::model)
        .in("shift", &In::shift, {.min = 0.0, .max = 100.0, .step = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    return {in.model.with_sampling(
        {.prediction = Prediction::flow, .space = SigmaSpace::flow, .shift = in.shift})};
  }
};

struct ModelSamplingAuraFlow {
  struct In {
    Model model;
    double shift = 1.73;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<ModelSamplingAuraFlow>("ModelSamplingAuraFlow", "advanced/model")
        .module("comfy_extras.nodes_model_advanced")
        .in("model", &In::model)
        .in("shift", &In::shift, {.min = 0.0, .max = 100.0, .step = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    return {in.model.with_sampling({.prediction = Prediction::flow,
                                    .space = SigmaSpace::flow,
                                    .shift = in.shift,
                                    .multiplier = 1.0})};
  }
};

struct ModelSamplingFlux {
  struct In {
    Model model;
    double max_shift = 1.15;
    double base_shift = 0.5;
    int width = 1024;
    int height = 1024;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<ModelSamplingFlux>("ModelSamplingFlux", "advanced/model")
        .module("comfy_extras.nodes_model_advanced")
        .in("model", &In::model)
        .in("max_shift", &In::max_shift, {.min = 0.0, .max = 100.0, .step = 0.01})
        .in("base_shift", &In::base_shift, {.min = 0.0, .max = 100.0, .step = 0.01})
        .in("width", &In::width, {.min = 16, .max = kMaxSide, .step = 8})
        .in("height", &In::height, {.min = 16, .max = kMaxSide, .step = 8})
        .out(&Out::model);
  }

  /// The shift grows with the number of image tokens: base_shift at 256, max_shift at 4096.
  static Out run(const In& in) {
    constexpr double kFewest = 256, kMost = 4096, kPixelsOfToken = 8 * 8 * 2 * 2;
    const double slope = (in.max_shift - in.base_shift) / (kMost - kFewest);
    const double tokens = static_cast<double>(in.width) * in.height / kPixelsOfToken;
    const double shift = tokens * slope + (in.base_shift - slope * kFewest);
    return {in.model.with_sampling(
        {.prediction = Prediction::flow, .space = SigmaSpace::flux, .shift = shift})};
  }
};

struct ModelComputeDtype {
  struct In {
    Model model;
    std::string dtype;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<ModelComputeDtype>("ModelComputeDtype", "advanced/debug/model")
        .module("comfy_extras.nodes_model_advanced")
        .in("model", &In::model)
        .in("dtype", &In::dtype, {.choices = {"default", "fp32", "fp16", "bf16"}})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    checkpoint::Precision precision = in.model.weights().precision();
    if (in.dtype == "fp32") precision.compute = DType::Float;
    if (in.dtype == "fp16") precision.compute = DType::Half;
    if (in.dtype == "bf16") precision.compute = DType::BFloat16;
    return {in.model.with_precision(precision)};
  }
};

}  // namespace

void register_parameterizations(engine::Registry& registry) {
  registry.add<ModelSamplingDiscrete>();
  registry.add<ModelSamplingContinuousEDM>();
  registry.add<ModelSamplingContinuousV>();
  registry.add<ModelSamplingStableCascade>();
  registry.add<ModelSamplingSD3>();
  registry.add<ModelSamplingAuraFlow>();
  registry.add<ModelSamplingFlux>();
  registry.add<ModelComputeDtype>();
}

}  // namespace comfy::nodes
