// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/unet/unet.h"

#include "foundation/base/error.h"
#include "golden/golden_case.h"
#include "golden/network_areas.h"
#include "inference/checkpoint/source.h"
#include "inference/tensor/ops.h"

#include <gtest/gtest.h>

namespace comfy::models::unet {
namespace {

TEST(UNet, AgreesWithEveryRecordedCase) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  const c10::InferenceMode no_gradients;
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*shared / "golden" / "unet")) {
    if (entry.path().filename().string().starts_with("weights_")) continue;
    const auto outcome = golden::run_unet(entry.path());
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->verdict, golden::Verdict::passed)
        << entry.path() << ": " << outcome->message;
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
