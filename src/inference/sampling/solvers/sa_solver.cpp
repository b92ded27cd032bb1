// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace comfy::sampling {

namespace {

// The weights come from an ill-conditioned system that the reference solves in float32. So do we:
// its rounding is part of its pictures.

/// (1 + tau^2) times the integrals of exp((1 + tau^2) x) x^p from s to t for p = 0 ... order - 1,
/// with exp((1 + tau^2) t) factored out. Repeated integration by parts: the entry (p, q) of the
/// matrix is p! / q! (-1 / (1 + tau^2))^(p - q).
Tensor exponential_integrals(const Tensor& s, const Tensor& t, std::int64_t order, double tau) {
  const double rate = 1 + tau * tau;
  const Tensor p = at::arange(order, at::kFloat);
  const Tensor ends = t.pow(p) - s.pow(p) * (-rate * (t - s)).exp();
  const Tensor depth = p.unsqueeze(1) - p.unsqueeze(0);
  const Tensor log_factorial = (p + 1).lgamma();
  Tensor log_size = log_factorial.unsqueeze(1) - log_factorial.unsqueeze(0);
  if (tau > 0) log_size = log_size - depth * std::log(rate);
  const Tensor sign = at::where(depth.remainder(2) == 0, at::full({}, 1.0, at::kFloat),
                                at::full({}, -1.0, at::kFloat));
  return (log_size.exp() * sign).tril().matmul(ends);
}

enum class Stage { predictor, corrector };

/// The sigmas of a run and their half log SNRs.
struct Levels {
  Tensor sigmas;
  Tensor lambdas;

  /// Weights of the evaluations at `lambdas[end - order] ... [end - 1]` over the step from `to - 1`
  /// to `to`. Eqs. 15 and 18; the simple second order is from appendix D.
  Tensor weights(std::int64_t end, std::int64_t order, std::int64_t to, double tau,
                 const SaSolver& options, Stage stage) const {
    const Tensor from_lambda = lambdas[to - 1];
    const Tensor to_lambda = lambdas[to];
    const Tensor alpha_to = sigmas[to] * to_lambda.exp();
    const Tensor known = lambdas.slice(0, end - order, end);
    if (options.second_order == SaSolver::SecondOrder::simple && order == 2) {
      const double rate = 1 + tau * tau;
      const Tensor h = to_lambda - from_lambda;
      const Tensor whole = alpha_to * -(-h * rate).expm1();
      if (stage == Stage::corrector) {
        const Tensor newer = alpha_to * (0.5 * rate * h);
        return at::stack({whole - newer, newer});
      }
      const Tensor older = alpha_to * (0.5 * rate * h.pow(2)) / (known[0] - from_lambda);
      return at::stack({older, whole - older});
    }
    const Tensor powers = at::vander(known, order, true).t();
    return alpha_to *
           at::linalg_solve(powers, exponential_integrals(from_lambda, to_lambda, order, tau));
  }
  double step(std::int64_t to) const { return (lambdas[to] - lambdas[to - 1]).item<double>(); }
  double ratio(std::int64_t to) const { return (sigmas[to] / sigmas[to - 1]).item<double>(); }
};

/// The newest evaluations, oldest first, each with its weight.
Tensor weighted(const std::vector<Tensor>& evaluations, const Tensor& weights) {
  const auto count = static_cast<std::size_t>(weights.size(0));
  Tensor sum;
  for (std::size_t k = 0; k < count; ++k) {
    const Tensor part =
        evaluations[evaluations.size() - count + k] * weights[static_cast<std::int64_t>(k)];
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

struct Orders {
  std::int64_t predictor;
  std::int64_t corrector;
};

/// Lower at the start, where little is known, and towards a last sigma of 0, for stability.
Orders orders_at(std::int64_t i, const Sigmas& levels, std::int64_t known,
                 const SaSolver& options) {
  const auto steps = static_cast<std::int64_t>(levels.size()) - 1;
  const bool evaluates_twice = options.mode == SaSolver::Mode::predict_evaluate_correct_evaluate;
  Orders orders{std::min<std::int64_t>(options.predictor_order, known),
                std::min<std::int64_t>(options.corrector_order, known)};
  if (i == 0 || (levels[static_cast<std::size_t>(i) + 1] == 0.0 && !evaluates_twice))
    orders.corrector = 0;
  if (levels.back() == 0.0) {
    orders.predictor = std::min(orders.predictor, steps - 1 - i);
    orders.corrector = std::min(orders.corrector, steps - i);
  }
  return orders;
}

std::function<double(double)> default_tau(const ModelSampling& sampling) {
  const double start = sampling.percent_to_sigma(0.2);
  const double end = sampling.percent_to_sigma(0.8);
  return [start, end](double sigma) { return start >= sigma && sigma >= end ? 1.0 : 0.0; };
}

}  // namespace

Tensor sa_solver(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                 const SamplerContext& context, const SaSolver& options) {
  if (sigmas.size() <= 1) return x;
  const Sigmas levels = with_finite_snr(sigmas, denoise.sampling);
  const Tensor values = at::tensor(at::ArrayRef<double>{levels.data(), levels.size()}, at::kFloat);
  const Levels table{values, denoise.sampling.is_flow() ? -values.logit() : -values.log()};
  const auto tau_of = options.tau ? options.tau : default_tau(denoise.sampling);
  const auto kept =
      static_cast<std::size_t>(std::max(options.predictor_order, options.corrector_order));
  StepNoise draw = independent_noise(x, context.seed);
  std::vector<Tensor> evaluations;
  Tensor predicted = x;
  Tensor noise;
  double tau = 0.0;
  for (std::int64_t i = 0; i + 1 < static_cast<std::int64_t>(levels.size()); ++i) {
    const double from = levels[static_cast<std::size_t>(i)];
    const double to = levels[static_cast<std::size_t>(i) + 1];
    Tensor denoised = denoise(predicted, from);
    context.report(static_cast<std::size_t>(i), from, predicted, denoised);
    evaluations.push_back(denoised);
    if (evaluations.size() > kept) evaluations.erase(evaluations.begin());
    const Orders orders =
        orders_at(i, levels, static_cast<std::int64_t>(evaluations.size()), options);
    if (orders.corrector == 0) {
      x = predicted;
    } else {
      x = x * (table.ratio(i) * std::exp(-tau * tau * table.step(i))) +
          weighted(evaluations,
                   table.weights(i + 1, orders.corrector, i, tau, options, Stage::corrector));
      if (tau > 0 && options.s_noise > 0) x = x + noise;
      if (options.mode == SaSolver::Mode::predict_evaluate_correct_evaluate) {
        denoised = denoise(x, from);
        evaluations.back() = denoised;
      }
    }
    if (to == 0.0) {
      x = denoised;
      continue;
    }
    tau = tau_of(to);
    const double h = table.step(i + 1);
    predicted = x * (table.ratio(i + 1) * std::exp(-tau * tau * h)) +
                weighted(evaluations, table.weights(i + 1, orders.predictor, i + 1, tau, options,
                                                    Stage::predictor));
    if (tau > 0 && options.s_noise > 0) {
      noise = draw(from, to) * (to * std::sqrt(-std::expm1(-2 * tau * tau * h)) * options.s_noise);
      predicted = predicted + noise;
    }
  }
  // ComfyUI 0.3.64 returns the state before the last prediction; it shows when sigmas do not end in
  // 0.
  return x;
}

}  // namespace comfy::sampling
