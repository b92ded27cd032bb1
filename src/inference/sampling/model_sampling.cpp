// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/model_sampling.h"

#include "inference/tensor/ops.h"

#include <cmath>
#include <numbers>

namespace comfy::sampling {

namespace {

/// Sigmas outside every table, at the start of sampling.
constexpr double kBeforeAll = 999999999.9;
constexpr std::int64_t kContinuousEntries = 1000;
constexpr std::int64_t kFlowEntries = 1000;
constexpr std::int64_t kFineEntries = 10000;
constexpr std::int64_t kDistilledSteps = 50;

const at::TensorOptions kDouble = at::TensorOptions{}.dtype(at::kDouble);

/// A number as ComfyUI's one-element float32 tensors hold it.
Tensor scalar(double value) { return at::full({}, value, at::kFloat); }

/// One value per item of the batch, shaped to broadcast over x: [B] -> [B, 1, ...].
Tensor per_item(const Tensor& values, const Tensor& x) {
  if (values.numel() == 1 && values.dim() == 0) return values;
  Shape shape(static_cast<std::size_t>(x.dim()), 1);
  shape[0] = values.numel();
  return values.reshape(shape);
}

Tensor betas(const SamplingSettings& s) {
  const std::int64_t n = s.timesteps;
  switch (s.beta_schedule) {
    case BetaSchedule::linear:
      return at::linspace(std::sqrt(s.linear_start), std::sqrt(s.linear_end), n, kDouble).pow(2);
    case BetaSchedule::sqrt_linear:
      return at::linspace(s.linear_start, s.linear_end, n, kDouble);
    case BetaSchedule::sqrt:
      return at::linspace(s.linear_start, s.linear_end, n, kDouble).sqrt();
    case BetaSchedule::cosine:
      break;
  }
  const Tensor t = at::arange(n + 1, kDouble) / static_cast<double>(n) + s.cosine_s;
  const Tensor alphas = (t / (1 + s.cosine_s) * std::numbers::pi / 2).cos().pow(2);
  const Tensor relative = alphas / alphas[0];
  return (1 - relative.slice(0, 1) / relative.slice(0, 0, -1)).clamp(0, 0.999);
}

/// Lin et al. 2023 (arXiv:2305.08891), algorithm 1, on sigmas.
Tensor to_zero_terminal_snr(const Tensor& sigmas) {
  const Tensor root = (1 / (sigmas * sigmas + 1)).sqrt();
  const Tensor first = root[0].clone();
  const Tensor last = root[-1].clone();
  Tensor alphas = ((root - last) * (first / (first - last))).pow(2);
  alphas[-1] = 4.8973451890853435e-08;  // not 0, so that the last sigma stays finite
  return ((1 - alphas) / alphas).sqrt();
}

Tensor discrete_sigmas(const SamplingSettings& s) {
  const Tensor cumulated = at::cumprod(1.0 - betas(s), 0);
  const Tensor sigmas = ((1 - cumulated) / cumulated).sqrt();
  return s.zsnr ? to_zero_terminal_snr(sigmas) : sigmas;
}

/// sigma of t in (0, 1], moved towards noise by shift > 1. Esser et al. 2024 (arXiv:2403.03206),
/// eq. 23.
Tensor shifted(double shift, const Tensor& t) {
  if (shift == 1.0) return t;
  return shift * t / (1 + (shift - 1) * t);
}
double shifted(double shift, double t) {
  return shift == 1.0 ? t : shift * t / (1 + (shift - 1) * t);
}

/// The same with an exponential shift mu, as Flux does.
Tensor shifted_exponentially(double mu, const Tensor& t) {
  const double scale = std::exp(mu);
  return scale / (scale + (1 / t - 1));
}

Tensor cascade_start(double s) {
  return (scalar(s) / (1 + scalar(s)) * std::numbers::pi * 0.5).cos().pow(2);
}

Tensor cascade_sigma(const SamplingSettings& settings, const Tensor& t) {
  const Tensor s = scalar(settings.cosine_s);
  Tensor alpha =
      ((t + s) / (1 + s) * std::numbers::pi * 0.5).cos().pow(2) / cascade_start(settings.cosine_s);
  if (settings.shift != 1.0) {
    alpha = ((alpha / (1 - alpha)).log() + 2 * std::log(1.0 / settings.shift)).sigmoid();
  }
  alpha = alpha.clamp(0.0001, 0.9999);
  return ((1 - alpha) / alpha).sqrt();
}

Tensor table_of(const SamplingSettings& s) {
  switch (s.space) {
    case SigmaSpace::discrete:
    case SigmaSpace::discrete_edm:
      return discrete_sigmas(s);
    case SigmaSpace::distilled: {
      const std::int64_t skip = s.timesteps / kDistilledSteps;
      return discrete_sigmas(s).flip(0).slice(0, 0, skip * kDistilledSteps, skip).flip(0);
    }
    case SigmaSpace::continuous_edm:
    case SigmaSpace::continuous_v:
    case SigmaSpace::cosmos_rflow:
      return at::linspace(std::log(s.sigma_min), std::log(s.sigma_max), kContinuousEntries,
                          at::kFloat)
          .exp();
    case SigmaSpace::flow:
      return shifted(s.shift, at::arange(1, kFlowEntries + 1, 1, at::kFloat) / kFlowEntries *
                                  s.multiplier / s.multiplier);
    case SigmaSpace::flux:
      return shifted_exponentially(s.shift,
                                   at::arange(1, kFineEntries + 1, 1, at::kFloat) / kFineEntries);
    case SigmaSpace::cascade:
      return cascade_sigma(s, (at::arange(kFineEntries, at::kFloat) + 1) / kFineEntries);
  }
  return {};
}

bool is_continuous(SigmaSpace space) {
  return space == SigmaSpace::continuous_edm || space == SigmaSpace::continuous_v ||
         space == SigmaSpace::cosmos_rflow;
}

/// Between the entries of a table of logarithms; position: any shape.
Tensor interpolated(const Tensor& log_sigmas, const Tensor& position) {
  const Tensor t = position.to(at::kFloat).clamp(0, static_cast<double>(log_sigmas.size(0) - 1));
  const Tensor low = t.floor().to(at::kLong);
  const Tensor high = t.ceil().to(at::kLong);
  const Tensor weight = t.frac();
  return ((1 - weight) * log_sigmas.index({low}) + weight * log_sigmas.index({high})).exp();
}

Tensor nearest_entry(const Tensor& log_sigmas, const Tensor& sigma) {
  const Tensor distance = sigma.log().reshape({1, -1}) - log_sigmas.unsqueeze(1);  // [N, sigmas]
  return distance.abs().argmin(0).reshape(sigma.sizes());
}

}  // namespace

ModelSampling::ModelSampling(const SamplingSettings& settings) : settings_{settings} {
  const Tensor table = table_of(settings_);
  sigmas_ = table.to(at::kFloat);
  log_sigmas_ = table.log().to(at::kFloat);
}

double ModelSampling::sigma_min() const { return sigmas_[0].item<double>(); }
double ModelSampling::sigma_max() const { return sigmas_[-1].item<double>(); }

Tensor ModelSampling::timestep(const Tensor& sigma) const {
  const std::int64_t skip = settings_.timesteps / kDistilledSteps;
  switch (settings_.space) {
    case SigmaSpace::discrete:
      return nearest_entry(log_sigmas_, sigma);
    case SigmaSpace::distilled:
      return nearest_entry(log_sigmas_, sigma) * skip + (skip - 1);
    case SigmaSpace::discrete_edm:
    case SigmaSpace::continuous_edm:
      return 0.25 * sigma.log();
    case SigmaSpace::continuous_v:
      return sigma.atan() / std::numbers::pi * 2;
    case SigmaSpace::flow:
      return sigma * settings_.multiplier;
    case SigmaSpace::flux:
      return sigma;
    case SigmaSpace::cosmos_rflow:
      return sigma / (sigma + 1);
    case SigmaSpace::cascade:
      break;
  }
  const Tensor variance = (1 / (sigma * sigma + 1)).clamp(0, 1);
  const Tensor s = scalar(settings_.cosine_s);
  return (variance * cascade_start(settings_.cosine_s)).sqrt().acos() / (std::numbers::pi * 0.5) *
             (1 + s) -
         s;
}

Tensor ModelSampling::sigma(const Tensor& timestep) const {
  const std::int64_t skip = settings_.timesteps / kDistilledSteps;
  switch (settings_.space) {
    case SigmaSpace::discrete:
      return interpolated(log_sigmas_, timestep);
    case SigmaSpace::distilled:
      return interpolated(log_sigmas_, (timestep.to(at::kFloat) - (skip - 1)) / skip);
    case SigmaSpace::discrete_edm:
    case SigmaSpace::continuous_edm:
      return (timestep / 0.25).exp();
    case SigmaSpace::continuous_v:
      return (timestep * std::numbers::pi / 2).tan();
    case SigmaSpace::flow:
      return shifted(settings_.shift, timestep / settings_.multiplier);
    case SigmaSpace::flux:
      return shifted_exponentially(settings_.shift, timestep);
    case SigmaSpace::cascade:
      return cascade_sigma(settings_, timestep);
    case SigmaSpace::cosmos_rflow:
      break;
  }
  const double last = settings_.sigma_max;
  return at::where(timestep >= last / (last + 1), scalar(last), timestep / (1 - timestep));
}

double ModelSampling::timestep(double sigma) const {
  return timestep(scalar(sigma)).item<double>();
}
double ModelSampling::sigma(double timestep) const {
  return sigma(scalar(timestep)).item<double>();
}

double ModelSampling::percent_to_sigma(double percent) const {
  const bool unit_range =
      settings_.space == SigmaSpace::flow || settings_.space == SigmaSpace::flux;
  if (percent <= 0.0) return unit_range ? 1.0 : kBeforeAll;
  if (percent >= 1.0) return 0.0;
  const double rest = 1.0 - percent;
  if (settings_.space == SigmaSpace::flow) return shifted(settings_.shift, rest);
  if (settings_.space == SigmaSpace::flux) {
    const double scale = std::exp(settings_.shift);
    return scale / (scale + (1 / rest - 1));
  }
  if (settings_.space == SigmaSpace::cascade) return sigma(rest);
  if (!is_continuous(settings_.space)) return sigma(rest * 999.0);
  const double low = std::log(sigma_min());
  return std::exp((std::log(sigma_max()) - low) * rest + low);
}

Tensor ModelSampling::calculate_input(const Tensor& sigma, const Tensor& x) const {
  const Tensor s = per_item(sigma, x);
  switch (settings_.prediction) {
    case Prediction::flow:
    case Prediction::image:
      return x;
    case Prediction::cosmos_rflow:
      return x * (1 - s / (s + 1));
    default:
      return x / (s.pow(2) + settings_.sigma_data * settings_.sigma_data).sqrt();
  }
}

Tensor ModelSampling::calculate_denoised(const Tensor& sigma, const Tensor& output,
                                         const Tensor& x) const {
  const Tensor s = per_item(sigma, output);
  const double data = settings_.sigma_data;
  switch (settings_.prediction) {
    case Prediction::eps:
    case Prediction::flow:
      return x - output * s;
    case Prediction::x0:
    case Prediction::image:
      return output;
    case Prediction::v: {
      const Tensor power = s.pow(2) + data * data;
      return x * (data * data) / power - output * s * data / power.sqrt();
    }
    case Prediction::edm: {
      const Tensor power = s.pow(2) + data * data;
      return x * (data * data) / power + output * s * data / power.sqrt();
    }
    case Prediction::cosmos_rflow: {
      const Tensor time = s / (s + 1);
      return x * (1 - time) - output * time;
    }
    case Prediction::lcm:
      break;
  }
  constexpr double kConsistency = 0.5;  // sigma_data of latent consistency models
  const Tensor time = per_item(timestep(sigma), output).to(at::kFloat) * 10.0;
  const Tensor power = time.pow(2) + kConsistency * kConsistency;
  return time / power.sqrt() * (x - output * s) + kConsistency * kConsistency / power * x;
}

Tensor ModelSampling::noise_scaling(double sigma, const Tensor& noise, const Tensor& latent,
                                    NoiseStart start) const {
  switch (settings_.prediction) {
    case Prediction::flow:
      return noise * sigma + latent * (1.0 - sigma);
    case Prediction::cosmos_rflow:
    case Prediction::image:
      break;
    default:
      if (start == NoiseStart::full) {
        const auto s = static_cast<float>(sigma);
        return noise * std::sqrt(1.0F + s * s) + latent;
      }
  }
  return noise * sigma + latent;
}

Tensor ModelSampling::inverse_noise_scaling(double sigma, const Tensor& latent) const {
  return settings_.prediction == Prediction::flow ? latent / (1.0 - sigma) : latent;
}

}  // namespace comfy::sampling
