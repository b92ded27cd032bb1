// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/hooks.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/loaders/open.h"
#include "worker/nodes/log.h"
#include "worker/nodes/model_patches/register.h"
#include "worker/nodes/ports.h"

#include <fmt/format.h>

#include <charconv>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace comfy::nodes {
namespace {

using checkpoint::SourcePtr;
using engine::Context;
using engine::ModelFile;
using engine::node;

using Function = std::function<Tensor(const Tensor&)>;
/// Functions one after the other.
using Chain = std::vector<Function>;

Tensor applied(const Chain& chain, Tensor x) {
  for (const Function& function : chain) x = function(x);
  return x;
}

/// The functions that such files name; nothing for "linear", which stands for none.
const std::map<std::string, Function>& activations() {
  static const std::map<std::string, Function> kAll{
      {"linear", {}},
      {"relu", [](const Tensor& x) { return at::relu(x); }},
      {"leakyrelu", [](const Tensor& x) { return at::leaky_relu(x); }},
      {"elu", [](const Tensor& x) { return at::elu(x); }},
      {"swish", [](const Tensor& x) { return at::hardswish(x); }},
      {"tanh", [](const Tensor& x) { return at::tanh(x); }},
      {"sigmoid", [](const Tensor& x) { return at::sigmoid(x); }},
      {"softsign", [](const Tensor& x) { return x / (x.abs() + 1); }},
      {"mish", [](const Tensor& x) { return at::mish(x); }}};
  return kAll;
}

/// What a file says about all of its networks.
struct Form {
  Function activation;
  bool layer_norms = false, activate_output = false;
};

/// Layers whose weights lie under `scope`, in the order of the file.
Chain read_chain(const checkpoint::TensorSource& file, const std::string& scope, const Form& form) {
  std::vector<std::string> layers;
  for (const std::size_t index : file.with_prefix(scope))
    if (const std::string& name = file.tensors()[index].name; name.ends_with(".weight"))
      layers.push_back(name.substr(0, name.size() - std::string_view{"weight"}.size()));
  const auto read = [&](const std::string& name) {
    return file.read(file.find(name).value()).to(at::kFloat).clone();
  };
  Chain chain;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const bool last = i + 1 == layers.size();
    chain.emplace_back([weight = read(layers[i] + "weight"), bias = read(layers[i] + "bias")](
                           const Tensor& x) { return at::linear(x, weight, bias); });
    if (form.activation && (!last || form.activate_output)) chain.push_back(form.activation);
    if (!form.layer_norms || last) continue;
    ++i;
    chain.emplace_back(
        [weight = read(layers[i] + "weight"), bias = read(layers[i] + "bias")](const Tensor& x) {
          return at::layer_norm(x, weight.sizes(), weight, bias);
        });
  }
  return chain;
}

/// What is added to keys and to values.
struct Pair {
  Chain keys, values;
};
/// By the width of what keys and values are made from.
using Hypernetwork = std::map<std::int64_t, Pair>;

Hypernetwork read_hypernetwork(const checkpoint::TensorSource& file, const Form& form) {
  Hypernetwork networks;
  for (const checkpoint::TensorInfo& tensor : file.tensors()) {
    std::int64_t width = 0;
    const char* begin = tensor.name.data();
    const auto [end, error] = std::from_chars(begin, begin + tensor.name.size(), width);
    if (error != std::errc{} || *end != '.' || networks.contains(width)) continue;
    networks[width] = {read_chain(file, fmt::format("{}.0.", width), form),
                       read_chain(file, fmt::format("{}.1.", width), form)};
  }
  return networks;
}

struct HypernetworkLoader {
  struct In {
    Model model;
    ModelFile<"hypernetworks"> hypernetwork_name;
    double strength = 1.0;
  };
  struct Out {
    Model model;
  };

  static auto spec() {
    return node<HypernetworkLoader>("HypernetworkLoader", "loaders")
        .module("comfy_extras.nodes_hypernetwork")
        .in("model", &In::model)
        .in("hypernetwork_name", &In::hypernetwork_name, {})
        .in("strength", &In::strength, {.min = -10.0, .max = 10.0, .step = 0.01})
        .out(&Out::model);
  }

  static Out run(const In& in, Context& context) {
    const SourcePtr file =
        open_model_file("hypernetworks", in.hypernetwork_name, context.services());
    const auto said = [&](std::string_view key, std::string fallback) {
      const auto found = file->metadata().find(key);
      return found == file->metadata().end() ? fallback : found->second;
    };
    const auto activation = activations().find(said("activation_func", "linear"));
    if (activation == activations().end()) {
      // As in ComfyUI, the model goes on without it.
      log.warn("hypernetwork \"{}\" is left out: its activation function \"{}\" is not known",
               in.hypernetwork_name.name, said("activation_func", ""));
      return {in.model};
    }
    const auto is_set = [&](std::string_view key) {
      const std::string text = said(key, "false");
      return text == "true" || text == "True" || text == "1";
    };
    const auto network = std::make_shared<const Hypernetwork>(
        read_hypernetwork(*file, {.activation = activation->second,
                                  .layer_norms = is_set("is_layer_norm"),
                                  .activate_output = is_set("activate_output")}));
    const auto change = [network, strength = in.strength](models::AttentionInputs inputs,
                                                          const models::BlockPlace&) {
      const auto found = network->find(inputs.context.size(-1));
      if (found == network->end()) return inputs;
      const auto& [keys, values] = found->second;
      inputs.context = inputs.context + applied(keys, inputs.context) * strength;
      inputs.value = inputs.value + applied(values, inputs.value) * strength;
      return inputs;
    };
    models::BlockHooks hooks;
    hooks.attn1.emplace_back(change);
    hooks.attn2.emplace_back(change);
    hooks.key = fmt::format("hypernetwork:{}:{}", file->identity(), in.strength);
    return {in.model.with_hooks(hooks)};
  }
};

}  // namespace

void register_hypernetworks(engine::Registry& registry) { registry.add<HypernetworkLoader>(); }

}  // namespace comfy::nodes
