// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/patch.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/model_patches/register.h"
#include "worker/nodes/ports.h"

#include <functional>
#include <string_view>
#include <vector>

namespace comfy::nodes {
namespace {

using checkpoint::Weights;
using engine::node;

/// By how much a tensor of that name is multiplied; nothing = it stays.
using Factor = std::function<std::optional<double>(std::string_view name)>;

/// The weights' patches and one more that scales each tensor which `factor` chooses.
std::shared_ptr<const checkpoint::PatchSet> scaled(const Weights& weights, const Factor& factor) {
  std::vector<checkpoint::Patch> patches;
  for (const std::string& name : weights.names()) {
    const std::optional<double> times = factor(name);
    if (!times) continue;
    patches.push_back({.tensor = weights.full_name(name),
                       .adapter = std::make_shared<checkpoint::Adapter>(checkpoint::Difference{}),
                       .adapter_key = "scale",
                       .strength = 0.0,
                       .strength_model = *times});
  }
  return std::make_shared<checkpoint::PatchSet>(weights.patches(), std::move(patches));
}

struct Factors {
  double q = 1.0, k = 1.0, v = 1.0, out = 1.0;
};

bool is_of(std::string_view name, std::string_view layer) {
  const std::string prefix{layer};
  return name.ends_with(prefix + ".weight") || name.ends_with(prefix + ".bias");
}

Model with_factors(const Model& model, const std::string& attention, const Factors& factors) {
  const auto factor = [&](std::string_view name) -> std::optional<double> {
    if (is_of(name, attention + ".to_q")) return factors.q;
    if (is_of(name, attention + ".to_k")) return factors.k;
    if (is_of(name, attention + ".to_v")) return factors.v;
    if (is_of(name, attention + ".to_out.0")) return factors.out;
    return {};
  };
  return model.with_patches(scaled(model.weights(), factor));
}

enum class AttentionTo { itself, text };

template <AttentionTo kTo>
struct UNetAttentionMultiply {
  struct In {
    Model model;
    double q = 1.0;
    double k = 1.0;
    double v = 1.0;
    double out = 1.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    constexpr const char* kId =
        kTo == AttentionTo::itself ? "UNetSelfAttentionMultiply" : "UNetCrossAttentionMultiply";
    return node<UNetAttentionMultiply>(kId, "_for_testing/attention_experiments")
        .module("comfy_extras.nodes_attention_multiply")
        .schema()
        .experimental()
        .in("model", &In::model)
        .in("q", &In::q, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("k", &In::k, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("v", &In::v, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("out", &In::out, {.min = 0.0, .max = 10.0, .step = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    return {with_factors(in.model, kTo == AttentionTo::itself ? "attn1" : "attn2",
                         {in.q, in.k, in.v, in.out})};
  }
};

struct CLIPAttentionMultiply {
  struct In {
    Clip clip;
    double q = 1.0;
    double k = 1.0;
    double v = 1.0;
    double out = 1.0;
  };
  struct Out {
    Clip clip;
  };

  static auto spec() {
    return node<CLIPAttentionMultiply>("CLIPAttentionMultiply",
                                       "_for_testing/attention_experiments")
        .module("comfy_extras.nodes_attention_multiply")
        .schema()
        .experimental()
        .in("clip", &In::clip)
        .in("q", &In::q, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("k", &In::k, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("v", &In::v, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("out", &In::out, {.min = 0.0, .max = 10.0, .step = 0.01})
        .out(&Out::clip);
  }

  static Out run(const In& in) {
    const auto factor = [&](std::string_view name) -> std::optional<double> {
      if (is_of(name, "self_attn.q_proj")) return in.q;
      if (is_of(name, "self_attn.k_proj")) return in.k;
      if (is_of(name, "self_attn.v_proj")) return in.v;
      if (is_of(name, "self_attn.out_proj")) return in.out;
      return {};
    };
    return {in.clip.with_patches(scaled(in.clip.weights(), factor))};
  }
};

struct UNetTemporalAttentionMultiply {
  struct In {
    Model model;
    double self_structural = 1.0;
    double self_temporal = 1.0;
    double cross_structural = 1.0;
    double cross_temporal = 1.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<UNetTemporalAttentionMultiply>("UNetTemporalAttentionMultiply",
                                               "_for_testing/attention_experiments")
        .module("comfy_extras.nodes_attention_multiply")
        .schema()
        .experimental()
        .in("model", &In::model)
        .in("self_structural", &In::self_structural, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("self_temporal", &In::self_temporal, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("cross_structural", &In::cross_structural, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("cross_temporal", &In::cross_temporal, {.min = 0.0, .max = 10.0, .step = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    const auto factor = [&](std::string_view name) -> std::optional<double> {
      const bool temporal = name.find(".time_stack.") != std::string_view::npos;
      if (is_of(name, "attn1.to_out.0")) return temporal ? in.self_temporal : in.self_structural;
      if (is_of(name, "attn2.to_out.0")) return temporal ? in.cross_temporal : in.cross_structural;
      return {};
    };
    return {in.model.with_patches(scaled(in.model.weights(), factor))};
  }
};

}  // namespace

void register_attention_multiply(engine::Registry& registry) {
  registry.add<UNetAttentionMultiply<AttentionTo::itself>>();
  registry.add<UNetAttentionMultiply<AttentionTo::text>>();
  registry.add<CLIPAttentionMultiply>();
  registry.add<UNetTemporalAttentionMultiply>();
}

}  // namespace comfy::nodes
