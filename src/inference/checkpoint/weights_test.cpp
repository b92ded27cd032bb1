// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/weights.h"

#include "foundation/base/error.h"
#include "inference/checkpoint/patch.h"
#include "inference/checkpoint/recorded.h"
#include "inference/checkpoint/source.h"

#include <gtest/gtest.h>

namespace comfy::checkpoint {
namespace {

SourcePtr model() {
  return dictionary_source({{"net.blocks.0.to_q.weight", at::ones({2, 2}, at::kHalf) * 0.1},
                            {"net.blocks.0.to_q.bias", at::ones({2}, at::kHalf)},
                            {"net.blocks.1.to_q.weight", at::ones({2, 2}, at::kHalf)},
                            {"net.blocks.3.to_q.weight", at::ones({2, 2}, at::kHalf)},
                            {"net.position_ids", at::arange(5, at::kLong)},
                            {"full", at::ones({3}) * 0.1}},
                           {{"comfy.config", "{}"}});
}

std::shared_ptr<const PatchSet> patched(const std::string& tensor, const Tensor& difference,
                                        double strength = 1.0) {
  Patch patch{.tensor = tensor,
              .adapter = std::make_shared<const Adapter>(Difference{.value = difference}),
              .adapter_key = "test",
              .strength = strength};
  return std::make_shared<const PatchSet>(nullptr, std::vector<Patch>{patch});
}

TEST(Weights, DescendsIntoScopes) {
  const Weights w{model()};
  const Weights block = w / "net" / "blocks" / 0;
  EXPECT_EQ(block.scope(), "net.blocks.0");
  EXPECT_EQ((block / "to_q")["weight"].sizes(), (Shape{2, 2}));
  EXPECT_TRUE(block.has("to_q.weight"));
  EXPECT_FALSE(block.has("to_k.weight"));
  EXPECT_TRUE(block.has_scope("to_q"));
  EXPECT_FALSE(block.has_scope("to"));
  EXPECT_EQ((w / "net.").scope(), "net");
  EXPECT_EQ((w / "").scope(), "");
}

TEST(Weights, AnswersAboutTensorsWithoutReadingThem) {
  const Weights w = Weights{model()} / "net";
  EXPECT_EQ(w.shape("blocks.0.to_q.weight"), (Shape{2, 2}));
  EXPECT_EQ(w.dim("blocks.0.to_q.weight", 1), 2);
  EXPECT_EQ(w.dtype("position_ids"), at::kLong);
  EXPECT_EQ(w.count("blocks"), 2) << "block 2 is missing, so 3 does not count";
  EXPECT_EQ(w.count("nothing"), 0);
  EXPECT_EQ(w.names().front(), "blocks.0.to_q.weight");
  EXPECT_EQ(w.metadata("comfy.config"), "{}");
  EXPECT_EQ(w.metadata("absent"), "");
  EXPECT_EQ(w.unused().size(), 5u);
}

TEST(Weights, NamesTheWholePathOfAMissingTensor) {
  const Weights w = Weights{model()} / "net" / "blocks" / 7;
  try {
    w["to_q.weight"];
    FAIL() << "found";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::invalid_input);
    EXPECT_NE(error.message.find("\"net.blocks.7.to_q.weight\""), std::string::npos);
  }
  EXPECT_FALSE(w.get("to_q.weight").defined());
  EXPECT_THROW(w.shape("x"), Error);
  EXPECT_THROW(w.dtype("x"), Error);
  EXPECT_THROW((Weights{model()} / "net").dim("position_ids", 1), Error);
}

TEST(Weights, NamesWhatNobodyAskedFor) {
  const Weights w{model()};
  const Weights net = (w / "net").with(Precision{.storage = at::kHalf});
  net["blocks.0.to_q.weight"];
  net.get("position_ids");
  net.get("absent");
  EXPECT_EQ((w / "net").unused(),
            (std::vector<std::string>{"net.blocks.0.to_q.bias", "net.blocks.1.to_q.weight",
                                      "net.blocks.3.to_q.weight"}));
  EXPECT_EQ((w / "net" / "blocks" / 1).unused(),
            std::vector<std::string>{"net.blocks.1.to_q.weight"});
}

TEST(Weights, GivesTensorsInThePrecisionAskedFor) {
  const Weights w{model()};
  EXPECT_EQ(w["net.blocks.0.to_q.weight"].scalar_type(), at::kFloat);
  EXPECT_EQ(w.with(Precision{.compute = at::kBFloat16})["full"].scalar_type(), at::kBFloat16);
  EXPECT_EQ(w["net.position_ids"].scalar_type(), at::kLong);
  const Tensor rounded = w.with(Precision{.storage = at::kHalf})["full"];
  EXPECT_EQ(rounded.scalar_type(), at::kFloat);
  EXPECT_EQ(rounded[0].item<float>(), static_cast<float>(at::Half(0.1f)));
  EXPECT_EQ(w["full"][0].item<float>(), 0.1f);
}

TEST(Weights, SharesConvertedTensorsWhileSomebodyHoldsThem) {
  const Weights w{model()};
  const std::string name = "net.blocks.0.to_q.weight";
  const Tensor first = w[name];
  EXPECT_EQ(w[name].const_data_ptr(), first.const_data_ptr());
  const Tensor view = (w / "net").with(Precision{})["blocks.1.to_q.weight"].view({4});
  EXPECT_EQ(w["net.blocks.1.to_q.weight"].const_data_ptr(), view.const_data_ptr())
      << "a view holds it as well";
  EXPECT_NE(w.with(Precision{.compute = at::kBFloat16})[name].const_data_ptr(),
            first.const_data_ptr());
}

TEST(Weights, AppliesPatchesAndSharesTheRest) {
  const Weights w{model()};
  const Weights changed = w.with(patched("net.blocks.1.to_q.weight", at::ones({2, 2}), 0.5));
  EXPECT_EQ((changed / "net" / "blocks" / 1)["to_q.weight"][0][0].item<float>(), 1.5f);
  EXPECT_EQ(w["net.blocks.1.to_q.weight"][0][0].item<float>(), 1.0f);
  const Tensor untouched = w["net.blocks.0.to_q.weight"];
  EXPECT_EQ(changed["net.blocks.0.to_q.weight"].const_data_ptr(), untouched.const_data_ptr());
  const Tensor held = changed["net.blocks.1.to_q.weight"];
  const Weights same = w.with(patched("net.blocks.1.to_q.weight", at::ones({2, 2}), 0.5));
  EXPECT_EQ(same["net.blocks.1.to_q.weight"].const_data_ptr(), held.const_data_ptr());
}

TEST(Weights, RoundsPatchedTensorsToTheirStorage) {
  const Weights w = Weights{model()}
                        .with(Precision{.storage = at::kHalf})
                        .with(patched("full", at::ones({3}) * 1e-5));
  EXPECT_EQ(w["full"][0].item<float>(),
            static_cast<float>(at::Half(static_cast<float>(at::Half(0.1f)) + 1e-5f)));
}

TEST(Weights, LeavesOutPatchesThatDoNotFitAndSaysSo) {
  const Weights w = Weights{model()}.with(patched("full", at::ones({4})));
  EXPECT_EQ(w["full"][0].item<float>(), 0.1f);
  ASSERT_EQ(w.misfits().size(), 1u);
  EXPECT_NE(w.misfits()[0].find("\"full\""), std::string::npos);
  EXPECT_NE(w.misfits()[0].find("[3], found [4]"), std::string::npos) << w.misfits()[0];
}

TEST(Weights, HaveAKeyThatTellsTheirNumbers) {
  const SourcePtr source = model();
  const Weights w{source};
  EXPECT_EQ(w.key(), Weights{source}.key());
  EXPECT_NE(w.key(), Weights{model()}.key());
  EXPECT_NE(w.key(), (w / "net").key());
  EXPECT_NE(w.key(), w.with(Precision{.storage = at::kHalf}).key());
  EXPECT_NE(w.key(), w.with(Precision{.compute = at::kHalf}).key());
  const Weights changed = w.with(patched("full", at::ones({3})));
  EXPECT_NE(w.key(), changed.key());
  EXPECT_EQ(changed.key(), w.with(patched("full", at::ones({3}))).key());
  EXPECT_NE(changed.key(), w.with(patched("full", at::ones({3}), 0.5)).key());
}

TEST(Weights, ReadTheFileItselfWhenNothingChanges) {
  const TemporaryFolder folder;
  write_safetensors(folder / "x", {{"a", at::arange(100'000, at::kFloat)},
                                   {"h", at::ones({100'000}, at::kHalf)}});
  const Weights w{open_source(folder / "x")};
  EXPECT_EQ(w["a"].const_data_ptr(), w["a"].const_data_ptr());
  const Tensor made = w["h"];
  w.release("a");
  EXPECT_EQ(w["a"][99'999].item<float>(), 99'999);
  EXPECT_EQ(made.sum().item<float>(), 100'000);
}

}  // namespace
}  // namespace comfy::checkpoint
