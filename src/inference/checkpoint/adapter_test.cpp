// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/adapter.h"

#include "foundation/base/error.h"
#include "inference/checkpoint/patch.h"
#include "inference/checkpoint/recorded.h"

#include <gtest/gtest.h>

namespace comfy::checkpoint {
namespace {

Tensor numbers(std::initializer_list<double> values, Shape shape) {
  const std::vector<double> all{values};
  return at::tensor(all, at::kFloat).view(shape);
}

void expect_equal(const Tensor& found, const Tensor& expected) {
  ASSERT_EQ(found.sizes(), expected.sizes());
  EXPECT_LT(relative_difference(found, expected), 1e-6) << found << expected;
}

const Tensor kWeight = numbers({1, 2, 3, 4}, {2, 2});

TEST(Adapter, AddsALowRankProduct) {
  const LowRank lora{.up = numbers({1, 2}, {2, 1}),
                     .down = numbers({3, 4}, {1, 2}),
                     .mid = {},
                     .alpha = {},
                     .dora_scale = {},
                     .reshape = {}};
  expect_equal(apply_adapter(lora, kWeight, 1), kWeight + numbers({3, 4, 6, 8}, {2, 2}));
  LowRank scaled = lora;
  scaled.alpha = 0.5;  // rank 1
  expect_equal(apply_adapter(scaled, kWeight, 2), kWeight + numbers({3, 4, 6, 8}, {2, 2}));
}

TEST(Adapter, FlattensKernelsFromTheSecondDimension) {
  const Tensor weight = at::zeros({2, 3, 1, 1});
  const LowRank lora{.up = numbers({1, 2}, {2, 1, 1, 1}),
                     .down = numbers({3, 4, 5}, {1, 3, 1, 1}),
                     .mid = {},
                     .alpha = {},
                     .dora_scale = {},
                     .reshape = {}};
  expect_equal(apply_adapter(lora, weight, 1), numbers({3, 4, 5, 6, 8, 10}, {2, 3, 1, 1}));
}

TEST(Adapter, PutsAMiddleKernelBetweenUpAndDown) {
  const at::Tensor up = at::randn({4, 2, 1, 1}), mid = at::randn({2, 2, 3, 3}),
                   down = at::randn({2, 5, 1, 1});
  const LowRank lora{
      .up = up, .down = down, .mid = mid, .alpha = {}, .dora_scale = {}, .reshape = {}};
  // The same three convolutions one behind the other.
  const Tensor x = at::randn({1, 5, 7, 7});
  const Tensor expected = at::conv2d(at::conv2d(at::conv2d(x, down), mid), up);
  const Tensor merged = at::conv2d(x, apply_adapter(lora, at::zeros({4, 5, 3, 3}), 1));
  EXPECT_LT(relative_difference(merged, expected), 1e-5);
}

TEST(Adapter, MultipliesTwoProductsElementwise) {
  const Hadamard loha{.w1a = numbers({1, 2}, {2, 1}),
                      .w1b = numbers({1, 1}, {1, 2}),
                      .w2a = numbers({3, 4}, {2, 1}),
                      .w2b = numbers({1, 2}, {1, 2}),
                      .t1 = {},
                      .t2 = {},
                      .alpha = {},
                      .dora_scale = {}};
  expect_equal(apply_adapter(loha, at::zeros({2, 2}), 1), numbers({3, 6, 8, 16}, {2, 2}));
}

TEST(Adapter, TakesAKroneckerProduct) {
  Kronecker lokr;
  lokr.w1 = numbers({1, 2}, {1, 2});
  lokr.w2 = numbers({3, 4}, {2, 1});
  lokr.alpha = 100;  // without effect where both are whole
  expect_equal(apply_adapter(lokr, at::zeros({2, 2}), 1), numbers({3, 6, 4, 8}, {2, 2}));
  Kronecker split;
  split.w1 = lokr.w1;
  split.w2a = numbers({3, 4}, {2, 1});
  split.w2b = numbers({1}, {1, 1});
  split.alpha = 0.5;
  expect_equal(apply_adapter(split, at::zeros({2, 2}), 1), numbers({1.5, 3, 2, 4}, {2, 2}));
}

TEST(Adapter, TellsTheOrientationOfGloraByItsRanks) {
  const Tensor weight = at::randn({3, 5});
  const Tensor a1 = at::randn({5, 2}), a2 = at::randn({2, 5}), b1 = at::randn({3, 2}),
               b2 = at::randn({2, 5});
  const Glora current{.a1 = a1, .a2 = a2, .b1 = b1, .b2 = b2, .alpha = {}, .dora_scale = {}};
  expect_equal(apply_adapter(current, weight, 1),
               weight + at::mm(at::mm(weight, a1), a2) + at::mm(b1, b2));
  const Tensor old_a1 = at::randn({2, 5}), old_a2 = at::randn({5, 2}), old_b1 = at::randn({2, 5}),
               old_b2 = at::randn({3, 2});
  const Glora old{
      .a1 = old_a1, .a2 = old_a2, .b1 = old_b1, .b2 = old_b2, .alpha = {}, .dora_scale = {}};
  expect_equal(apply_adapter(old, weight, 1),
               weight + at::mm(at::mm(weight, old_a2), old_a1) + at::mm(old_b2, old_b1));
}

TEST(Adapter, KeepsTheLengthsThatDoraLearned) {
  const LowRank lora{.up = at::zeros({2, 1}),
                     .down = at::zeros({1, 2}),
                     .mid = {},
                     .alpha = {},
                     .dora_scale = numbers({10, 20}, {2, 1}),
                     .reshape = {}};
  const Tensor rows = apply_adapter(lora, kWeight, 1);
  expect_equal(rows.norm(2, {1}, false), numbers({10, 20}, {2}));
  LowRank by_column = lora;
  by_column.dora_scale = numbers({10, 20}, {1, 2});
  expect_equal(apply_adapter(by_column, kWeight, 1).norm(2, {0}, false), numbers({10, 20}, {2}));
  expect_equal(apply_adapter(lora, kWeight, 0.5), kWeight + (rows - kWeight) * 0.5);
}

TEST(Adapter, RotatesRowsWithoutChangingTheirLengths) {
  const Tensor weight = at::randn({8, 6});
  const Rotation oft{.blocks = at::randn({2, 4, 4}), .alpha = {}, .dora_scale = {}};
  const Tensor turned = apply_adapter(oft, weight, 1);
  EXPECT_GT(relative_difference(turned, weight), 0.1);
  EXPECT_NEAR(turned.norm().item<double>(), weight.norm().item<double>(), 1e-3);
  const Butterfly boft{
      .blocks = at::randn({2, 2, 4, 4}), .rescale = {}, .alpha = {}, .dora_scale = {}};
  EXPECT_NEAR(apply_adapter(boft, weight, 1).norm().item<double>(), weight.norm().item<double>(),
              1e-3);
}

TEST(Adapter, AddsReplacesAndMoves) {
  expect_equal(apply_adapter(Difference{.value = kWeight}, kWeight, 0.5), kWeight * 1.5);
  expect_equal(apply_adapter(Replacement{.value = at::zeros({2, 2}, at::kHalf)}, kWeight, 0.5),
               at::zeros({2, 2}));
  expect_equal(apply_adapter(Toward{.value = at::zeros({2, 2})}, kWeight, 0.25), kWeight * 0.75);
  expect_equal(
      apply_adapter(Difference{.value = at::ones({1, 3}), .pad = true}, numbers({5, 6}, {1, 2}), 1),
      numbers({6, 7, 1}, {1, 3}));
  LowRank larger{.up = at::ones({1, 1}),
                 .down = at::ones({1, 3}),
                 .mid = {},
                 .alpha = {},
                 .dora_scale = {},
                 .reshape = {1, 3}};
  expect_equal(apply_adapter(larger, numbers({5, 6}, {1, 2}), 1), numbers({6, 7, 1}, {1, 3}));
}

TEST(Adapter, RefusesOtherShapes) {
  const Tensor weight = at::zeros({3, 3});
  const std::vector<Adapter> misfits = {
      LowRank{.up = at::ones({2, 1}),
              .down = at::ones({1, 2}),
              .mid = {},
              .alpha = {},
              .dora_scale = {},
              .reshape = {}},
      LowRank{.up = at::ones({3, 2}),
              .down = at::ones({1, 3}),
              .mid = {},
              .alpha = {},
              .dora_scale = {},
              .reshape = {}},
      LowRank{.up = at::ones({3, 1}),
              .down = at::ones({1, 3}),
              .mid = {},
              .alpha = {},
              .dora_scale = {},
              .reshape = {2, 2}},
      Difference{.value = at::ones({2, 2})},
      Replacement{.value = at::ones({9})},
      Toward{.value = at::ones({9})},
      Rotation{.blocks = at::ones({2, 2, 2}), .alpha = {}, .dora_scale = {}},
      Butterfly{.blocks = at::ones({1, 2, 2, 2}), .rescale = {}, .alpha = {}, .dora_scale = {}},
      Glora{.a1 = at::ones({4, 4}),
            .a2 = at::ones({2, 2}),
            .b1 = at::ones({3, 3}),
            .b2 = at::ones({1, 1}),
            .alpha = {},
            .dora_scale = {}},
  };
  for (const Adapter& adapter : misfits)
    EXPECT_THROW(apply_adapter(adapter, weight, 1), Error) << adapter.index();
}

Patch patch(Adapter adapter, double strength, double strength_model = 1.0) {
  return {.tensor = "w",
          .adapter = std::make_shared<const Adapter>(std::move(adapter)),
          .adapter_key = "k",
          .strength = strength,
          .strength_model = strength_model};
}

TEST(Patches, ApplyOneBehindTheOther) {
  const std::vector<Patch> patches = {patch(Difference{.value = at::ones({2, 2})}, 2),
                                      patch(Difference{.value = kWeight}, 1, 0.5)};
  const Patched result = apply_patches(kWeight.to(at::kHalf), patches);
  EXPECT_TRUE(result.misfits.empty());
  expect_equal(result.tensor, (kWeight + 2) * 0.5 + kWeight);
  EXPECT_EQ(result.tensor.scalar_type(), at::kFloat);
}

TEST(Patches, ChangeAPartOfAFusedTensor) {
  Patch part = patch(Difference{.value = at::ones({1, 2})}, 3, 2);
  part.part = TensorPart{.dim = 0, .start = 1, .length = 1};
  expect_equal(apply_patches(kWeight, {part}).tensor, numbers({1, 2, 9, 11}, {2, 2}));
  part.part = TensorPart{.dim = 0, .start = 1, .length = 5};
  EXPECT_EQ(apply_patches(kWeight, {part}).misfits.size(), 1u);
}

TEST(Patches, LeaveTheTensorAloneThatTheyWereGiven) {
  const Tensor weight = kWeight.clone();
  apply_patches(weight, {patch(Difference{.value = at::ones({2, 2})}, 1)});
  EXPECT_TRUE(at::equal(weight, kWeight));
  const Tensor same = apply_patches(weight, {}).tensor;
  EXPECT_NE(same.const_data_ptr(), weight.const_data_ptr());
}

TEST(Patches, AreToldApartByTheirKeys) {
  const auto set = [](std::vector<Patch> patches) {
    return std::make_shared<const PatchSet>(nullptr, std::move(patches));
  };
  const Patch one = patch(Difference{.value = kWeight}, 1);
  const Patch half = patch(Difference{.value = kWeight}, 0.5);
  EXPECT_EQ(set({one})->key(), set({one})->key());
  EXPECT_NE(set({one})->key(), set({half})->key());
  EXPECT_NE(set({one, half})->key(), set({half, one})->key());
  EXPECT_EQ(PatchSet(set({one}), {half}).key(), set({one, half})->key());
  Patch elsewhere = one;
  elsewhere.tensor = "v";
  EXPECT_EQ(set({one, elsewhere})->key("w"), set({one})->key("w"));
  EXPECT_EQ(set({one})->key("v"), "");
  EXPECT_EQ(set({one, elsewhere})->tensors(), (std::vector<std::string>{"v", "w"}));
  EXPECT_EQ(set({one})->find("v"), nullptr);
}

}  // namespace
}  // namespace comfy::checkpoint
