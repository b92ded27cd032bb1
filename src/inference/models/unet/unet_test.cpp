// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/unet/unet.h"

#include "foundation/base/error.h"
#include "golden/golden_case.h"
#include "inference/checkpoint/source.h"
#include "inference/models/unet/recorded_hooks.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace comfy::models::unet {
namespace {

constexpr double kTolerance = 1e-5;  // of the golden README, for the whole area

std::vector<std::int64_t> integers(const Json& list) {
  std::vector<std::int64_t> result;
  for (const Json& item : list.as_array()) result.push_back(item.as_int());
  return result;
}

Weights weights_of(const golden::Case& recorded) {
  std::string scope = recorded.weights_prefix();
  if (scope.ends_with('.')) scope.pop_back();
  return Weights(checkpoint::open_source(recorded.weights_file())) / scope;
}

/// The case's configuration: what tensors tell is compared, heads are taken.
Config config_of(const golden::Case& recorded, const Weights& weights) {
  Config config = detect(weights).value();
  const Json& expected = recorded.info().at("config");
  EXPECT_EQ(config.model_channels, expected.at("model_channels").as_int());
  EXPECT_EQ(config.in_channels, expected.at("in_channels").as_int());
  EXPECT_EQ(config.out_channels, expected.at("out_channels").as_int());
  EXPECT_EQ(config.res_blocks, integers(expected.at("num_res_blocks")));
  EXPECT_EQ(config.channel_mult, integers(expected.at("channel_mult")));
  EXPECT_EQ(config.transformer_depth, integers(expected.at("transformer_depth")));
  EXPECT_EQ(config.transformer_depth_output, integers(expected.at("transformer_depth_output")));
  EXPECT_EQ(config.transformer_depth_middle, expected.at("transformer_depth_middle").as_int());
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
  if (node == "FreeU" || node == "FreeU_V2") {
    return recorded::freeu(params, config.model_channels, node == "FreeU_V2");
  }
  const std::uint64_t seed = info.at("torch_manual_seed").as_uint();
  if (node == "HyperTile") return recorded::hypertile(params, seed);
  if (node == "TomePatchModel") return recorded::tome(params, seed);
  throw Error(Error::Kind::internal, "golden case with the unknown node " + node);
}

std::vector<Tensor> residuals_of(const golden::Case& recorded, std::string_view part) {
  const std::string prefix = fmt::format("input.control.{}.", part);
  std::vector<Tensor> list;
  for (const std::string& name : recorded.names(prefix)) {
    const std::size_t index = std::stoul(name.substr(prefix.size()));
    if (list.size() <= index) list.resize(index + 1);
    list[index] = recorded[name];
  }
  return list;
}

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
};

void expect_close(const Tensor& expected, const Tensor& actual, const std::string& what) {
  if (!expected.defined()) return;
  const golden::Comparison result = golden::compare(expected, actual, kTolerance);
  EXPECT_TRUE(result) << what << ": " << result.message;
}

void run_case(const std::filesystem::path& file) {
  SCOPED_TRACE(file.stem().string());
  const c10::InferenceMode inference;
  const golden::Case recorded = golden::Case::load(file);
  const Weights weights = weights_of(recorded);
  const Config config = config_of(recorded, weights);
  const UNet network(weights, config);
  const ControlResiduals control{.input = residuals_of(recorded, "input"),
                                 .middle = residuals_of(recorded, "middle"),
                                 .output = residuals_of(recorded, "output")};
  BlockHooks hooks = hooks_of(recorded.info(), config);
  Taps taps;
  taps.add_to(hooks);
  const Json* frames = recorded.info().find("num_video_frames");
  const Tensor out =
      network({.x = recorded["input.x"],
               .timestep = recorded["input.timesteps"],
               .context = recorded["input.context"],
               .y = recorded.get("input.y"),
               .control = &control,
               .hooks = &hooks,
               .frames = frames != nullptr && frames->is_integer() ? frames->as_int() : 1,
               .still_frames = recorded.get("input.image_only_indicator")});
  expect_close(recorded["expected.out"], out, "out");
  expect_close(recorded.get("expected.time_embed"),
               network.time_embedding(recorded["input.timesteps"]), "time embedding");
  for (std::size_t i = 0; i < taps.after_input.size(); ++i) {
    expect_close(recorded.get(fmt::format("expected.tap.after_input_{}", i)), taps.after_input[i],
                 fmt::format("input block {}", i));
  }
  for (std::size_t i = 0; i < taps.before_output.size(); ++i) {
    expect_close(recorded.get(fmt::format("expected.tap.before_output_{}", i)),
                 taps.before_output[i], fmt::format("before output block {}", i));
  }
}

TEST(UNet, AgreesWithEveryRecordedCase) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*shared / "golden" / "unet")) {
    if (entry.path().filename().string().starts_with("weights_")) continue;
    run_case(entry.path());
    ++cases;
  }
  EXPECT_EQ(cases, 24);
}

/// A network of 32 channels with one level, without attention: enough for what needs no recording.
checkpoint::NamedTensors tiny_network() {
  checkpoint::NamedTensors t;
  const auto add = [&](const std::string& name, const Shape& shape) {
    t.emplace_back(name + ".weight", at::full(shape, 0.01));
    t.emplace_back(name + ".bias", at::full({shape[0]}, 0.01));
  };
  const auto add_res = [&](const std::string& name, std::int64_t in) {
    add(name + ".in_layers.0", {in});
    add(name + ".in_layers.2", {32, in, 3, 3});
    add(name + ".emb_layers.1", {32, 128});
    add(name + ".out_layers.0", {32});
    add(name + ".out_layers.3", {32, 32, 3, 3});
    if (in != 32) add(name + ".skip_connection", {32, in, 1, 1});
  };
  add("time_embed.0", {128, 32});
  add("time_embed.2", {128, 128});
  add("input_blocks.0.0", {32, 4, 3, 3});
  add_res("input_blocks.1.0", 32);
  add_res("output_blocks.0.0", 64);
  add_res("output_blocks.1.0", 64);
  add("out.0", {32});
  add("out.2", {4, 32, 3, 3});
  return t;
}

TEST(UNet, RefusesALatentOfOtherChannelsInWords) {
  const Weights weights(checkpoint::dictionary_source(tiny_network()));
  const UNet network(weights, detect(weights).value());
  try {
    network({.x = at::zeros({1, 9, 4, 4}), .timestep = at::zeros({1})});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::invalid_input);
    EXPECT_EQ(error.message, "a latent with 4 channels expected, got 9");
  }
}

TEST(UNet, GivesALatentOfItsInputsSizeEvenForOddSizes) {
  const Weights weights(checkpoint::dictionary_source(tiny_network()));
  const UNet network(weights, detect(weights).value());
  const Tensor out = network({.x = at::ones({2, 4, 5, 7}), .timestep = at::zeros({2})});
  EXPECT_EQ(out.sizes().vec(), (Shape{2, 4, 5, 7}));
  EXPECT_TRUE(out.is_contiguous());
}

TEST(UNet, SkipsControlThatDoesNotFit) {
  const Weights weights(checkpoint::dictionary_source(tiny_network()));
  const UNet network(weights, detect(weights).value());
  const DiffusionCall plain{.x = at::ones({1, 4, 4, 4}), .timestep = at::zeros({1})};
  const ControlResiduals misfit{.output = {at::ones({1, 32, 3, 3}), Tensor{}}};
  const ControlResiduals fitting{.output = {at::ones({1, 32, 4, 4}), Tensor{}}};
  DiffusionCall call = plain;
  call.control = &misfit;
  EXPECT_TRUE(at::equal(network(call), network(plain)));
  call.control = &fitting;
  EXPECT_FALSE(at::equal(network(call), network(plain)));
}

}  // namespace
}  // namespace comfy::models::unet
