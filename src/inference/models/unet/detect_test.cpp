// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "inference/checkpoint/source.h"
#include "inference/models/architecture.h"
#include "inference/models/unet/config.h"
#include "inference/models/unet/diffusers_names.h"
#include "inference/tensor/ops.h"
#include "keys/layouts.h"

#include <gtest/gtest.h>

namespace comfy::models::unet {
namespace {

using sampling::Prediction;
using sampling::SigmaSpace;

std::vector<std::int64_t> integers(const Json& list) {
  std::vector<std::int64_t> result;
  for (const Json& item : list.as_array()) result.push_back(item.as_int());
  return result;
}

void expect_config(const Json& expected, const Config& config) {
  EXPECT_EQ(config.in_channels, expected.at("in_channels").as_int());
  EXPECT_EQ(config.out_channels, expected.at("out_channels").as_int());
  EXPECT_EQ(config.model_channels, expected.at("model_channels").as_int());
  EXPECT_EQ(config.vector_channels, expected.int_or("adm_in_channels", 0));
  EXPECT_EQ(config.context_dim, expected.at("context_dim").as_int());
  EXPECT_EQ(config.res_blocks, integers(expected.at("num_res_blocks")));
  EXPECT_EQ(config.channel_mult, integers(expected.at("channel_mult")));
  EXPECT_EQ(config.transformer_depth, integers(expected.at("transformer_depth")));
  EXPECT_EQ(config.transformer_depth_output, integers(expected.at("transformer_depth_output")));
  EXPECT_EQ(config.transformer_depth_middle, expected.at("transformer_depth_middle").as_int());
}

void expect_sampling(const std::string& expected, const sampling::SamplingSettings& settings) {
  const Prediction prediction = expected == "EPS"   ? Prediction::eps
                                : expected == "EDM" ? Prediction::edm
                                                    : Prediction::v;
  const bool continuous = expected.find("EDM") != std::string::npos;
  EXPECT_EQ(settings.prediction, prediction);
  EXPECT_EQ(settings.space, continuous ? SigmaSpace::continuous_edm : SigmaSpace::discrete);
}

TEST(Detection, FindsTheFamilyOfEveryRecordedLayout) {
  const Json layouts = keys::expected_layouts();
  for (const auto& [name, expected] : layouts.as_object()) {
    SCOPED_TRACE(name);
    const Weights file(keys::layout(name));
    const Weights network = file / "model.diffusion_model";
    const Architecture* found = detect_architecture(network);
    if (expected.at("architecture").is_null()) {
      EXPECT_EQ(found, nullptr);
      continue;
    }
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->name, expected.at("architecture").as_string());
    expect_config(expected.at("config"), detect(network).value());
    expect_sampling(expected.at("sampling").as_string(), found->sampling(network, file));
    const auto* latent = found->latent_of != nullptr ? found->latent_of(file) : found->latent;
    EXPECT_EQ(latent->name, expected.at("latent_format").as_string());
  }
}

TEST(Detection, GivesHeadsByLayoutUnlessTheFileSaysOtherwise) {
  const auto sd15 = keys::layout("sd15");
  EXPECT_EQ(detect(Weights(sd15) / "model.diffusion_model")->heads_for(320), 8);
  const auto sdxl = keys::layout("sdxl_base");
  EXPECT_EQ(detect(Weights(sdxl) / "model.diffusion_model")->heads_for(640), 10);
  const auto with = [](const checkpoint::SourcePtr& source, const char* config) {
    const auto marked = checkpoint::joined_source(
        {checkpoint::dictionary_source({{"mark", at::zeros({1})}}, {{"comfy.config", config}}),
         source});
    return detect(Weights(marked) / "model.diffusion_model").value();
  };
  EXPECT_EQ(with(sd15, R"({"unet_heads": 5})").heads_for(320), 5);
  EXPECT_EQ(with(sdxl, R"({"unet_head_channels": 16})").heads_for(640), 40);
  EXPECT_EQ(with(sd15, R"({"unet_head_channels": 16})").heads_for(320), 20);
  EXPECT_THROW(with(sd15, R"({"unet_heads": -1})"), Error);
}

TEST(Detection, ReadsVelocityOffOneBiasOfStableDiffusion2) {
  constexpr const char* kTelling =
      "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias";
  const auto with_spread = [&](double spread) {
    const Tensor bias = at::linspace(-spread, spread, 320);
    const Weights file(checkpoint::joined_source(
        {checkpoint::dictionary_source({{kTelling, bias}}), keys::layout("sd21")}));
    const Weights network = file / "model.diffusion_model";
    return detect_architecture(network)->sampling(network, file).prediction;
  };
  EXPECT_EQ(with_spread(0.01), Prediction::eps);
  EXPECT_EQ(with_spread(0.5), Prediction::v);
}

TEST(DiffusersNames, BecomeTheNativeTensorsOfTheSameNetwork) {
  for (const auto& [diffusers, native] :
       {std::pair{"diffusers_unet_sd15", "sd15"}, std::pair{"diffusers_unet_sdxl", "sdxl_base"}}) {
    SCOPED_TRACE(diffusers);
    const auto file = keys::layout(diffusers);
    ASSERT_TRUE(has_diffusers_names(*file));
    const Weights converted(native_names(file));
    const Weights expected = Weights(keys::layout(native)) / "model.diffusion_model";
    EXPECT_EQ(converted.names().size(), expected.names().size());
    for (const std::string& name : expected.names()) {
      ASSERT_TRUE(converted.has(name)) << name;
      EXPECT_EQ(converted.shape(name), expected.shape(name)) << name;
    }
  }
  EXPECT_FALSE(has_diffusers_names(*keys::layout("sd15")));
}

}  // namespace
}  // namespace comfy::models::unet
