// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/model.h"

#include "inference/models/hooks.h"
#include "inference/tensor/ops.h"
#include "keys/layouts.h"

#include <gtest/gtest.h>

namespace comfy::models {
namespace {

Model sd15() {
  const Weights file(keys::layout("sd15"));
  return {*find_architecture("SD15"), file / "model.diffusion_model", file};
}

TEST(Model, IsEmptyUntilItHasANetwork) {
  EXPECT_TRUE(Model().empty());
  EXPECT_FALSE(sd15().empty());
}

TEST(Model, ChangesACopyAndItsKey) {
  const Model model = sd15();
  sampling::SamplingSettings settings = model.sampling();
  settings.zsnr = true;
  const Model changed = model.with_sampling(settings);
  EXPECT_FALSE(model.sampling().zsnr);
  EXPECT_TRUE(changed.sampling().zsnr);
  EXPECT_NE(model.key(), changed.key());
  EXPECT_EQ(model.weights_key(), changed.weights_key());
}

TEST(Model, JoinsHooksInOrder) {
  BlockHooks first;
  first.middle.emplace_back([](const Tensor& x, const BlockPlace&) { return x + 1; });
  first.key = "a";
  BlockHooks second = first;
  second.key = "b";
  const Model model = sd15().with_hooks(first).with_hooks(second);
  ASSERT_NE(model.hooks(), nullptr);
  EXPECT_EQ(model.hooks()->middle.size(), 2U);
  EXPECT_EQ(model.hooks()->key, "a+b");
  EXPECT_EQ(sd15().hooks(), nullptr);
}

TEST(Model, KeepsGuidanceItCannotSee) {
  const Model model = sd15().with_guidance(nullptr, "cfg:rescale:0.7");
  EXPECT_NE(model.key(), sd15().with_guidance(nullptr, "").key());
  EXPECT_EQ(model.weights_key(), model.with_guidance(nullptr, "").weights_key());
}

TEST(BlockHooks, LaterReplacementsWin) {
  BlockHooks first, second;
  first.attn1_replace[{BlockKind::middle, 0, {}}] = [](const Tensor& q, auto&&...) { return q; };
  second.attn1_replace[{BlockKind::middle, 0, {}}] = [](const Tensor& q, auto&&...) {
    return q + 1;
  };
  const BlockHooks both = first.joined(second);
  const Tensor zero = at::zeros({1});
  EXPECT_EQ((both.attn1_replace.at({BlockKind::middle, 0, {}})(zero, zero, zero, {}).item<float>()),
            1);
  EXPECT_FALSE(both.empty());
  EXPECT_TRUE(BlockHooks().empty());
}

TEST(Clip, ChangesItsKeyWithTheLayerButNotThatOfItsWeights) {
  const Clip clip(TextFamily::sd1, Weights(keys::layout("text_encoder_clip_l")));
  EXPECT_EQ(clip.with_layer(-2).stop_at_layer(), -2);
  EXPECT_NE(clip.with_layer(-2).key(), clip.key());
  EXPECT_EQ(clip.with_layer(-2).weights_key(), clip.weights_key());
}

}  // namespace
}  // namespace comfy::models
