// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/sample.h"

#include "foundation/base/error.h"
#include "inference/conditioning/batch.h"
#include "inference/conditioning/guide.h"
#include "inference/sampling/noise.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

namespace comfy::conditioning {

namespace {

using sampling::Sigmas;

/// The part of the sigmas between two steps. Nothing when it begins at or after the end.
std::optional<Sigmas> between(Sigmas sigmas, const KSamplerSettings& settings) {
  const auto steps = static_cast<int>(sigmas.size()) - 1;
  if (settings.last_step && *settings.last_step < steps) {
    sigmas.resize(static_cast<std::size_t>(std::max(*settings.last_step, -1) + 1));
    if (settings.end == LastStep::to_zero && !sigmas.empty()) sigmas.back() = 0.0;
  }
  if (settings.start_step) {
    if (*settings.start_step >= static_cast<int>(sigmas.size()) - 1) return {};
    sigmas.erase(sigmas.begin(), sigmas.begin() + std::max(*settings.start_step, 0));
  }
  return sigmas;
}

Tensor fixed_channels(const SampledModel& model, const Tensor& latent) {
  const models::LatentFormat& format = model.model.latent_format();
  return sampling::fix_empty_latent_channels(latent, format.channels, format.dimensions);
}

GuideLists lists_of(const models::Model& model, const sampling::ModelSampling& sampling,
                    const Guide& guide, const RunShape& shape) {
  std::vector<Conditioning> sides{guide.positive, guide.negative};
  if (guide.third) sides.push_back(guide.third_list);
  GuideLists lists{
      .sides = resolve(model, sampling, sides, shape), .cfg = guide.cfg, .third = guide.third};
  if (const auto& options = model.guidance())
    for (const Conditioning& extra : options->extra_lists)
      lists.extra.push_back(resolve(model, sampling, {{}, extra}, shape)[1]);
  return lists;
}

bool is_empty(const Tensor& latent) { return latent.count_nonzero().item<std::int64_t>() == 0; }

}  // namespace

Tensor sample_custom(const SampledModel& model, const Guide& guide, const StartLatent& start,
                     CustomRun run, const OnSampleStep& on_step) {
  if (run.sigmas.empty()) return start.samples;
  const models::LatentFormat& format = model.model.latent_format();
  const Tensor samples = start.samples.to(at::kFloat);
  const Tensor latent = is_empty(samples) ? samples : format.process_in(samples);
  if (run.noise.sizes() != latent.sizes()) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("noise must have the latent's shape [{}], got [{}]",
                            fmt::join(latent.sizes(), ", "), fmt::join(run.noise.sizes(), ", "))};
  }
  RunShape shape{.latent = latent.sizes().vec(), .latent_image = latent};
  if (start.noise_mask.defined())
    shape.denoise_mask = mask_like_latent(start.noise_mask, shape.latent);

  const sampling::ModelSampling sampling{model.model.sampling()};
  const sampling::Denoiser denoiser =
      guided_denoiser(Evaluator{model, sampling}, lists_of(model.model, sampling, guide, shape));
  sampling::SamplerContext context{.seed = run.seed, .generator = run.generator};
  const std::size_t total = run.sigmas.size() - 1;
  if (on_step) {
    context.on_step = [&](const sampling::Step& step) {
      on_step({step.index, total, step.denoised, step.x});
    };
  }
  sampling::Inpaint inpaint{.mask = shape.denoise_mask};
  if (const auto& options = model.model.guidance()) {
    inpaint.mask_function = options->mask_function;
    for (const auto& begin : options->on_start) begin(context.generator);
  }
  const Tensor result = sampling::run_sampler(run.sampler, denoiser,
                                              {.sigmas = std::move(run.sigmas),
                                               .noise = run.noise.to(latent.options()),
                                               .latent = latent,
                                               .inpaint = std::move(inpaint)},
                                              context);
  return format.process_out(result.to(at::kFloat));
}

Tensor sample(const SampledModel& model, const Guide& guide, const StartLatent& start,
              const KSamplerSettings& settings, const OnSampleStep& on_step) {
  StartLatent fixed = start;
  fixed.samples = fixed_channels(model, start.samples);
  const sampling::ModelSampling sampling{model.model.sampling()};
  auto sigmas = between(sampling::ksampler_sigmas(sampling, settings.sampler, settings.scheduler,
                                                  settings.steps, settings.denoise),
                        settings);
  CustomRun run{.sampler = sampling::find_sampler(settings.sampler),
                .sigmas = {},
                .noise = {},
                .seed = settings.seed};
  if (!sigmas) return fixed.samples;
  run.sigmas = std::move(*sigmas);
  if (settings.noise == StartNoise::none) {
    run.noise = at::zeros_like(fixed.samples);
  } else {
    run.generator.seed(settings.seed);
    run.noise = sampling::prepare_noise(fixed.samples, run.generator, fixed.batch_index);
  }
  return sample_custom(model, guide, fixed, std::move(run), on_step);
}

}  // namespace comfy::conditioning
