// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "worker/nodes/text/letter_case.h"
#include "worker/nodes/text/tensor_text.h"

#include <gtest/gtest.h>

namespace comfy::nodes {
namespace {

TEST(TensorText, IsWhatTorchShows) {
  // Recorded from torch 2.13.
  EXPECT_EQ(tensor_text(at::full({1, 1, 2}, 0.5)), "tensor([[[0.5000, 0.5000]]])");
  EXPECT_EQ(tensor_text(at::zeros({1, 2, 2, 2})),
            "tensor([[[[0., 0.],\n          [0., 0.]],\n\n         [[0., 0.],\n          [0., "
            "0.]]]])");
  Tensor blue = at::zeros({1, 2, 2, 3});
  blue.select(-1, 2).fill_(3 / 255.0);
  EXPECT_EQ(tensor_text(blue),
            "tensor([[[[0.0000, 0.0000, 0.0118],\n          [0.0000, 0.0000, 0.0118]],\n\n"
            "         [[0.0000, 0.0000, 0.0118],\n          [0.0000, 0.0000, 0.0118]]]])");
}

TEST(TensorText, ShowsTheEdgesOfWhatIsLarge) {
  EXPECT_EQ(tensor_text(at::arange(2000, at::kFloat)),
            "tensor([0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 1.9970e+03, 1.9980e+03,\n"
            "        1.9990e+03])");
  EXPECT_EQ(tensor_text(at::ones({40, 40})),
            "tensor([[1., 1., 1.,  ..., 1., 1., 1.],\n        [1., 1., 1.,  ..., 1., 1., 1.],\n"
            "        [1., 1., 1.,  ..., 1., 1., 1.],\n        ...,\n"
            "        [1., 1., 1.,  ..., 1., 1., 1.],\n        [1., 1., 1.,  ..., 1., 1., 1.],\n"
            "        [1., 1., 1.,  ..., 1., 1., 1.]])");
}

TEST(LetterCase, KnowsLettersOfAllScripts) {
  EXPECT_EQ(upper_case(U"straße äé жд"), U"STRASSE ÄÉ ЖД");
  EXPECT_EQ(lower_case(U"ÄÉ ЖД HeLLo"), U"äé жд hello");
  EXPECT_EQ(title_case(U"they're äÖ x2y"), U"They'Re Äö X2Y");
  EXPECT_TRUE(is_blank(U'\u00a0'));
  EXPECT_FALSE(is_blank(U'x'));
}

}  // namespace
}  // namespace comfy::nodes
