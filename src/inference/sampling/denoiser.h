// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/sampling/model_sampling.h"
#include "inference/sampling/schedule.h"

#include <functional>

namespace comfy::sampling {

/// The guided clean sample, and the one of the negative condition alone where a sampler asked for
/// it.
struct Denoised {
  Tensor guided;
  Tensor uncond;
};

/// Whether a sampler also steps along the unguided direction (the CFG++ family).
enum class Guidance { combined, with_uncond };

/// A network with its guidance, seen by a sampler: noisy sample and sigma in, clean sample out.
/// Carries its parameterization openly.
struct Denoiser {
  std::function<Denoised(const Tensor& x, double sigma, Guidance guidance)> evaluate;
  ModelSampling sampling;

  Tensor operator()(const Tensor& x, double sigma) const {
    return evaluate(x, sigma, Guidance::combined).guided;
  }
  Denoised with_uncond(const Tensor& x, double sigma) const {
    return evaluate(x, sigma, Guidance::with_uncond);
  }
};

/// Where a run is: the sigma at hand, all sigmas of the run, and what they mean to the network.
struct MaskMoment {
  double sigma = 0.0;
  const Sigmas& sigmas;
  const ModelSampling& sampling;
};

/// Changes the mask from step to step (differential diffusion).
using MaskFunction = std::function<Tensor(const Tensor& mask, const MaskMoment& moment)>;

/// What of a latent is kept while the rest is painted anew.
struct Inpaint {
  Tensor mask = {};    ///< 1 = paint anew; broadcasts over the latent. Empty = paint everything
  Tensor latent = {};  ///< what is kept, in the network's scaling
  Tensor noise = {};   ///< with which the kept part is noised
  MaskFunction mask_function = {};
  /// The kept part at a sigma, where a model has its own way; nothing = noise_scaling of the
  /// latent.
  std::function<Tensor(double sigma, const Tensor& noise, const Tensor& latent)> noised_latent = {};
};

/// A denoiser that sees, and returns, the kept part of the latent where the mask is 0.
Denoiser with_inpaint(Denoiser denoiser, Inpaint inpaint, Sigmas sigmas);

}  // namespace comfy::sampling
