// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/lora.h"

#include "foundation/base/error.h"
#include "golden/lora_area.h"
#include "inference/checkpoint/recorded.h"

#include <gtest/gtest.h>

namespace comfy::checkpoint {
namespace {

Weights small_unet() {
  NamedTensors tensors;
  for (const char* name : {"input_blocks.0.0", "input_blocks.1.1.transformer_blocks.0.attn1.to_q",
                           "input_blocks.1.1.transformer_blocks.0.norm1"}) {
    tensors.emplace_back(std::string{"net."} + name + ".weight", at::zeros({4, 4}));
    tensors.emplace_back(std::string{"net."} + name + ".bias", at::zeros({4}));
  }
  return Weights{dictionary_source(std::move(tensors))} / "net";
}

Lora load(NamedTensors tensors, const Weights& unet) {
  return load_lora(dictionary_source(std::move(tensors)), unet_lora_keys(unet));
}

constexpr const char* kQuery = "input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight";

class LowRankSpelling : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(LowRankSpelling, IsRead) {
  const auto& [up, down] = GetParam();
  const Weights unet = small_unet();
  const Lora lora = load({{up, at::ones({4, 2})}, {down, at::ones({2, 4})}}, unet);
  EXPECT_TRUE(lora.unused.empty());
  ASSERT_EQ(lora.patches.size(), 1u);
  const Weights patched = with_lora(unet, lora, 0.5);
  EXPECT_EQ(patched[kQuery][0][0].item<float>(), 1.0f);
}

#define ATTENTION "down_blocks.0.attentions.0.transformer_blocks.0.attn1."
#define KOHYA "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
#define NATIVE "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q"
INSTANTIATE_TEST_SUITE_P(
    Names, LowRankSpelling,
    testing::Values(
        std::pair{KOHYA ".lora_up.weight", KOHYA ".lora_down.weight"},
        std::pair{"lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_up.weight",
                  "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_down.weight"},
        std::pair{ATTENTION "processor.to_q_lora.up.weight",
                  ATTENTION "processor.to_q_lora.down.weight"},
        std::pair{"unet." ATTENTION "processor.to_q_lora.up.weight",
                  "unet." ATTENTION "processor.to_q_lora.down.weight"},
        std::pair{
            "lycoris_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_up.weight",
            "lycoris_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight"},
        std::pair{NATIVE ".lora_B.weight", NATIVE ".lora_A.weight"},
        std::pair{NATIVE ".lora.up.weight", NATIVE ".lora.down.weight"},
        std::pair{NATIVE ".lora_B", NATIVE ".lora_A"},
        std::pair{NATIVE ".lora_linear_layer.up.weight", NATIVE ".lora_linear_layer.down.weight"},
        std::pair{NATIVE ".lora_B.default.weight", NATIVE ".lora_A.default.weight"}));

TEST(Lora, NamesWhatItDoesNotKnow) {
  const Lora lora = load({{KOHYA ".lora_up.weight", at::ones({4, 1})},
                          {KOHYA ".lora_down.weight", at::ones({1, 4})},
                          {KOHYA ".strange", at::ones({1})},
                          {"lora_te_text_model.lora_up.weight", at::ones({1})}},
                         small_unet());
  EXPECT_EQ(lora.patches.size(), 1u);
  EXPECT_EQ(lora.unused,
            (std::vector<std::string>{KOHYA ".strange", "lora_te_text_model.lora_up.weight"}));
}

TEST(Lora, RefusesHalfAnAdapterNamingWhatIsMissing) {
  const Weights unet = small_unet();
  const std::vector<std::pair<NamedTensors, std::string>> rows = {
      {{{KOHYA ".lora_up.weight", at::ones({4, 1})}}, KOHYA ".lora_down.weight"},
      {{{KOHYA ".hada_w1_a", at::ones({4, 1})}}, KOHYA ".hada_w1_b"},
      {{{KOHYA ".lokr_w1", at::ones({4, 1})}}, KOHYA ".lokr_w2"},
      {{{KOHYA ".a1.weight", at::ones({4, 1})}}, KOHYA ".a2.weight"},
      {{{KOHYA ".oft_blocks", at::ones({4, 1})}}, "3 or 4 dimensions"},
      {{{KOHYA ".lora_up.weight", at::ones({4, 1})},
        {KOHYA ".lora_down.weight", at::ones({1, 4})},
        {KOHYA ".alpha", at::ones({2})}},
       "expected one number"}};
  for (const auto& [tensors, says] : rows) {
    try {
      load(tensors, unet);
      FAIL() << "read without " << says;
    } catch (const Error& error) {
      EXPECT_NE(error.message.find(says), std::string::npos) << error.message;
    }
  }
}

TEST(Lora, ChangesNormsAndBiases) {
  const Weights unet = small_unet();
  const std::string norm = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_norm1";
  const Lora lora = load({{norm + ".w_norm", at::ones({4, 4})},
                          {norm + ".b_norm", at::ones({4})},
                          {KOHYA ".diff_b", at::ones({4})},
                          {"diffusion_model.input_blocks.0.0.set_weight", at::full({4, 4}, 7.0)}},
                         unet);
  EXPECT_TRUE(lora.unused.empty());
  const Weights patched = with_lora(unet, lora, 2);
  EXPECT_EQ(patched["input_blocks.1.1.transformer_blocks.0.norm1.weight"][0][0].item<float>(), 2);
  EXPECT_EQ(patched["input_blocks.1.1.transformer_blocks.0.norm1.bias"][0].item<float>(), 2);
  EXPECT_EQ(patched["input_blocks.1.1.transformer_blocks.0.attn1.to_q.bias"][0].item<float>(), 2);
  EXPECT_EQ(patched["input_blocks.0.0.weight"][0][0].item<float>(), 7);
}

TEST(Lora, StacksAndKeepsToItsScope) {
  const Weights unet = small_unet();
  const Lora lora = load(
      {{KOHYA ".lora_up.weight", at::ones({4, 1})}, {KOHYA ".lora_down.weight", at::ones({1, 4})}},
      unet);
  const Weights twice = with_lora(with_lora(unet, lora, 1), lora, 0.5);
  EXPECT_EQ(twice[kQuery][0][0].item<float>(), 1.5f);
  EXPECT_NE(twice.key(), with_lora(unet, lora, 1.5).key());
  EXPECT_TRUE(scaled(lora, 1, unet / "output_blocks").empty());
  EXPECT_EQ(scaled(lora, 0.25, unet).at(0).strength, 0.25);
}

// What ComfyUI's weights were after its LoraLoader, per kind of adapter.
class RecordedLora : public testing::TestWithParam<const char*> {};

TEST_P(RecordedLora, PatchesWeightsAsComfyUIDoes) {
  const std::string name = std::string{"weights_"} + GetParam() + ".safetensors";
  const auto file = recorded("golden/lora/" + name, "tests/golden/lora/" + name);
  if (file.empty()) GTEST_SKIP() << "the recorded weights are not here: set COMFY_SHARED";
  const auto outcome = golden::run_lora(file);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->verdict, golden::Verdict::passed) << outcome->message;
}

INSTANTIATE_TEST_SUITE_P(Kinds, RecordedLora,
                         testing::Values("boft", "diff", "diffusers", "dora", "glora", "kohya",
                                         "ldm_names", "locon", "loha", "lokr", "oft"));

}  // namespace
}  // namespace comfy::checkpoint
