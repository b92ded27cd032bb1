// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

namespace comfy::sampling {

namespace {

double sigma_at(double t) { return std::exp(-t); }

/// DPM-Solver steps in t = -log sigma. A step keeps its evaluations, so that a lower order costs
/// nothing beside a higher one.
class DpmStep {
 public:
  DpmStep(const Denoiser& denoise, const Tensor& x, double from, double to)
      : denoise_{denoise}, x_{x}, from_{from}, h_{to - from}, sigma_to_{sigma_at(to)} {
    eps_ = eps(x, from);
  }

  Tensor denoised() const { return x_ - eps_ * sigma_at(from_); }
  Tensor first_order() const { return x_ - eps_ * (sigma_to_ * std::expm1(h_)); }

  Tensor second_order(double r1) {
    const Tensor change = eps_at_first(r1) - eps_;
    return first_order() - change * (sigma_to_ / (2 * r1) * std::expm1(h_));
  }

  Tensor third_order() {
    constexpr double kR1 = 1.0 / 3.0;
    constexpr double kR2 = 2.0 / 3.0;
    const double t = from_ + kR2 * h_;
    const double part = kR2 * h_;
    const double grow = std::expm1(part);
    const Tensor change = eps_at_first(kR1) - eps_;
    const Tensor x =
        x_ - eps_ * (sigma_at(t) * grow) - change * (sigma_at(t) * (kR2 / kR1) * (grow / part - 1));
    const Tensor eps_2 = eps(x, t);
    return first_order() - (eps_2 - eps_) * (sigma_to_ / kR2 * (std::expm1(h_) / h_ - 1));
  }

 private:
  Tensor eps(const Tensor& x, double t) const {
    return (x - denoise_(x, sigma_at(t))) / sigma_at(t);
  }

  Tensor eps_at_first(double r1) {
    if (!eps_1_.defined()) {
      const double t = from_ + r1 * h_;
      eps_1_ = eps(x_ - eps_ * (sigma_at(t) * std::expm1(r1 * h_)), t);
    }
    return eps_1_;
  }

  const Denoiser& denoise_;
  Tensor x_;
  double from_;
  double h_;
  double sigma_to_;
  Tensor eps_;
  Tensor eps_1_;
};

/// The range of t that a list of sigmas means.
struct TimeRange {
  double start;
  double end;
};

std::optional<TimeRange> time_range(std::span<const double> sigmas) {
  if (sigmas.size() < 2) return {};
  const double last = sigmas.back() == 0.0 ? sigmas[sigmas.size() - 2] : sigmas.back();
  return TimeRange{-std::log(sigmas.front()), -std::log(last)};
}

/// Where to step instead of `to`, and how much noise to add, for a stochastic run.
AncestralStep stochastic_step(double from, double to, double end, double eta) {
  if (eta == 0.0) return {to, 0.0};
  const double down =
      std::min(end, -std::log(ancestral_step(sigma_at(from), sigma_at(to), eta).down));
  return {down, std::sqrt(sigma_at(to) * sigma_at(to) - sigma_at(down) * sigma_at(down))};
}

/// Proposes step sizes from errors. Söderlind 2003, "Digital filters in adaptive time-stepping".
class StepSize {
 public:
  StepSize(const DpmAdaptive& options, double order)
      : h{std::abs(options.h_init)},
        now_{(options.pcoeff + options.icoeff + options.dcoeff) / order},
        before_{-(options.pcoeff + 2 * options.dcoeff) / order},
        earlier_{options.dcoeff / order},
        safety_{options.accept_safety} {}

  bool accept(double error) {
    const double inverse = 1 / (error + 1e-8);
    if (past_.empty()) past_ = {inverse, inverse};
    const double raw =
        std::pow(inverse, now_) * std::pow(past_[0], before_) * std::pow(past_[1], earlier_);
    const double factor = 1 + std::atan(raw - 1);
    h *= factor;
    if (factor < safety_) return false;
    past_ = {inverse, past_[0]};
    return true;
  }

  double h;

 private:
  double now_, before_, earlier_, safety_;
  std::vector<double> past_;  ///< inverse errors of the last accepted steps, newest first
};

double error_of(const Tensor& low, const Tensor& high, const Tensor& before,
                const DpmAdaptive& options) {
  const Tensor allowed =
      (at::maximum(low.abs(), before.abs()) * options.rtol).clamp_min(options.atol);
  const double norm = at::linalg_vector_norm((low - high) / allowed).item<double>();
  return norm / std::sqrt(static_cast<double>(low.numel()));
}

}  // namespace

Tensor dpm_fast(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                const SamplerContext& context, const Stochastic& options) {
  const auto range = time_range(sigmas);
  if (!range) return x;
  const std::size_t evaluations = sigmas.size() - 1;
  std::vector<int> orders(evaluations / 3 + 1, 3);
  if (evaluations % 3 == 0) {
    orders.back() = 1;
    if (orders.size() >= 2) orders[orders.size() - 2] = 2;
  } else {
    orders.back() = static_cast<int>(evaluations % 3);
  }
  StepNoise noise = independent_noise(x, context.seed);
  const double stride = (range->end - range->start) / static_cast<double>(orders.size());
  for (std::size_t i = 0; i < orders.size(); ++i) {
    const double t = range->start + stride * static_cast<double>(i);
    const double next = i + 1 == orders.size() ? range->end : t + stride;
    const AncestralStep step = stochastic_step(t, next, range->end, options.eta);
    DpmStep dpm{denoise, x, t, step.down};
    context.report(i, sigma_at(t), x, dpm.denoised());
    x = orders[i] == 1   ? dpm.first_order()
        : orders[i] == 2 ? dpm.second_order(0.5)
                         : dpm.third_order();
    x = x + noise(sigma_at(t), sigma_at(next)) * (step.up * options.s_noise);
  }
  return x;
}

Tensor dpm_adaptive(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                    const SamplerContext& context, const DpmAdaptive& options) {
  if (options.order != 2 && options.order != 3) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("order must be 2 or 3, got {}", options.order)};
  }
  const auto range = time_range(sigmas);
  if (!range) return x;
  constexpr double kClose = 1e-5;
  StepNoise noise = independent_noise(x, context.seed);
  StepSize size{options, options.eta > 0 ? 1.5 : options.order};
  Tensor before = x;
  double t = range->start;
  for (std::size_t i = 0; t < range->end - kClose; ++i) {
    const double next = std::min(range->end, t + size.h);
    const AncestralStep step = stochastic_step(t, next, range->end, options.eta);
    DpmStep dpm{denoise, x, t, step.down};
    const Tensor denoised = dpm.denoised();
    const Tensor low = options.order == 2 ? dpm.first_order() : dpm.second_order(1.0 / 3.0);
    const Tensor high = options.order == 2 ? dpm.second_order(0.5) : dpm.third_order();
    if (size.accept(error_of(low, high, before, options))) {
      before = low;
      x = high + noise(sigma_at(t), sigma_at(next)) * (step.up * options.s_noise);
      t = next;
    }
    context.report(i, sigma_at(t), x, denoised);
  }
  return x;
}

}  // namespace comfy::sampling
