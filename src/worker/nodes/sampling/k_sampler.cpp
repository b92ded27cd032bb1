// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/sample.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/ports.h"
#include "worker/nodes/resident.h"
#include "worker/nodes/sampling/register.h"
#include "worker/nodes/sampling/step_reports.h"

namespace comfy::nodes {
namespace {

using conditioning::KSamplerSettings;
using engine::Context;
using engine::node;

/// What both samplers do: they differ in where they start and stop.
Latent sample(const Model& model, conditioning::Guide guide, Latent latent,
              const KSamplerSettings& settings, Context& context) {
  const auto network = resident(model, context.services());
  const conditioning::StartLatent start{.samples = latent.samples,
                                        .noise_mask = latent.noise_mask,
                                        .batch_index = latent.batch_index};
  latent.samples =
      conditioning::sample({model, network}, guide, start, settings, step_reports(model, context));
  return latent;
}

struct KSampler {
  struct In {
    Model model;
    std::uint64_t seed = 0;
    int steps = 20;
    double cfg = 8.0;
    std::string sampler_name;
    std::string scheduler;
    Conditioning positive;
    Conditioning negative;
    Latent latent_image;
    double denoise = 1.0;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<KSampler>("KSampler", "sampling")
        .doc(
            "Removes noise from a latent step by step until it shows what the positive "
            "conditioning asks for.")
        .in("model", &In::model, {.tooltip = "The network that removes the noise."})
        .in("seed", &In::seed,
            {.min = 0,
             .max = ~std::uint64_t{0},
             .control_after_generate = true,
             .tooltip = "Decides the noise: the same seed gives the same picture."})
        .in("steps", &In::steps,
            {.min = 1, .max = 10000, .tooltip = "In how many steps the noise is removed."})
        .in("cfg", &In::cfg,
            {.min = 0.0,
             .max = 100.0,
             .step = 0.1,
             .round = 0.01,
             .tooltip = "How strictly the prompt is followed. Very high values cost quality."})
        .in("sampler_name", &In::sampler_name,
            {.choices = sampling::sampler_names,
             .tooltip = "The method of each step; it shapes speed, quality and composition."})
        .in("scheduler", &In::scheduler,
            {.choices = sampling::schedule_names,
             .tooltip = "How the noise is spread over the steps."})
        .in("positive", &In::positive, {.tooltip = "What the picture shall show."})
        .in("negative", &In::negative, {.tooltip = "What the picture shall not show."})
        .in("latent_image", &In::latent_image, {.tooltip = "The latent to start from."})
        .in("denoise", &In::denoise,
            {.min = 0.0,
             .max = 1.0,
             .step = 0.01,
             .tooltip = "How much is made anew; less keeps more of the latent to start from."})
        .out(&Out::latent, {.tooltip = "The latent without its noise."});
  }

  static Out run(const In& in, Context& context) {
    const KSamplerSettings settings{.seed = in.seed,
                                    .steps = in.steps,
                                    .sampler = in.sampler_name,
                                    .scheduler = in.scheduler,
                                    .denoise = in.denoise};
    return {
        sample(in.model, {in.positive, in.negative, in.cfg}, in.latent_image, settings, context)};
  }
};

struct KSamplerAdvanced {
  struct In {
    Model model;
    std::string add_noise;
    std::uint64_t noise_seed = 0;
    int steps = 20;
    double cfg = 8.0;
    std::string sampler_name;
    std::string scheduler;
    Conditioning positive;
    Conditioning negative;
    Latent latent_image;
    int start_at_step = 0;
    int end_at_step = 10000;
    std::string return_with_leftover_noise;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<KSamplerAdvanced>("KSamplerAdvanced", "sampling")
        .display("KSampler (Advanced)")
        .in("model", &In::model)
        .in("add_noise", &In::add_noise, {.choices = {"enable", "disable"}})
        .in("noise_seed", &In::noise_seed,
            {.min = 0, .max = ~std::uint64_t{0}, .control_after_generate = true})
        .in("steps", &In::steps, {.min = 1, .max = 10000})
        .in("cfg", &In::cfg, {.min = 0.0, .max = 100.0, .step = 0.1, .round = 0.01})
        .in("sampler_name", &In::sampler_name, {.choices = sampling::sampler_names})
        .in("scheduler", &In::scheduler, {.choices = sampling::schedule_names})
        .in("positive", &In::positive)
        .in("negative", &In::negative)
        .in("latent_image", &In::latent_image)
        .in("start_at_step", &In::start_at_step, {.min = 0, .max = 10000})
        .in("end_at_step", &In::end_at_step, {.min = 0, .max = 10000})
        .in("return_with_leftover_noise", &In::return_with_leftover_noise,
            {.choices = {"disable", "enable"}})
        .out(&Out::latent);
  }

  static Out run(const In& in, Context& context) {
    const KSamplerSettings settings{
        .seed = in.noise_seed,
        .steps = in.steps,
        .sampler = in.sampler_name,
        .scheduler = in.scheduler,
        .noise = in.add_noise == "disable" ? conditioning::StartNoise::none
                                           : conditioning::StartNoise::from_seed,
        .start_step = in.start_at_step,
        .last_step = in.end_at_step,
        .end = in.return_with_leftover_noise == "enable" ? conditioning::LastStep::as_scheduled
                                                         : conditioning::LastStep::to_zero};
    return {
        sample(in.model, {in.positive, in.negative, in.cfg}, in.latent_image, settings, context)};
  }
};

}  // namespace

void register_samplers(engine::Registry& registry) {
  registry.add<KSampler>();
  registry.add<KSamplerAdvanced>();
}

}  // namespace comfy::nodes
