// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/lagrange.h"
#include "inference/sampling/solvers/solvers.h"
#include "inference/sampling/stepping.h"
#include "inference/tensor/ops.h"

#include <algorithm>
#include <array>
#include <vector>

namespace comfy::sampling {

namespace {

/// Weights of the slope here and of the ones before, newest first, over a step from sigmas[i].
using StepWeights = std::vector<double> (*)(std::span<const double> sigmas, std::size_t i,
                                            int order);

/// Which sample a solver reports: ComfyUI's ipndm show the one that they started from.
enum class Reported { current, first };

struct Multistep {
  int max_order;
  StepWeights weights;
  Reported reported;
};

Tensor linear_multistep(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
                        const SamplerContext& context, const Multistep& form) {
  const Tensor first = x;
  std::vector<Tensor> slopes;  // newest first
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const Tensor denoised = denoise(x, sigmas[i]);
    slopes.insert(slopes.begin(), direction(x, sigmas[i], denoised));
    if (slopes.size() > static_cast<std::size_t>(form.max_order)) slopes.pop_back();
    context.report(i, sigmas[i], form.reported == Reported::first ? first : x, denoised);
    if (sigmas[i + 1] == 0.0) {
      x = denoised;
      continue;
    }
    const std::vector<double> step = form.weights(sigmas, i, static_cast<int>(slopes.size()));
    for (std::size_t k = 0; k < slopes.size(); ++k) x = x + slopes[k] * step[k];
  }
  return x;
}

std::vector<double> lagrange_weights(std::span<const double> sigmas, std::size_t i, int order) {
  std::vector<double> nodes;
  for (int k = 0; k < order; ++k) nodes.push_back(sigmas[i - static_cast<std::size_t>(k)]);
  return lagrange_integrals(nodes, sigmas[i], sigmas[i + 1]);
}

/// Adams-Bashforth as if all steps were equal.
std::vector<double> even_weights(std::span<const double> sigmas, std::size_t i, int order) {
  static constexpr std::array<std::array<double, 4>, 4> kWeights{
      {{1.0, 0.0, 0.0, 0.0},
       {3.0 / 2, -1.0 / 2, 0.0, 0.0},
       {23.0 / 12, -16.0 / 12, 5.0 / 12, 0.0},
       {55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24}}};
  std::vector<double> weights(kWeights[static_cast<std::size_t>(order - 1)].begin(),
                              kWeights[static_cast<std::size_t>(order - 1)].begin() + order);
  for (double& weight : weights) weight *= sigmas[i + 1] - sigmas[i];
  return weights;
}

/// Variable-step weights as the paper's code computes them. From the third order on they are not
/// quite the Lagrange weights: the factor `third` lacks a pair of parentheses there, which is kept
/// for equal pictures.
std::vector<double> variable_weights(std::span<const double> sigmas, std::size_t i, int order) {
  const double step = sigmas[i + 1] - sigmas[i];
  if (order == 1) return {step};
  const auto back = [&](std::size_t k) { return sigmas[i - k + 1] - sigmas[i - k]; };
  const double h1 = back(1);
  std::vector<double> w{(2 + step / h1) / 2, -(step / h1) / 2};
  if (order >= 3) {
    const double h2 = back(2);
    const double third =
        (1 - step / (3 * (step + h1)) * (step * (step + h1)) / (h1 * (h1 + h2))) / 2;
    w[0] += third;
    w[1] -= (1 + h1 / h2) * third;
    w.push_back(third * h1 / h2);
    if (order >= 4) {
      const double h3 = back(3);
      const double fourth = ((1 - step / (3 * (step + h1))) / 2 +
                             (1 - step / (2 * (step + h1))) * step / (6 * (step + h1 + h2))) *
                            (step * (step + h1) * (step + h1 + h2)) /
                            (h1 * (h1 + h2) * (h1 + h2 + h3));
      const double ratio = h1 * (h1 + h2) / (h2 * (h2 + h3));
      w[0] += fourth;
      w[1] -= (1 + h1 / h2 + ratio) * fourth;
      w[2] += (h1 / h2 + ratio * (1 + h2 / h3)) * fourth;
      w.push_back(-fourth * ratio * h1 / h2);
    }
  }
  for (double& weight : w) weight *= step;
  return w;
}

}  // namespace

Tensor lms(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
           const SamplerContext& context, const MaxOrder& options) {
  return linear_multistep(denoise, std::move(x), sigmas, context,
                          {options.order, lagrange_weights, Reported::current});
}

Tensor ipndm(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
             const SamplerContext& context, const MaxOrder& options) {
  return linear_multistep(denoise, std::move(x), sigmas, context,
                          {std::min(options.order, 4), even_weights, Reported::first});
}

Tensor ipndm_v(const Denoiser& denoise, Tensor x, std::span<const double> sigmas,
               const SamplerContext& context, const MaxOrder& options) {
  return linear_multistep(denoise, std::move(x), sigmas, context,
                          {std::min(options.order, 4), variable_weights, Reported::first});
}

}  // namespace comfy::sampling
