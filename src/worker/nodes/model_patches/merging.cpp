// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/patch.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/model_patches/register.h"
#include "worker/nodes/ports.h"

#include <fmt/format.h>

#include <functional>
#include <string_view>
#include <vector>

namespace comfy::nodes {
namespace {

using checkpoint::Patch;
using checkpoint::Weights;
using engine::node;

/// How much of each model a merged tensor is made of.
struct Shares {
  double first = 1.0, second = 0.0;
};
using SharesOf = std::function<Shares(std::string_view name)>;

/// A tensor as its model keeps it; where that is as in the file and nothing was patched, it lies in
/// the file, so that merging copies nothing.
Tensor tensor_of(const Weights& weights, const std::string& name, const std::string& full) {
  const auto& patches = weights.patches();
  // A patched one is not rounded before it is merged.
  if (patches && patches->find(full) != nullptr) return weights.with(checkpoint::Precision{})[name];
  const auto& storage = weights.precision().storage;
  return weights.with(checkpoint::Precision{
      .storage = storage, .compute = storage.value_or(weights.dtype(name))})[name];
}

/// The first one's patches and one more for each tensor that both have.
std::shared_ptr<const checkpoint::PatchSet> merged(const Weights& first, const Weights& second,
                                                   const SharesOf& shares_of) {
  std::vector<Patch> patches;
  for (const std::string& name : second.names()) {
    if (!first.has(name)) continue;
    const Shares shares = shares_of(name);
    const std::string theirs = second.full_name(name);
    patches.push_back({.tensor = first.full_name(name),
                       .adapter = std::make_shared<checkpoint::Adapter>(
                           checkpoint::Difference{.value = tensor_of(second, name, theirs)}),
                       .adapter_key = fmt::format("{}/{}", second.key(), name),
                       .strength = shares.second,
                       .strength_model = shares.first});
  }
  return std::make_shared<checkpoint::PatchSet>(first.patches(), std::move(patches));
}

Model merged(const Model& first, const Model& second, const SharesOf& shares_of) {
  return first.with_patches(merged(first.weights(), second.weights(), shares_of));
}

Clip merged(const Clip& first, const Clip& second, const Shares& shares) {
  const auto always = [shares](std::string_view name) -> Shares {
    // Neither is learned; ComfyUI leaves them alone.
    const bool kept = name.ends_with(".position_ids") || name.ends_with(".logit_scale");
    return kept ? Shares{} : shares;
  };
  return first.with_patches(merged(first.weights(), second.weights(), always));
}

struct ModelMergeSimple {
  struct In {
    Model model1;
    Model model2;
    double ratio = 1.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<ModelMergeSimple>("ModelMergeSimple", "advanced/model_merging")
        .module("comfy_extras.nodes_model_merging")
        .in("model1", &In::model1)
        .in("model2", &In::model2)
        .in("ratio", &In::ratio, {.min = 0.0, .max = 1.0, .step = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    const Shares shares{.first = in.ratio, .second = 1.0 - in.ratio};
    return {merged(in.model1, in.model2, [shares](std::string_view) { return shares; })};
  }
};

struct ModelMergeSubtract {
  struct In {
    Model model1;
    Model model2;
    double multiplier = 1.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<ModelMergeSubtract>("ModelMergeSubtract", "advanced/model_merging")
        .module("comfy_extras.nodes_model_merging")
        .in("model1", &In::model1)
        .in("model2", &In::model2)
        .in("multiplier", &In::multiplier, {.min = -10.0, .max = 10.0, .step = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    const Shares shares{.first = in.multiplier, .second = -in.multiplier};
    return {merged(in.model1, in.model2, [shares](std::string_view) { return shares; })};
  }
};

struct ModelMergeAdd {
  struct In {
    Model model1;
    Model model2;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<ModelMergeAdd>("ModelMergeAdd", "advanced/model_merging")
        .module("comfy_extras.nodes_model_merging")
        .in("model1", &In::model1)
        .in("model2", &In::model2)
        .out(&Out::model);
  }

  static Out run(const In& in) {
    return {merged(in.model1, in.model2, [](std::string_view) { return Shares{1.0, 1.0}; })};
  }
};

struct CLIPMergeSimple {
  struct In {
    Clip clip1;
    Clip clip2;
    double ratio = 1.0;
  };
  struct Out {
    Clip clip;
  };

  static auto spec() {
    return node<CLIPMergeSimple>("CLIPMergeSimple", "advanced/model_merging")
        .module("comfy_extras.nodes_model_merging")
        .in("clip1", &In::clip1)
        .in("clip2", &In::clip2)
        .in("ratio", &In::ratio, {.min = 0.0, .max = 1.0, .step = 0.01})
        .out(&Out::clip);
  }

  static Out run(const In& in) {
    return {merged(in.clip1, in.clip2, Shares{.first = in.ratio, .second = 1.0 - in.ratio})};
  }
};

struct CLIPMergeSubtract {
  struct In {
    Clip clip1;
    Clip clip2;
    double multiplier = 1.0;
  };
  struct Out {
    Clip clip;
  };

  static auto spec() {
    return node<CLIPMergeSubtract>("CLIPMergeSubtract", "advanced/model_merging")
        .module("comfy_extras.nodes_model_merging")
        .in("clip1", &In::clip1)
        .in("clip2", &In::clip2)
        .in("multiplier", &In::multiplier, {.min = -10.0, .max = 10.0, .step = 0.01})
        .out(&Out::clip);
  }

  static Out run(const In& in) {
    return {merged(in.clip1, in.clip2, Shares{.first = in.multiplier, .second = -in.multiplier})};
  }
};

struct CLIPMergeAdd {
  struct In {
    Clip clip1;
    Clip clip2;
  };
  struct Out {
    Clip clip;
  };

  static auto spec() {
    return node<CLIPMergeAdd>("CLIPMergeAdd", "advanced/model_merging")
        .module("comfy_extras.nodes_model_merging")
        .in("clip1", &In::clip1)
        .in("clip2", &In::clip2)
        .out(&Out::clip);
  }

  static Out run(const In& in) { return {merged(in.clip1, in.clip2, Shares{1.0, 1.0})}; }
};

/// How much of the first model is kept, by what the names of tensors begin with.
using Ratios = std::vector<std::pair<std::string, double>>;

/// Each tensor is merged by the ratio with the longest name that its own begins with, else by the
/// first one.
Model merged_by_blocks(const Model& first, const Model& second, const Ratios& ratios) {
  return merged(first, second, [&ratios](std::string_view name) {
    double ratio = ratios.front().second;
    std::size_t longest = 0;
    for (const auto& [prefix, value] : ratios) {
      if (!name.starts_with(prefix) || prefix.size() <= longest) continue;
      ratio = value;
      longest = prefix.size();
    }
    return Shares{.first = ratio, .second = 1.0 - ratio};
  });
}

struct ModelMergeBlocks {
  struct In {
    Model model1;
    Model model2;
    double input = 1.0;
    double middle = 1.0;
    double out = 1.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<ModelMergeBlocks>("ModelMergeBlocks", "advanced/model_merging")
        .module("comfy_extras.nodes_model_merging")
        .in("model1", &In::model1)
        .in("model2", &In::model2)
        .in("input", &In::input, {.min = 0.0, .max = 1.0, .step = 0.01})
        .in("middle", &In::middle, {.min = 0.0, .max = 1.0, .step = 0.01})
        .in("out", &In::out, {.min = 0.0, .max = 1.0, .step = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in) {
    const Ratios ratios{{"input", in.input}, {"middle", in.middle}, {"out", in.out}};
    return {merged_by_blocks(in.model1, in.model2, ratios)};
  }
};

}  // namespace

void register_merging(engine::Registry& registry) {
  registry.add<ModelMergeSimple>();
  registry.add<ModelMergeSubtract>();
  registry.add<ModelMergeAdd>();
  registry.add<CLIPMergeSimple>();
  registry.add<CLIPMergeSubtract>();
  registry.add<CLIPMergeAdd>();
  registry.add<ModelMergeBlocks>();
}

}  // namespace comfy::nodes
