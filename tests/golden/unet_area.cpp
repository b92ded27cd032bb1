// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "golden/network_areas.h"
#include "golden/recorded_hooks.h"
#include "inference/checkpoint/source.h"
#include "inference/models/block_patches.h"
#include "inference/models/unet/unet.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

namespace comfy::golden {
namespace {

using checkpoint::Weights;
using models::BlockHooks;
using models::BlockPlace;
using models::unet::Config;

constexpr double kTolerance = 1e-5;  // of the recordings' README, for the whole area

std::vector<std::int64_t> integers(const Json& list) {
  std::vector<std::int64_t> result;
  for (const Json& item : list.as_array()) result.push_back(item.as_int());
  return result;
}

Weights weights_of(const Case& recorded) {
  std::string scope = recorded.weights_prefix();
  if (scope.ends_with('.')) scope.pop_back();
  return Weights(checkpoint::open_source(recorded.weights_file())) / scope;
}

void expect_equal(Outcome& outcome, std::string_view what, bool equal) {
  outcome.add(what, {equal, 0, equal ? "" : "read otherwise off the tensors"});
}

/// The case's configuration: what tensors tell is compared, heads are taken.
Config config_of(Outcome& outcome, const Case& recorded, const Weights& weights) {
  Config config = models::unet::detect(weights).value();
  const Json& expected = recorded.info().at("config");
  const auto number = [&](const char* name, std::int64_t value) {
    expect_equal(outcome, name, value == expected.at(name).as_int());
  };
  const auto list = [&](const char* name, const std::vector<std::int64_t>& value) {
    expect_equal(outcome, name, value == integers(expected.at(name)));
  };
  number("model_channels", config.model_channels);
  number("in_channels", config.in_channels);
  number("out_channels", config.out_channels);
  number("transformer_depth_middle", config.transformer_depth_middle);
  list("num_res_blocks", config.res_blocks);
  list("channel_mult", config.channel_mult);
  list("transformer_depth", config.transformer_depth);
  list("transformer_depth_output", config.transformer_depth_output);
  config.heads = std::max<std::int64_t>(0, expected.at("num_heads").as_int());
  config.head_channels = expected.at("num_head_channels").as_int();
  return config;
}

BlockHooks hooks_of(const Json& info, const Config& config) {
  if (const Json* patch = info.find("patch")) {
    return patch->as_string().starts_with("attn1 of") ? recorded::attention_replacements()
                                                      : recorded::attention_patches();
  }
  const std::string node = info.string_or("node", "");
  if (node.empty()) return {};
  const Json& params = info.at("node_params");
  const Json* seed = info.find("torch_manual_seed");
  const auto generator = std::make_shared<tensor::Generator>(
      seed != nullptr && seed->is_integer() ? seed->as_uint() : 0);
  if (node == "FreeU" || node == "FreeU_V2") {
    return models::freeu(
        {.b1 = params.double_or("b1", 0),
         .b2 = params.double_or("b2", 0),
         .s1 = params.double_or("s1", 0),
         .s2 = params.double_or("s2", 0)},
        config.model_channels,
        node == "FreeU" ? models::FreeUVersion::first : models::FreeUVersion::second);
  }
  if (node == "HyperTile") {
    return models::hypertile({.tile_size = params.int_or("tile_size", 256),
                              .swap_size = params.int_or("swap_size", 2),
                              .max_depth = params.int_or("max_depth", 0),
                              .scale_depth = params.bool_or("scale_depth", false)},
                             generator);
  }
  if (node == "TomePatchModel")
    return models::token_merging(params.double_or("ratio", 0), generator);
  throw Error(Error::Kind::unsupported, "golden case with the node " + node);
}

std::vector<Tensor> residuals_of(const Case& recorded, std::string_view part) {
  const std::string prefix = fmt::format("input.control.{}.", part);
  std::vector<Tensor> list;
  for (const std::string& name : recorded.names(prefix)) {
    const std::size_t index = std::stoul(name.substr(prefix.size()));
    if (list.size() <= index) list.resize(index + 1);
    list[index] = recorded[name];
  }
  return list;
}

/// Copies of what passes between the blocks.
struct Taps {
  std::vector<Tensor> after_input, before_output;

  void add_to(BlockHooks& hooks) {
    hooks.input_block.emplace_back([this](const Tensor& h, const BlockPlace&) {
      after_input.push_back(h.clone());
      return h;
    });
    hooks.output_block.emplace_back([this](Tensor h, Tensor skip, const BlockPlace&) {
      before_output.push_back(h.clone());
      return std::pair{std::move(h), std::move(skip)};
    });
  }

  void compare_with(Outcome& outcome, const Case& recorded) const {
    const auto all = [&](std::string_view name, const std::vector<Tensor>& tensors) {
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        const std::string key = fmt::format("expected.tap.{}_{}", name, i);
        if (recorded.has(key)) outcome.add(key, compare(recorded[key], tensors[i], kTolerance));
      }
    };
    all("after_input", after_input);
    all("before_output", before_output);
  }
};

}  // namespace

std::optional<Outcome> run_unet(const std::filesystem::path& file) {
  const Case recorded = Case::load(file);
  const Weights weights = weights_of(recorded);
  Outcome outcome;
  const Config config = config_of(outcome, recorded, weights);
  const models::unet::UNet network(weights, config);
  const models::ControlResiduals control{.input = residuals_of(recorded, "input"),
                                         .middle = residuals_of(recorded, "middle"),
                                         .output = residuals_of(recorded, "output")};
  BlockHooks hooks = hooks_of(recorded.info(), config);
  Taps taps;
  taps.add_to(hooks);
  const Json* frames = recorded.info().find("num_video_frames");
  const bool is_video = frames != nullptr && frames->is_integer();
  const Tensor out = network({.x = recorded["input.x"],
                              .timestep = recorded["input.timesteps"],
                              .context = recorded["input.context"],
                              .y = recorded.get("input.y"),
                              .control = &control,
                              .hooks = &hooks,
                              .frames = is_video ? frames->as_int() : 1,
                              .still_frames = recorded.get("input.image_only_indicator")});
  outcome.add("out", compare(recorded["expected.out"], out, kTolerance));
  for (const char* key : {"expected.time_embed", "expected.block.time_embed"}) {
    if (!recorded.has(key)) continue;
    outcome.add(key, compare(recorded[key], network.time_embedding(recorded["input.timesteps"]),
                             kTolerance));
  }
  taps.compare_with(outcome, recorded);
  return outcome;
}

}  // namespace comfy::golden
