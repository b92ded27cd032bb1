// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/keys.h"

#include "foundation/base/error.h"
#include "inference/tensor/ops.h"

#include <gtest/gtest.h>

namespace comfy::checkpoint {
namespace {

const std::vector<KeyRow> kRows = {
    {"layers.#.fc1.*", "blocks.#.mlp.0.*"},
    {"layers.#.q.weight", "blocks.#.qkv", KeyChange::first_third},
    {"layers.#.k.weight", "blocks.#.qkv", KeyChange::second_third},
    {"layers.#.v.weight", "blocks.#.qkv", KeyChange::last_third},
    {"proj.weight", "proj", KeyChange::transpose},
    {"a.#.b.#.w", "x.#.y.#.w"},
    {"conv.weight", "linear.weight", KeyChange::convolution},
};

TEST(Keys, TranslateNamesThereAndBack) {
  EXPECT_EQ(our_key(kRows, "blocks.12.mlp.0.bias"), "layers.12.fc1.bias");
  EXPECT_EQ(their_key(kRows, "layers.12.fc1.bias"), "blocks.12.mlp.0.bias");
  EXPECT_EQ(our_key(kRows, "x.1.y.2.w"), "a.1.b.2.w");
  EXPECT_EQ(our_key(kRows, "blocks.3.qkv"), "layers.3.q.weight");
  EXPECT_EQ(their_key(kRows, "layers.3.v.weight"), "blocks.3.qkv");
}

TEST(Keys, KnowNothingOfOtherNames) {
  for (const char* name : {"blocks.x.mlp.0.bias", "blocks.1.mlp.0", "blocks..mlp.0.w",
                           "blocks.1.mlp.0.", "qkv", "", "blocks.1.qkv.more", "blocks.1"}) {
    EXPECT_FALSE(our_key(kRows, name)) << name;
  }
}

TEST(Keys, ConvertASource) {
  const Tensor qkv = at::arange(12, at::kFloat).view({6, 2});
  const SourcePtr source =
      converted_source(dictionary_source({{"m.blocks.0.qkv", qkv},
                                          {"m.proj", at::arange(6, at::kFloat).view({2, 3})},
                                          {"m.unknown", at::ones({1})},
                                          {"other", at::ones({1})},
                                          {"m.linear.weight", at::ones({4, 5})}},
                                         {{"k", "v"}}),
                       kRows, "m.");
  const auto read = [&](const char* name) { return source->read(*source->find(name)); };
  EXPECT_EQ(source->tensors().size(), 6u);
  EXPECT_TRUE(at::equal(read("m.layers.0.q.weight"), qkv.narrow(0, 0, 2)));
  EXPECT_TRUE(at::equal(read("m.layers.0.k.weight"), qkv.narrow(0, 2, 2)));
  EXPECT_TRUE(at::equal(read("m.layers.0.v.weight"), qkv.narrow(0, 4, 2)));
  EXPECT_EQ(read("m.proj.weight").sizes(), (Shape{3, 2}));
  EXPECT_TRUE(read("m.proj.weight").is_contiguous());
  EXPECT_EQ(read("m.conv.weight").sizes(), (Shape{4, 5, 1, 1}));
  EXPECT_FALSE(source->find("m.unknown")) << "names that no row knows are dropped in the scope";
  EXPECT_TRUE(source->find("other"));
  EXPECT_EQ(source->metadata().at("k"), "v");
  for (const TensorInfo& info : source->tensors()) {
    EXPECT_EQ(info.shape, read(info.name.c_str()).sizes().vec()) << info.name;
  }
}

TEST(Keys, RefuseToConvertWhatDoesNotFit) {
  EXPECT_THROW(converted_source(dictionary_source({{"blocks.0.qkv", at::ones({4, 2})}}), kRows),
               Error);
  EXPECT_THROW(converted_source(dictionary_source({{"proj", at::ones({4})}}), kRows), Error);
}

TEST(Keys, TakeTheFirstOfTwoSpellings) {
  const std::vector<KeyRow> rows = {{"w", "old"}, {"w", "new"}};
  const SourcePtr source =
      converted_source(dictionary_source({{"old", at::zeros({1})}, {"new", at::ones({1})}}), rows);
  ASSERT_EQ(source->tensors().size(), 1u);
  EXPECT_EQ(source->read(0).item<float>(), 0);
}

TEST(Keys, SpellAUNetAsDiffusersDoes) {
  const std::vector<std::string> names = {"time_embed.0.weight",
                                          "label_emb.0.2.bias",
                                          "input_blocks.0.0.weight",
                                          "input_blocks.1.0.in_layers.0.weight",
                                          "input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight",
                                          "input_blocks.2.0.op.weight",
                                          "input_blocks.3.0.skip_connection.bias",
                                          "input_blocks.3.1.time_stack.0.norm.weight",
                                          "middle_block.1.proj_in.weight",
                                          "middle_block.2.out_layers.3.weight",
                                          "output_blocks.0.0.emb_layers.1.weight",
                                          "output_blocks.1.0.in_layers.2.weight",
                                          "output_blocks.1.1.conv.weight",
                                          "output_blocks.2.1.norm.weight",
                                          "out.2.bias"};
  const std::vector<KeyRow> rows = diffusers_unet_keys(names);
  const auto theirs = [&](std::string_view ours) {
    return their_key(rows, ours).value_or("nothing");
  };
  EXPECT_EQ(theirs("time_embed.0.weight"), "time_embedding.linear_1.weight");
  EXPECT_EQ(theirs("label_emb.0.2.bias"), "class_embedding.linear_2.bias");
  EXPECT_EQ(our_key(rows, "add_embedding.linear_2.bias"), "label_emb.0.2.bias");
  EXPECT_EQ(theirs("input_blocks.0.0.weight"), "conv_in.weight");
  EXPECT_EQ(theirs("input_blocks.1.0.in_layers.0.weight"), "down_blocks.0.resnets.0.norm1.weight");
  EXPECT_EQ(theirs("input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"),
            "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight");
  EXPECT_EQ(theirs("input_blocks.2.0.op.weight"), "down_blocks.0.downsamplers.0.conv.weight");
  EXPECT_EQ(theirs("input_blocks.3.0.skip_connection.bias"),
            "down_blocks.1.resnets.0.conv_shortcut.bias");
  EXPECT_EQ(theirs("input_blocks.3.1.time_stack.0.norm.weight"), "nothing");
  EXPECT_EQ(theirs("middle_block.1.proj_in.weight"), "mid_block.attentions.0.proj_in.weight");
  EXPECT_EQ(theirs("middle_block.2.out_layers.3.weight"), "mid_block.resnets.1.conv2.weight");
  EXPECT_EQ(theirs("output_blocks.1.0.in_layers.2.weight"), "up_blocks.0.resnets.1.conv1.weight");
  EXPECT_EQ(theirs("output_blocks.1.1.conv.weight"), "up_blocks.0.upsamplers.0.conv.weight");
  EXPECT_EQ(theirs("output_blocks.2.1.norm.weight"), "up_blocks.1.attentions.0.norm.weight");
  EXPECT_EQ(theirs("out.2.bias"), "conv_out.bias");
}

}  // namespace
}  // namespace comfy::checkpoint
