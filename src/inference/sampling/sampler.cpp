// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/sampler.h"

#include "foundation/base/error.h"
#include "inference/sampling/catalog.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace comfy::sampling {

std::vector<std::string> sampler_names() {
  std::vector<std::string> names;
  for (const SamplerRow& row : sampler_catalog()) names.emplace_back(row.name);
  return names;
}

Sampler find_sampler(std::string_view name) {
  for (const SamplerRow& row : sampler_catalog()) {
    if (row.name != name) continue;
    if (!row.function) throw Error{Error::Kind::unsupported, fmt::format("sampler \"{}\"", name)};
    return {.name = std::string{name},
            .function = row.function,
            .inpaint_noise = row.inpaint_noise,
            .last_sigma = row.last_sigma};
  }
  throw Error{Error::Kind::invalid_input,
              fmt::format("sampler must be one of the menu, got \"{}\"", name)};
}

bool discards_penultimate_sigma(std::string_view name) {
  const auto rows = sampler_catalog();
  const auto row =
      std::find_if(rows.begin(), rows.end(), [&](const SamplerRow& r) { return r.name == name; });
  return row != rows.end() && row->penultimate == Penultimate::left_out;
}

Denoiser with_inpaint(Denoiser denoiser, Inpaint inpaint, Sigmas sigmas) {
  if (!inpaint.mask.defined()) return denoiser;
  Denoiser wrapped{.evaluate = {}, .sampling = denoiser.sampling};
  wrapped.evaluate = [inner = std::move(denoiser), inpaint = std::move(inpaint),
                      sigmas = std::move(sigmas)](const Tensor& x, double sigma,
                                                  Guidance guidance) {
    const Tensor mask = inpaint.mask_function
                            ? inpaint.mask_function(inpaint.mask, {sigma, sigmas, inner.sampling})
                            : inpaint.mask;
    const Tensor kept = 1.0 - mask;
    const Tensor noised = inpaint.noised_latent
                              ? inpaint.noised_latent(sigma, inpaint.noise, inpaint.latent)
                              : inner.sampling.noise_scaling(sigma, inpaint.noise, inpaint.latent,
                                                             NoiseStart::partial);
    Denoised denoised = inner.evaluate(x * mask + noised * kept, sigma, guidance);
    denoised.guided = denoised.guided * mask + inpaint.latent * kept;
    return denoised;
  };
  return wrapped;
}

namespace {

NoiseStart start_of(double sigma, const ModelSampling& sampling) {
  const double top = sampling.sigma_max();
  const bool close = std::abs(top - sigma) <= 1e-5 * std::max(std::abs(top), std::abs(sigma));
  return close || sigma > top ? NoiseStart::full : NoiseStart::partial;
}

}  // namespace

Tensor run_sampler(const Sampler& sampler, Denoiser denoiser, SamplerRun run,
                   SamplerContext context) {
  if (run.sigmas.empty()) return run.latent;
  if (run.sigmas.back() == 0.0) run.sigmas.back() = sampler.last_sigma;
  run.inpaint.latent = run.latent;
  run.inpaint.noise = run.noise;
  if (sampler.inpaint_noise == InpaintNoise::fresh) {
    context.generator.seed(context.seed +
                           1);  // this generator too is the one that goes on being drawn from
    run.inpaint.noise = context.generator.randn(run.noise.sizes().vec()).to(run.noise.options());
  }
  const ModelSampling sampling = denoiser.sampling;
  const Denoiser painted = with_inpaint(std::move(denoiser), std::move(run.inpaint), run.sigmas);
  const double first = run.sigmas.front();
  Tensor x = sampling.noise_scaling(first, run.noise, run.latent, start_of(first, sampling));
  x = sampler.function(painted, std::move(x), run.sigmas, context);
  return sampling.inverse_noise_scaling(run.sigmas.back(), x);
}

}  // namespace comfy::sampling
