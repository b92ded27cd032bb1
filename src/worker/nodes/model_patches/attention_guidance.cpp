// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/hooks.h"
#include "inference/nn/attention.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/model_patches/guidance_options.h"
#include "worker/nodes/model_patches/register.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

namespace comfy::nodes {
namespace {

using conditioning::GuidanceStep;
using conditioning::Side;
using engine::node;
using models::BlockHooks;
using models::BlockKind;
using models::BlockPlace;

struct PerturbedAttentionGuidance {
  struct In {
    Model model;
    double scale = 3.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<PerturbedAttentionGuidance>("PerturbedAttentionGuidance", "model_patches/unet")
        .module("comfy_extras.nodes_pag")
        .schema()
        .in("model", &In::model)
        .in("scale", &In::scale, {.min = 0.0, .max = 100.0, .step = 0.01, .round = 0.01})
        .out(&Out::model);
  }

  /// Ahn et al. 2024 (arXiv:2403.17377): away from what the network says without looking around.
  static Out run(const In& in) {
    if (in.scale == 0) return {in.model};
    BlockHooks unseeing;
    unseeing.attn1_replace[{BlockKind::middle, 0, {}}] =
        [](const Tensor&, const Tensor&, const Tensor& v, const BlockPlace&) { return v; };
    unseeing.key = "pag";
    return {with_post_cfg(
        in.model, fmt::format("pag:{}", in.scale),
        [scale = in.scale, unseeing](const GuidanceStep& step, const Tensor& denoised) {
          const Tensor perturbed = step.evaluate(Side::positive, step.x, unseeing);
          return denoised + (step.cond - perturbed) * scale;
        })};
  }
};

/// Attention with its scores. q, k, v: [B, L, heads * D]; scores: [B, heads, L, L].
struct Attended {
  Tensor out, scores;
};

Attended attend(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t heads) {
  const auto split = [&](const Tensor& x) {
    return x.reshape({x.size(0), -1, heads, x.size(-1) / heads}).transpose(1, 2);
  };
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(-1) / heads));
  const Tensor scores = (split(q).matmul(split(k).transpose(-1, -2)) * scale).softmax(-1);
  return {scores.matmul(split(v)).transpose(1, 2).flatten(2), scores};
}

/// In how many rows `places` lie, where the latent's sides give height : width.
std::int64_t rows_of(std::int64_t places, double height_by_width) {
  const std::int64_t wanted = std::llrint(std::sqrt(height_by_width * static_cast<double>(places)));
  const auto farthest =
      static_cast<std::int64_t>(std::floor(std::sqrt(static_cast<double>(places)) / 2));
  for (std::int64_t i = 0; i < farthest; ++i)
    for (const std::int64_t rows : {wanted + i, std::max<std::int64_t>(1, wanted - i)})
      if (places % rows == 0) return rows;
  return wanted > 0 && places % wanted == 0 ? wanted : 1;
}

Tensor gaussian_blur(const Tensor& x, double sigma) {
  constexpr std::int64_t kSize = 9;
  const double half = (kSize - 1) * 0.5;
  const Tensor at_x = at::linspace(-half, half, kSize, x.options());
  Tensor row = (-0.5 * (at_x / sigma).pow(2)).exp();
  row = row / row.sum();
  const std::int64_t channels = x.size(1);
  const Tensor kernel =
      row.unsqueeze(1).matmul(row.unsqueeze(0)).expand({channels, 1, kSize, kSize});
  const std::int64_t edge = kSize / 2;
  return at::conv2d(at::reflection_pad2d(x, {edge, edge, edge, edge}), kernel, {}, 1,
                    at::IntArrayRef{0}, 1, channels);
}

/// The picture blurred where attention looks. scores: [B, heads, L, L].
Tensor blurred_where_seen(const Tensor& clean, const Tensor& scores, double sigma) {
  constexpr double kThreshold = 1.0;
  const Tensor seen = scores.mean(1).sum(1) > kThreshold;  // [B, L]
  const std::int64_t places = seen.size(-1);
  const std::int64_t rows =
      rows_of(places, static_cast<double>(clean.size(2)) / static_cast<double>(clean.size(3)));
  Tensor mask = seen.reshape({seen.size(0), 1, rows, places / rows}).to(clean.dtype());
  mask = at::upsample_nearest2d(mask, {clean.size(2), clean.size(3)});
  return gaussian_blur(clean, sigma) * mask + clean * (1 - mask);
}

struct SelfAttentionGuidance {
  struct In {
    Model model;
    double scale = 0.5;
    double blur_sigma = 2.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<SelfAttentionGuidance>("SelfAttentionGuidance", "_for_testing")
        .display("Self-Attention Guidance")
        .module("comfy_extras.nodes_sag")
        .schema()
        .experimental()
        .in("model", &In::model)
        .in("scale", &In::scale, {.min = -2.0, .max = 5.0, .step = 0.01})
        .in("blur_sigma", &In::blur_sigma, {.min = 0.0, .max = 10.0, .step = 0.1})
        .out(&Out::model);
  }

  /// Hong et al. 2023 (arXiv:2210.00939): away from what the network says of a picture blurred
  /// where it looks most.
  static Out run(const In& in) {
    constexpr std::int64_t kSmallest = 4;  // latent pixels that leave room for the blur's border
    const auto scores = std::make_shared<Tensor>();
    BlockHooks recording;
    recording.attn1_replace[{BlockKind::middle, 0, 0}] =
        [scores](const Tensor& q, const Tensor& k, const Tensor& v, const BlockPlace& place) {
          const auto& sides = place.cond_or_uncond;
          const auto negative = std::find(sides.begin(), sides.end(), 1);
          if (negative == sides.end()) return nn::attention(q, k, v, place.heads);
          const Attended attended = attend(q, k, v, place.heads);
          const std::int64_t batch = q.size(0) / std::ssize(sides);
          *scores = attended.scores.narrow(0, (negative - sides.begin()) * batch, batch);
          return attended.out;
        };
    recording.key = "sag";
    const auto away = [scores, scale = in.scale, sigma = in.blur_sigma](const GuidanceStep& step,
                                                                        const Tensor& denoised) {
      if (std::min(denoised.size(2), denoised.size(3)) <= kSmallest || !scores->defined())
        return denoised;
      const Tensor degraded = blurred_where_seen(step.uncond, *scores, sigma);
      const Tensor answer = step.evaluate(Side::negative, degraded + step.x - step.uncond, {});
      return denoised + (degraded - answer) * scale;
    };
    const std::string key = fmt::format("sag:{}:{}", in.scale, in.blur_sigma);
    return {with_uncond_always(with_post_cfg(in.model.with_hooks(recording), key, away))};
  }
};

}  // namespace

void register_attention_guidance(engine::Registry& registry) {
  registry.add<PerturbedAttentionGuidance>();
  registry.add<SelfAttentionGuidance>();
}

}  // namespace comfy::nodes
