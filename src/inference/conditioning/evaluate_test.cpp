// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/evaluate.h"

#include "inference/conditioning/fake_model.h"
#include "inference/conditioning/guide.h"

#include <gtest/gtest.h>

namespace comfy::conditioning {
namespace {

class Evaluate : public testing::Test {
 protected:
  models::Architecture architecture_ = fake_architecture(models::latents::kPlain);
  models::Model model_ = fake_model(architecture_);
  std::shared_ptr<FakeNetwork> network_ = std::make_shared<FakeNetwork>(says_what_its_text_says);
  sampling::ModelSampling sampling_{model_.sampling()};
  Tensor x_ = at::zeros({1, 4, 16, 16});

  std::vector<ResolvedConditioning> resolved(const std::vector<Conditioning>& lists) {
    return resolve(model_, sampling_, lists, {.latent = x_.sizes().vec(), .latent_image = x_});
  }
  std::vector<Tensor> predict(const std::vector<Conditioning>& lists, double sigma = 1.0) {
    const auto ready = resolved(lists);
    std::vector<const ResolvedConditioning*> pointers;
    for (const auto& list : ready) pointers.push_back(&list);
    return Evaluator{{model_, network_}, sampling_}(pointers, x_, sigma, nullptr);
  }
};

double at_place(const Tensor& t, std::int64_t y, std::int64_t x) {
  return t[0][0][y][x].item<double>();
}

TEST_F(Evaluate, RunsBothSidesInOneCallNegativeFirst) {
  const auto out = predict({{text(3)}, {text(5)}});
  ASSERT_EQ(network_->calls.size(), 1U);
  EXPECT_EQ(network_->calls[0].x.size(0), 2);
  EXPECT_EQ(network_->calls[0].cond_or_uncond, (std::vector<std::int64_t>{1, 0}));
  EXPECT_FLOAT_EQ(at_place(out[0], 0, 0), 3);
  EXPECT_FLOAT_EQ(at_place(out[1], 0, 0), 5);
}

TEST_F(Evaluate, GivesTheNetworkTimestepsAndSigmas) {
  predict({{text(3)}}, sampling_.sigma(500.0));
  EXPECT_EQ(network_->calls[0].timestep.item<double>(), 500.0);
  EXPECT_NEAR(network_->calls[0].sigmas.item<double>(), 1.618, 1e-3);
}

TEST_F(Evaluate, RepeatsShortTextsToBatchThemWithLongOnes) {
  predict({{text(3, 2)}, {text(5, 6)}});
  ASSERT_EQ(network_->calls.size(), 1U);
  EXPECT_EQ(network_->calls[0].context.sizes(), (Shape{2, 6, 2}));
}

TEST_F(Evaluate, CallsTwiceWhenTextsWouldHaveToBeRepeatedTooOften) {
  predict({{text(3, 2)}, {text(5, 7)}});
  EXPECT_EQ(network_->calls.size(), 2U);
}

TEST_F(Evaluate, AveragesEntriesByStrength) {
  const auto out = predict({combine({text(1)}, set_area_strength({text(4)}, 2.0)), {text(0)}});
  EXPECT_FLOAT_EQ(at_place(out[0], 3, 3), (1.0 + 2 * 4.0) / 3.0);
}

TEST_F(Evaluate, ShowsTheNetworkOnlyTheAreaAndFadesItsInnerEdges) {
  const Conditioning area = set_area({text(9)}, {.width = 128, .height = 64, .x = 0, .y = 64}, 1.0);
  const auto out = predict({combine({text(1)}, area), {text(0)}});
  bool saw_area = false;
  for (const auto& call : network_->calls)
    saw_area |= call.x.sizes().slice(2) == at::IntArrayRef{8, 16};
  EXPECT_TRUE(saw_area);
  EXPECT_FLOAT_EQ(at_place(out[0], 0, 0), 1.0);
  EXPECT_FLOAT_EQ(at_place(out[0], 15, 8), 5.0);                     // both hold wholly
  EXPECT_FLOAT_EQ(at_place(out[0], 8, 8), (1.0 + 0.5 * 9.0) / 1.5);  // the area at half its weight
}

TEST_F(Evaluate, CoversTheAreaOnTheOtherSideToo) {
  const Conditioning area = set_area({text(9)}, RelativeArea{{0.5, 1.0}, {0.5, 0.0}}, 1.0);
  const auto lists = resolved({combine({text(1)}, area), {text(0)}});
  ASSERT_EQ(lists[1].size(), 2U);
  EXPECT_EQ(*lists[1][1].area, (AbsoluteArea{{8, 16}, {8, 0}}));
  EXPECT_TRUE(lists[1][1].inputs.context.equal(text(0).cond));
  EXPECT_EQ(resolved({{text(1)}, {text(0)}})[1].size(), 1U);
}

TEST_F(Evaluate, WeighsByMasks) {
  Tensor left = at::zeros({1, 128, 128});
  left.slice(2, 0, 64).fill_(1.0);
  const auto masked = [&](double word, const Tensor& mask) {
    return set_mask({text(word)}, mask, 1.0, MaskBounds::whole);
  };
  const auto out = predict({combine(masked(1, left), masked(2, 1 - left)), {text(0)}});
  EXPECT_FLOAT_EQ(at_place(out[0], 4, 2), 1.0);
  EXPECT_FLOAT_EQ(at_place(out[0], 4, 13), 2.0);
}

TEST_F(Evaluate, LimitsTheAreaToAMasksBounds) {
  Tensor mask = at::zeros({1, 16, 16});
  mask.slice(1, 4, 14).slice(2, 3, 5).fill_(1.0);
  const auto lists = resolved({set_mask({text(1)}, mask, 1.0, MaskBounds::bounding_box)});
  EXPECT_EQ(*lists[0][0].area, (AbsoluteArea{{10, 8}, {4, 3}}));
  const auto nothing =
      resolved({set_mask({text(1)}, at::zeros({1, 16, 16}), 1.0, MaskBounds::bounding_box)});
  EXPECT_EQ(*nothing[0][0].area, (AbsoluteArea{{8, 8}, {0, 0}}));
}

TEST_F(Evaluate, LeavesOutEntriesOutsideTheirRange) {
  const Conditioning early = set_timestep_range({text(4)}, 0.0, 0.5);
  EXPECT_FLOAT_EQ(at_place(predict({early}, 14.0)[0], 0, 0), 4.0);
  EXPECT_FLOAT_EQ(at_place(predict({early}, 0.1)[0], 0, 0), 0.0);
  EXPECT_EQ(network_->calls.size(), 1U);
}

struct OneControl : Control {
  std::optional<models::ControlResiduals> residuals(const ControlCall& call) const override {
    return models::ControlResiduals{.input = {}, .middle = {call.x}, .output = {}};
  }
};

TEST_F(Evaluate, GivesControlledEntriesTheirResidualsAndCopiesThemToTheNegativeSide) {
  Entry controlled = text(1);
  controlled.control = std::make_shared<OneControl>();
  predict({{controlled}, {text(2)}});
  ASSERT_EQ(network_->calls.size(), 2U);  // only one of them has it
  controlled.control_applies_to_uncond = true;
  network_->calls.clear();
  predict({{controlled}, {text(2)}});
  ASSERT_EQ(network_->calls.size(), 1U);
}

TEST_F(Evaluate, RepeatsTextsOverTheBatch) {
  x_ = at::zeros({3, 4, 8, 8});
  const auto out = predict({{text(3)}, {text(5)}});
  EXPECT_EQ(network_->calls[0].context.size(0), 6);
  EXPECT_EQ(out[0].sizes(), (Shape{3, 4, 8, 8}));
}

class Guiding : public Evaluate {
 protected:
  sampling::Denoiser denoiser(double cfg, const GuidanceOptions& options = {}) {
    model_ = model_.with_guidance(std::make_shared<GuidanceOptions>(options), "test");
    return guided_denoiser(Evaluator{{model_, network_}, sampling_},
                           {.sides = resolved({{text(3)}, {text(1)}}), .cfg = cfg});
  }

  /// The guided number where positive, negative and third list say these.
  double guided_by_three(const std::vector<double>& says, double cfg, const ThirdSide& third) {
    const auto one = [](double word) { return Conditioning{text(word)}; };
    const auto sides = resolved({one(says[0]), one(says[1]), one(says[2])});
    const sampling::Denoiser denoiser = guided_denoiser(
        Evaluator{{model_, network_}, sampling_}, {.sides = sides, .cfg = cfg, .third = third});
    return at_place(denoiser(x_, 1.0), 0, 0);
  }
};

TEST_F(Guiding, AddsTwoGuidancesBetweenThreeLists) {
  const ThirdSide third{.way = ThirdSide::Way::between, .scale = 3.0};
  EXPECT_FLOAT_EQ(guided_by_three({5, 1, 2}, 4.0, third), 1 + 4 * (2 - 1) + 3 * (5 - 2));
}

TEST_F(Guiding, LeavesOutListsThatWouldNotCount) {
  const ThirdSide third{.way = ThirdSide::Way::between, .scale = 1.0};
  EXPECT_FLOAT_EQ(guided_by_three({5, 1, 2}, 1.0, third), 5);
  EXPECT_EQ(network_->calls[0].x.size(0), 1);
}

TEST_F(Guiding, NestsOneGuidanceInAnother) {
  const ThirdSide third{.way = ThirdSide::Way::nested, .scale = 3.0};
  EXPECT_FLOAT_EQ(guided_by_three({5, 1, 2}, 4.0, third), 1 + 4 * (2 + 3 * (5 - 2) - 1));
}

TEST_F(Guiding, DropsWhatIsAlongThePositiveSideFromTheNegativeOne) {
  const ThirdSide third{.way = ThirdSide::Way::perpendicular, .scale = 1.0};
  // Everything here is parallel, so nothing of the negative side is left.
  EXPECT_FLOAT_EQ(guided_by_three({5, 1, 2}, 4.0, third), 2 + 4 * (5 - 2));
}

TEST_F(Guiding, RunsFurtherListsForTheFunctionsAroundIt) {
  const Conditioning further{text(7)};
  GuidanceOptions options{.extra_lists = {further}};
  options.cfg_function = [](const GuidanceStep& step) { return step.evaluate_extra(0, step.x); };
  model_ = model_.with_guidance(std::make_shared<GuidanceOptions>(options), "test");
  const auto guide = guided_denoiser(
      Evaluator{{model_, network_}, sampling_},
      {.sides = resolved({{text(3)}, {text(1)}}), .extra = resolved({further}), .cfg = 2.0});
  EXPECT_FLOAT_EQ(at_place(guide(x_, 1.0), 0, 0), 7);
}

TEST_F(Guiding, GoesFromTheNegativePastThePositive) {
  EXPECT_FLOAT_EQ(at_place(denoiser(2.0)(x_, 1.0), 0, 0), 1 + 2 * (3 - 1));
}

TEST_F(Guiding, LeavesOutTheNegativeSideAtOne) {
  EXPECT_FLOAT_EQ(at_place(denoiser(1.0)(x_, 1.0), 0, 0), 3);
  EXPECT_EQ(network_->calls[0].x.size(0), 1);
  const auto both = denoiser(1.0).with_uncond(x_, 1.0);
  EXPECT_FLOAT_EQ(at_place(both.uncond, 0, 0), 1);
  network_->calls.clear();
  denoiser(1.0, {.always_run_uncond = true})(x_, 1.0);
  EXPECT_EQ(network_->calls[0].x.size(0), 2);
}

TEST_F(Guiding, CallsTheFunctionsAroundItInOrder) {
  GuidanceOptions options;
  options.pre_cfg.emplace_back([](GuidanceStep& step) { step.cond = step.cond + 1; });
  options.cfg_function = [](const GuidanceStep& step) { return step.cond * 10 + step.uncond; };
  options.post_cfg.emplace_back([](const GuidanceStep&, const Tensor& d) { return d + 0.5; });
  options.post_cfg.emplace_back(
      [](const GuidanceStep& step, const Tensor& d) { return d * step.cfg; });
  EXPECT_FLOAT_EQ(at_place(denoiser(2.0, options)(x_, 1.0), 0, 0), ((3 + 1) * 10 + 1 + 0.5) * 2);
}

TEST_F(Guiding, LetsFunctionsRunOneSideAgainWithMoreHooks) {
  GuidanceOptions options;
  options.post_cfg.emplace_back([](const GuidanceStep& step, const Tensor& d) {
    models::BlockHooks more;
    more.key = "more";
    return d + step.evaluate(Side::negative, step.x, more) * 100;
  });
  EXPECT_FLOAT_EQ(at_place(denoiser(1.0, options)(x_, 1.0), 0, 0), 3 + 100);
  EXPECT_NE(network_->calls.back().hooks, nullptr);
}

TEST_F(Guiding, LetsAWrapperStandBeforeTheNetwork) {
  GuidanceOptions options;
  options.network_wrapper = [](const NetworkFunction& network, const models::DiffusionCall& call) {
    return network(call) * 2;
  };
  EXPECT_FLOAT_EQ(at_place(denoiser(1.0, options)(x_, 1.0), 0, 0), 6);
}

}  // namespace
}  // namespace comfy::conditioning
