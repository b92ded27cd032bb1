// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/conditioning.h"

#include "foundation/base/error.h"
#include "inference/conditioning/batch.h"
#include "inference/conditioning/fake_model.h"

#include <gtest/gtest.h>

namespace comfy::conditioning {
namespace {

TEST(Combine, PutsOneListAfterTheOther) {
  const Conditioning both = combine({text(1), text(2)}, {text(3)});
  ASSERT_EQ(both.size(), 3U);
  EXPECT_EQ(both[2].cond[0][0][0].item<double>(), 3.0);
}

TEST(Concat, AppendsTheFirstOtherTextToEach) {
  const Conditioning joined = concat({text(1, 2), text(2, 4)}, {text(9, 3), text(8, 5)});
  EXPECT_EQ(joined[0].cond.sizes(), (Shape{1, 5, 2}));
  EXPECT_EQ(joined[1].cond.sizes(), (Shape{1, 7, 2}));
  EXPECT_EQ(joined[0].cond[0][4][0].item<double>(), 9.0);
  EXPECT_THROW(concat({text(1)}, {}), Error);
}

TEST(Average, BlendsTextsAndPooledAndPadsShorterOnes) {
  Entry to = text(1.0, 3);
  Entry from = text(3.0, 2);
  from.pooled = at::full({1, 2}, 4.0);
  const Conditioning blended = average({to}, {from}, 0.25);
  const Tensor tokens = blended[0].cond.select(2, 0).flatten();
  EXPECT_TRUE(at::allclose(tokens, at::tensor({2.5F, 2.5F, 0.25F})));
  EXPECT_TRUE(at::allclose(blended[0].pooled, at::full({1, 2}, 4.0)));
  to.pooled = at::full({1, 2}, 8.0);
  EXPECT_TRUE(at::allclose(average({to}, {from}, 0.25)[0].pooled, at::full({1, 2}, 5.0)));
  EXPECT_TRUE(average({to}, {text(3.0)}, 0.25)[0].pooled.equal(to.pooled));
  EXPECT_THROW(average({to}, {}, 0.5), Error);
}

TEST(SetArea, CountsInLatentPixels) {
  const auto area = set_area({text(1)}, {.width = 64, .height = 32, .x = 16, .y = 8}, 0.5)[0];
  EXPECT_EQ(std::get<AbsoluteArea>(area.area), (AbsoluteArea{{4, 8}, {1, 2}}));
  EXPECT_EQ(area.strength, 0.5);
}

TEST(ZeroOut, SilencesTextAndPooled) {
  Entry entry = text(5);
  entry.pooled = at::ones({1, 2});
  const Entry silent = zero_out({entry})[0];
  EXPECT_TRUE(silent.cond.equal(at::zeros_like(entry.cond)));
  EXPECT_TRUE(silent.pooled.equal(at::zeros({1, 2})));
  EXPECT_FALSE(entry.cond.equal(silent.cond));
}

TEST(Edits, ChangeEveryEntryAndNotTheOriginal) {
  const Conditioning original{text(1), text(2)};
  const Conditioning edited =
      set_field(set_timestep_range(set_mask(set_area_strength(original, 0.7), at::ones({4, 4}), 0.3,
                                            MaskBounds::bounding_box),
                                   0.1, 0.9),
                "width", 640.0);
  for (const Entry& entry : edited) {
    EXPECT_EQ(entry.strength, 0.7);
    EXPECT_EQ(entry.mask.sizes(), (Shape{1, 4, 4}));
    EXPECT_EQ(entry.mask_strength, 0.3);
    EXPECT_EQ(entry.mask_bounds, MaskBounds::bounding_box);
    EXPECT_EQ(entry.start_percent, 0.1);
    EXPECT_EQ(entry.end_percent, 0.9);
    EXPECT_EQ(entry.number("width", 0), 640.0);
    EXPECT_EQ(entry.number("height", 7), 7.0);
    EXPECT_FALSE(entry.tensor("width").defined());
  }
  EXPECT_EQ(original[0].strength, 1.0);
}

TEST(RepeatToBatch, RepeatsInTurnAndCuts) {
  const Tensor items = at::tensor({1.0, 2.0});
  EXPECT_TRUE(repeat_to_batch(items, 5).equal(at::tensor({1.0, 2.0, 1.0, 2.0, 1.0})));
  EXPECT_TRUE(repeat_to_batch(items, 1).equal(at::tensor({1.0})));
}

TEST(SpreadOverBatch, KeepsTheOrder) {
  EXPECT_TRUE(spread_over_batch(at::tensor({1.0, 2.0}), 4).equal(at::tensor({1.0, 1.0, 2.0, 2.0})));
  EXPECT_TRUE(spread_over_batch(at::tensor({1.0, 2.0, 3.0}), 2).equal(at::tensor({1.0, 3.0})));
}

TEST(MaskLikeLatent, HasTheLatentsShape) {
  const Tensor mask = at::ones({1, 64, 64});
  EXPECT_EQ(mask_like_latent(mask, {2, 4, 8, 6}).sizes(), (Shape{2, 4, 8, 6}));
  EXPECT_EQ(mask_like_latent(at::ones({1, 1, 8, 8}), {2, 16, 3, 8, 8}).sizes(),
            (Shape{2, 16, 3, 8, 8}));
}

}  // namespace
}  // namespace comfy::conditioning
