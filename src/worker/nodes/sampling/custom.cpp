// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/noise.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/resident.h"
#include "worker/nodes/sampling/custom_ports.h"
#include "worker/nodes/sampling/register.h"
#include "worker/nodes/sampling/step_reports.h"

#include <cmath>

namespace comfy::nodes {
namespace {

using conditioning::CustomRun;
using conditioning::ThirdSide;
using engine::Context;
using engine::node;
using sampling::ModelSampling;

constexpr const char* kModule = "comfy_extras.nodes_custom_sampler";
constexpr const char* kCategory = "sampling/custom_sampling";

/// Draws the starting noise of a latent into a run.
void draw(const Noise& noise, const Latent& latent, CustomRun& run) {
  run.seed = noise.seed.value_or(0);
  if (!noise.seed) {
    run.noise = at::zeros_like(latent.samples);
    return;
  }
  run.generator.seed(*noise.seed);
  run.noise = sampling::prepare_noise(latent.samples, run.generator, latent.batch_index);
}

/// A run's latent, and the clean one that its last step foresaw.
struct Sampled {
  Latent output, denoised;
};

Sampled sample(const Guider& guider, const Noise& noise, const Sampler& sampler,
               const SigmaList& sigmas, Latent latent, Context& context) {
  const Model& model = guider.model;
  const models::LatentFormat& format = model.latent_format();
  latent.samples =
      sampling::fix_empty_latent_channels(latent.samples, format.channels, format.dimensions);
  CustomRun run{.sampler = sampler, .sigmas = sigmas.values, .noise = {}};
  draw(noise, latent, run);
  Tensor foreseen;
  const auto report = step_reports(model, context);
  const auto on_step = [&](const conditioning::SampleStep& step) {
    foreseen = step.denoised;
    report(step);
  };
  Sampled sampled{latent, latent};
  sampled.output.samples =
      conditioning::sample_custom({model, resident(model, context.services())}, guider.guide,
                                  {.samples = latent.samples,
                                   .noise_mask = latent.noise_mask,
                                   .batch_index = latent.batch_index},
                                  std::move(run), on_step);
  sampled.denoised.samples =
      foreseen.defined() ? format.process_out(foreseen.to(at::kFloat)) : sampled.output.samples;
  return sampled;
}

struct KSamplerSelect {
  struct In {
    std::string sampler_name = "euler";
  };
  struct Out {
    Sampler sampler;
  };

  static auto spec() {
    return node<KSamplerSelect>("KSamplerSelect", "sampling/custom_sampling/samplers")
        .module(kModule)
        .in("sampler_name", &In::sampler_name,
            {.choices = sampling::sampler_names, .show_default = false})
        .out(&Out::sampler);
  }

  static Out run(const In& in) { return {sampling::find_sampler(in.sampler_name)}; }
};

struct RandomNoise {
  struct In {
    std::uint64_t noise_seed = 0;
  };
  struct Out {
    Noise noise;
  };

  static auto spec() {
    return node<RandomNoise>("RandomNoise", "sampling/custom_sampling/noise")
        .module(kModule)
        .in("noise_seed", &In::noise_seed,
            {.min = 0, .max = ~std::uint64_t{0}, .control_after_generate = true})
        .out(&Out::noise);
  }

  static Out run(const In& in) { return {{in.noise_seed}}; }
};

struct DisableNoise {
  struct In {};
  struct Out {
    Noise noise;
  };

  static auto spec() {
    return node<DisableNoise>("DisableNoise", "sampling/custom_sampling/noise")
        .module(kModule)
        .out(&Out::noise);
  }

  static Out run(const In&) { return {}; }
};

struct BasicGuider {
  struct In {
    Model model;
    Conditioning conditioning;
  };
  struct Out {
    Guider guider;
  };

  static auto spec() {
    return node<BasicGuider>("BasicGuider", "sampling/custom_sampling/guiders")
        .module(kModule)
        .in("model", &In::model)
        .in("conditioning", &In::conditioning)
        .out(&Out::guider);
  }

  static Out run(const In& in) { return {{in.model, {.positive = in.conditioning}}}; }
};

struct CFGGuider {
  struct In {
    Model model;
    Conditioning positive;
    Conditioning negative;
    double cfg = 8;
  };
  struct Out {
    Guider guider;
  };

  static auto spec() {
    return node<CFGGuider>("CFGGuider", "sampling/custom_sampling/guiders")
        .module(kModule)
        .in("model", &In::model)
        .in("positive", &In::positive)
        .in("negative", &In::negative)
        .in("cfg", &In::cfg, {.min = 0, .max = 100, .step = 0.1, .round = 0.01})
        .out(&Out::guider);
  }

  static Out run(const In& in) { return {{in.model, {in.positive, in.negative, in.cfg}}}; }
};

struct DualCFGGuider {
  struct In {
    Model model;
    Conditioning cond1;
    Conditioning cond2;
    Conditioning negative;
    double cfg_conds = 8.0;
    double cfg_cond2_negative = 8.0;
    std::string style;
  };
  struct Out {
    Guider guider;
  };

  static auto spec() {
    return node<DualCFGGuider>("DualCFGGuider", "sampling/custom_sampling/guiders")
        .module("comfy_extras.nodes_custom_sampler")
        .in("model", &In::model)
        .in("cond1", &In::cond1)
        .in("cond2", &In::cond2)
        .in("negative", &In::negative)
        .in("cfg_conds", &In::cfg_conds, {.min = 0.0, .max = 100.0, .step = 0.1, .round = 0.01})
        .in("cfg_cond2_negative", &In::cfg_cond2_negative,
            {.min = 0.0, .max = 100.0, .step = 0.1, .round = 0.01})
        .in("style", &In::style, {.choices = {"regular", "nested"}})
        .out(&Out::guider);
  }

  static Out run(const In& in) {
    const auto way = in.style == "nested" ? ThirdSide::Way::nested : ThirdSide::Way::between;
    return {{in.model,
             {.positive = in.cond1,
              .negative = in.negative,
              .cfg = in.cfg_cond2_negative,
              .third = ThirdSide{.way = way, .scale = in.cfg_conds},
              .third_list = in.cond2}}};
  }
};

struct PerpNegGuider {
  struct In {
    Model model;
    Conditioning positive;
    Conditioning negative;
    Conditioning empty_conditioning;
    double cfg = 8.0;
    double neg_scale = 1.0;
  };
  struct Out {
    Guider guider;
  };

  static auto spec() {
    return node<PerpNegGuider>("PerpNegGuider", "_for_testing")
        .module("comfy_extras.nodes_perpneg")
        .schema()
        .experimental()
        .in("model", &In::model)
        .in("positive", &In::positive)
        .in("negative", &In::negative)
        .in("empty_conditioning", &In::empty_conditioning)
        .in("cfg", &In::cfg, {.min = 0.0, .max = 100.0, .step = 0.1, .round = 0.01})
        .in("neg_scale", &In::neg_scale, {.min = 0.0, .max = 100.0, .step = 0.01})
        .out(&Out::guider);
  }

  static Out run(const In& in) {
    return {{in.model,
             {.positive = in.positive,
              .negative = in.negative,
              .cfg = in.cfg,
              .third = ThirdSide{.way = ThirdSide::Way::perpendicular, .scale = in.neg_scale},
              .third_list = in.empty_conditioning}}};
  }
};

struct SamplerCustom {
  struct In {
    Model model;
    bool add_noise = true;
    std::uint64_t noise_seed = 0;
    double cfg = 8;
    Conditioning positive;
    Conditioning negative;
    Sampler sampler;
    SigmaList sigmas;
    Latent latent_image;
  };
  struct Out {
    Latent output, denoised_output;
  };

  static auto spec() {
    return node<SamplerCustom>("SamplerCustom", kCategory)
        .module(kModule)
        .in("model", &In::model)
        .in("add_noise", &In::add_noise)
        .in("noise_seed", &In::noise_seed,
            {.min = 0, .max = ~std::uint64_t{0}, .control_after_generate = true})
        .in("cfg", &In::cfg, {.min = 0, .max = 100, .step = 0.1, .round = 0.01})
        .in("positive", &In::positive)
        .in("negative", &In::negative)
        .in("sampler", &In::sampler)
        .in("sigmas", &In::sigmas)
        .in("latent_image", &In::latent_image)
        .out("output", &Out::output)
        .out("denoised_output", &Out::denoised_output);
  }

  static Out run(const In& in, Context& context) {
    const Noise noise{in.add_noise ? std::optional{in.noise_seed} : std::nullopt};
    Sampled sampled = sample({in.model, {in.positive, in.negative, in.cfg}}, noise, in.sampler,
                             in.sigmas, in.latent_image, context);
    return {std::move(sampled.output), std::move(sampled.denoised)};
  }
};

struct SamplerCustomAdvanced {
  struct In {
    Noise noise;
    Guider guider;
    Sampler sampler;
    SigmaList sigmas;
    Latent latent_image;
  };
  struct Out {
    Latent output, denoised_output;
  };

  static auto spec() {
    return node<SamplerCustomAdvanced>("SamplerCustomAdvanced", kCategory)
        .module(kModule)
        .in("noise", &In::noise)
        .in("guider", &In::guider)
        .in("sampler", &In::sampler)
        .in("sigmas", &In::sigmas)
        .in("latent_image", &In::latent_image)
        .out("output", &Out::output)
        .out("denoised_output", &Out::denoised_output);
  }

  static Out run(const In& in, Context& context) {
    Sampled sampled = sample(in.guider, in.noise, in.sampler, in.sigmas, in.latent_image, context);
    return {std::move(sampled.output), std::move(sampled.denoised)};
  }
};

struct AddNoise {
  struct In {
    Model model;
    Noise noise;
    SigmaList sigmas;
    Latent latent_image;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<AddNoise>("AddNoise", "_for_testing/custom_sampling/noise")
        .module(kModule)
        .in("model", &In::model)
        .in("noise", &In::noise)
        .in("sigmas", &In::sigmas)
        .in("latent_image", &In::latent_image)
        .out(&Out::latent);
  }

  /// As much noise as lies between the first and the last sigma.
  static Out run(const In& in) {
    const sampling::Sigmas& sigmas = in.sigmas.values;
    Latent latent = in.latent_image;
    if (sigmas.empty()) return {std::move(latent)};
    CustomRun run;
    draw(in.noise, latent, run);
    const double strength =
        sigmas.size() > 1 ? std::abs(sigmas.front() - sigmas.back()) : sigmas.front();
    const models::LatentFormat& format = in.model.latent_format();
    Tensor samples = latent.samples;
    if (samples.count_nonzero().item<std::int64_t>() > 0) samples = format.process_in(samples);
    const Tensor noisy = ModelSampling{in.model.sampling()}.noise_scaling(
        strength, run.noise, samples, sampling::NoiseStart::partial);
    latent.samples = at::nan_to_num(format.process_out(noisy), 0.0, 0.0, 0.0);
    return {std::move(latent)};
  }
};

}  // namespace

void register_custom_sampling(engine::Registry& registry) {
  registry.add<SamplerCustom>();
  registry.add<KSamplerSelect>();
  registry.add<BasicGuider>();
  registry.add<CFGGuider>();
  registry.add<DualCFGGuider>();
  registry.add<PerpNegGuider>();
  registry.add<RandomNoise>();
  registry.add<DisableNoise>();
  registry.add<AddNoise>();
  registry.add<SamplerCustomAdvanced>();
}

}  // namespace comfy::nodes
