// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/text/embedding_file.h"

#include "inference/tensor/ops.h"

#include <gtest/gtest.h>

namespace comfy::models::text {
namespace {

const Tensor kNarrow = at::ones({2, 4}), kWide = at::ones({3, 8});

std::int64_t rows(const Tensor& picked) { return picked.defined() ? picked.size(0) : 0; }

TEST(EmbeddingFile, PrefersTheParameterOfA1111) {
  EXPECT_EQ(rows(pick_embedding({{"clip_l", kNarrow}, {"string_to_param.*", kWide}}, "clip_l", 4)),
            3);
}

TEST(EmbeddingFile, TakesTheTensorOfTheEncoder) {
  EXPECT_EQ(rows(pick_embedding({{"clip_l", kNarrow}, {"clip_g", kWide}}, "clip_g", 8)), 3);
}

TEST(EmbeddingFile, TakesTheFirstTensorOtherwise) {
  EXPECT_EQ(rows(pick_embedding({{"emb_params", kNarrow}, {"other", kWide}}, "clip_l", 4)), 2);
}

TEST(EmbeddingFile, JoinsAListOfTensorsOfTheRightWidth) {
  EXPECT_EQ(rows(pick_embedding({{"0.a", kNarrow}, {"1.a", kWide}, {"2.a", kNarrow}}, "clip_l", 4)),
            4);
  EXPECT_EQ(rows(pick_embedding({{"0.a", kNarrow}}, "clip_l", 5)), 0);
}

TEST(EmbeddingFile, FindsEmbeddingsBundledWithALora) {
  EXPECT_EQ(rows(pick_embedding({{"lora.up", kWide}, {"bundle_emb.x.string_to_param.*", kNarrow}},
                                "clip_l", 4)),
            2);
  EXPECT_EQ(
      rows(pick_embedding({{"lora.up", kWide}, {"bundle_emb.x.clip_l", kNarrow}}, "clip_l", 4)), 2);
}

TEST(EmbeddingFile, FindsNothingInAnEmptyFile) {
  EXPECT_EQ(rows(pick_embedding({}, "clip_l", 4)), 0);
}

}  // namespace
}  // namespace comfy::models::text
