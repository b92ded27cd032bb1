// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <algorithm>
#include <vector>

namespace comfy::sampling {

namespace {

/// A time of the solver in variance-preserving form. float32 tensors of one value per item: near
/// sigma 0 the reference loses digits here, and its pictures carry that.
struct VpPoint {
  Tensor alpha, sigma, lambda;

  VpPoint(double edm_sigma, std::int64_t batch) {
    const Tensor s = at::full({batch}, edm_sigma, at::kFloat);
    const Tensor log_alpha = 0.5 * (1 / (s * s + 1)).log();
    const Tensor variance = 1.0 - (2.0 * log_alpha).exp();
    alpha = log_alpha.exp();
    sigma = variance.sqrt();
    lambda = log_alpha - 0.5 * variance.log();
  }
};

Tensor per_item(const Tensor& values, const Tensor& x) {
  Shape shape(static_cast<std::size_t>(x.dim()), 1);
  shape[0] = -1;
  return values.view(shape);
}

/// The networks's answer in variance-preserving form.
Tensor clean_sample(const Denoiser& denoise, const Tensor& x, double edm_sigma) {
  const Tensor s = at::full({}, edm_sigma, at::kFloat);
  const Tensor scaled = x * (s.pow(2) + 1.0).sqrt();
  const Tensor eps = (scaled - denoise(scaled, edm_sigma)) / s;
  const VpPoint point{edm_sigma, x.size(0)};
  return (x - per_item(point.sigma, x) * eps) / per_item(point.alpha, x);
}

/// Evaluations already made, newest last.
struct History {
  std::vector<Tensor> clean;
  std::vector<VpPoint> points;
};

/// Coefficients of one step of the given order: the system of eq. 9 of the paper.
struct Coefficients {
  Tensor h_phi_1, b_h;
  Tensor predictor;  ///< [order - 1]
  Tensor corrector;  ///< [order]
};

Coefficients coefficients(const Tensor& h, const std::vector<Tensor>& ratios,
                          UniPcVariant variant) {
  const auto order = static_cast<std::int64_t>(ratios.size());
  const Tensor r = at::stack(ratios);
  const Tensor hh = -h;
  Coefficients c;
  c.h_phi_1 = hh.expm1();
  c.b_h = variant == UniPcVariant::bh1 ? hh : c.h_phi_1;
  std::vector<Tensor> rows;
  std::vector<Tensor> right;
  Tensor phi = c.h_phi_1 / hh - 1;
  double factorial = 1;
  for (std::int64_t i = 1; i <= order; ++i) {
    rows.push_back(r.pow(i - 1));
    right.push_back(phi * factorial / c.b_h);
    factorial *= static_cast<double>(i + 1);
    phi = phi / hh - 1 / factorial;
  }
  const Tensor matrix = at::stack(rows);
  const Tensor b = at::stack(right);
  const Tensor half = at::full({1}, 0.5, at::kFloat);
  const auto solved = [&](std::int64_t n) {
    return at::linalg_solve(matrix.slice(0, 0, n).slice(1, 0, n), b.slice(0, 0, n));
  };
  if (order > 1) c.predictor = order == 2 ? half : solved(order - 1);
  c.corrector = order == 1 ? half : solved(order);
  return c;
}

enum class Correct { no, yes };

/// One step to `edm_sigma`: predicts, and unless it is the last one evaluates there and corrects.
/// Puts the evaluation into the history's end.
Tensor step(const Denoiser& denoise, const Tensor& x, History& history, double edm_sigma,
            std::pair<std::int64_t, UniPcVariant> order_and_variant, Correct correct) {
  const auto [order, variant] = order_and_variant;
  const VpPoint to{edm_sigma, x.size(0)};
  const VpPoint& from = history.points.back();
  const Tensor& clean = history.clean.back();
  const Tensor h = to.lambda - from.lambda;
  std::vector<Tensor> ratios;
  std::vector<Tensor> slopes;
  for (std::int64_t i = 1; i < order; ++i) {
    const std::size_t back = history.points.size() - 1 - static_cast<std::size_t>(i);
    ratios.push_back(((history.points[back].lambda - from.lambda) / h)[0]);
    slopes.push_back((history.clean[back] - clean) / ratios.back());
  }
  ratios.push_back(at::ones({}, at::kFloat));
  const Coefficients c = coefficients(h[0], ratios, variant);
  const auto blended = [&](const Tensor& weights) {
    Tensor sum = at::zeros_like(x);
    for (std::size_t k = 0; k < slopes.size(); ++k)
      sum = sum + slopes[k] * weights[static_cast<std::int64_t>(k)];
    return sum;
  };
  const Tensor base =
      per_item(to.sigma / from.sigma, x) * x - per_item(to.alpha * c.h_phi_1, x) * clean;
  const Tensor scale = per_item(to.alpha * c.b_h, x);
  Tensor next = base - scale * blended(c.predictor);
  if (correct == Correct::no) return next;
  const Tensor clean_there = clean_sample(denoise, next, edm_sigma);
  next = base - scale * (blended(c.corrector) + c.corrector[-1] * (clean_there - clean));
  history.clean.push_back(clean_there);
  history.points.push_back(to);
  return next;
}

}  // namespace

Tensor uni_pc(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
              const SamplerContext& context, UniPcVariant variant) {
  std::vector<double> times{sigmas.begin(), sigmas.end()};
  if (times.back() == 0.0) times.back() = kUniPcLastSigma;
  const auto steps = static_cast<std::int64_t>(times.size()) - 1;
  const std::int64_t max_order = std::min<std::int64_t>(3, steps - 1);
  x = x /
      at::full({}, 1.0 + static_cast<float>(times[0]) * static_cast<float>(times[0]), at::kFloat)
          .sqrt();
  History history;
  for (std::int64_t i = 0; i < steps; ++i) {
    const double sigma = times[static_cast<std::size_t>(i)];
    if (i == 0) {
      history.clean.push_back(clean_sample(denoise, x, sigma));
      history.points.emplace_back(sigma, x.size(0));
    } else {
      const std::int64_t order = i < max_order ? i : std::min(max_order, steps + 1 - i);
      x = step(denoise, x, history, sigma, {order, variant}, Correct::yes);
      if (i == steps - 1 && i >= max_order) {
        x = step(denoise, x, history, times.back(), {std::min<std::int64_t>(max_order, 1), variant},
                 Correct::no);
      }
    }
    context.report(static_cast<std::size_t>(i), sigma, x, history.clean.back());
  }
  return x / per_item(VpPoint{times.back(), x.size(0)}.alpha, x);
}

}  // namespace comfy::sampling
