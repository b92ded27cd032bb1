// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/random.h"

#include "golden/golden_case.h"
#include "inference/tensor/ops.h"

#include <gtest/gtest.h>

namespace comfy::tensor {
namespace {

TEST(Generator, GivesTorchsNumbersForSeed42) {
  Generator generator{42};
  // torch.manual_seed(42); torch.randn(4)
  const Tensor expected = at::tensor(
      {0.33669036626815796F, 0.12880940735340118F, 0.23446236550807953F, 0.23033303022384644F});
  EXPECT_TRUE(at::equal(generator.randn({4}), expected));
}

TEST(Generator, SharesItsSequenceWithCopiesAndRestartsWhenSeeded) {
  Generator generator{7};
  Generator copy = generator;
  const Tensor first = generator.rand({3}), second = copy.rand({3});
  EXPECT_FALSE(at::equal(first, second));
  copy.seed(7);
  EXPECT_TRUE(at::equal(generator.rand({3}), first));
}

TEST(Generator, KeepsIntegersWithinTheirRange) {
  const Tensor drawn = Generator{1}.randint(-2, 3, {1000});
  EXPECT_EQ(drawn.min().item<std::int64_t>(), -2);
  EXPECT_EQ(drawn.max().item<std::int64_t>(), 2);
}

/// "2x4x8x8"
std::string shape_name(const Shape& shape) {
  std::string name;
  for (const std::int64_t size : shape) name += (name.empty() ? "" : "x") + std::to_string(size);
  return name;
}

TEST(Generator, RepeatsTheRecordedNoiseForEverySeed) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  for (const std::string seed :
       {"0", "1", "42", "4294967301", "9223372036854775807", "18446744073709551615"}) {
    const auto recorded =
        golden::Case::load(*shared / "golden/noise" / ("seed_" + seed + ".safetensors"));
    for (const Shape& shape :
         {Shape{2, 4, 8, 8}, Shape{1, 16, 8, 8}, Shape{1, 1, 2, 3}, Shape{1, 4, 1, 15}}) {
      Generator generator{std::stoull(seed)};
      EXPECT_TRUE(at::equal(generator.randn(shape), recorded["expected." + shape_name(shape)]))
          << seed << " " << shape_name(shape);
    }
    const Tensor doubles = Generator{std::stoull(seed)}.randn({2, 4, 8, 8}, DType::Double);
    EXPECT_TRUE(at::equal(doubles, recorded["expected.float64.2x4x8x8"])) << seed;
  }
}

}  // namespace
}  // namespace comfy::tensor
