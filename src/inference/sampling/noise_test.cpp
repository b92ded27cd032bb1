// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/noise.h"

#include "foundation/base/error.h"
#include "inference/sampling/brownian.h"
#include "inference/sampling/seed_sequence.h"
#include "inference/tensor/ops.h"

#include <gtest/gtest.h>

#include <array>

namespace comfy::sampling {
namespace {

TEST(PrepareNoise, RefusesNegativeBatchIndices) {
  tensor::Generator generator{1};
  const std::array<std::int64_t, 1> index{-1};
  EXPECT_THROW(prepare_noise(at::zeros({1, 4, 2, 2}), generator, index), Error);
}

TEST(FixEmptyLatentChannels, GivesOnlyEmptyLatentsTheModelsChannels) {
  EXPECT_EQ(fix_empty_latent_channels(at::zeros({2, 4, 8, 8}), 16, 2).sizes(),
            (Shape{2, 16, 8, 8}));
  EXPECT_EQ(fix_empty_latent_channels(at::ones({2, 4, 8, 8}), 16, 2).sizes(), (Shape{2, 4, 8, 8}));
  EXPECT_EQ(fix_empty_latent_channels(at::zeros({2, 4, 8, 8}), 16, 3).sizes(),
            (Shape{2, 16, 1, 8, 8}));
}

TEST(SeedSequence, AgreesWithOneNumberOfNumpys) {
  const std::array<std::uint64_t, 2> key{1, 1};
  EXPECT_EQ(seed_sequence(42, {}, 24, 1)[0], 387750627U);
  EXPECT_EQ(seed_sequence(42, key, 24, 4)[3], 2234354429U);
}

TEST(BrownianPath, AddsUpWhateverIsAskedFirst) {
  BrownianPath forwards{0.0, 10.0, {1, 4}, 7};
  const Tensor low = forwards.increment(0.0, 3.3);
  const Tensor high = forwards.increment(3.3, 10.0);
  BrownianPath backwards{0.0, 10.0, {1, 4}, 7};
  EXPECT_TRUE(at::allclose(backwards.increment(3.3, 10.0), high, 1e-6, 1e-6));
  EXPECT_TRUE(at::allclose(backwards.increment(0.0, 3.3), low, 1e-6, 1e-6));
  EXPECT_TRUE(at::allclose(backwards.increment(0.0, 10.0), low + high, 1e-5, 1e-5));
  EXPECT_TRUE(at::equal(backwards.increment(5.0, 5.0), at::zeros({1, 4})));
}

}  // namespace
}  // namespace comfy::sampling
