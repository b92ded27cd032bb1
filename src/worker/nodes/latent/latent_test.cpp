// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "inference/tensor/ops.h"
#include "worker/engine/context.h"
#include "worker/engine/registry.h"
#include "worker/nodes/latent/register.h"
#include "worker/nodes/ports.h"

#include <gtest/gtest.h>

namespace comfy::nodes {
namespace {

using engine::Value;

/// Runs one latent node by its id, with inputs in declared order.
Latent run(const std::string& id, std::vector<Value> inputs) {
  engine::Registry registry;
  register_basic_latents(registry);
  register_latent_batches(registry);
  register_latent_scaling(registry);
  const engine::NodeType& type = *registry.find(id);
  std::vector<engine::Argument> arguments;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    arguments.push_back(
        {.name = type.definition.inputs[i].name, .given = true, .values = {&inputs[i], 1}});
  engine::Context context;
  return *type.run({.declared = arguments, .extra = {}}, context).slots[0][0].get<Latent>();
}

Value latent(Shape shape, double value = 0) {
  return Value::of(Latent{.samples = at::full(shape, value)});
}

TEST(EmptyLatentImage, IsAnEighthOfThePixels) {
  EXPECT_EQ(run("EmptyLatentImage", {Json{64}, Json{32}, Json{2}}).samples.sizes(),
            (Shape{2, 4, 4, 8}));
}

TEST(SetLatentNoiseMask, GivesEachMaskAChannel) {
  const Value mask = Value::of(Mask{at::ones({2, 8, 6})});
  EXPECT_EQ(run("SetLatentNoiseMask", {latent({1, 4, 1, 1}), mask}).noise_mask.sizes(),
            (Shape{2, 1, 8, 6}));
}

TEST(LatentComposite, PastesAtAnEighthOfThePixels) {
  const Tensor out = run("LatentComposite", {latent({1, 4, 8, 8}), latent({1, 4, 4, 4}, 1),
                                             Json{16}, Json{32}, Json{0}})
                         .samples;
  EXPECT_EQ(out.sum().item<float>(), 4 * 16);
  EXPECT_EQ(out[0][0][4][2].item<float>(), 1);
  EXPECT_EQ(out[0][0][3][2].item<float>(), 0);
}

TEST(LatentComposite, FeathersOnlyTheEdgesInside) {
  const Tensor out = run("LatentComposite", {latent({1, 4, 8, 8}), latent({1, 4, 4, 4}, 1), Json{0},
                                             Json{0}, Json{16}})
                         .samples;
  EXPECT_EQ(out[0][0][0][0].item<float>(), 1);
  EXPECT_EQ(out[0][0][0][3].item<float>(), 0.5f);
}

TEST(LatentComposite, RefusesAPlaceOutside) {
  EXPECT_THROW(run("LatentComposite",
                   {latent({1, 4, 8, 8}), latent({1, 4, 4, 4}), Json{64}, Json{0}, Json{0}}),
               Error);
}

TEST(RepeatLatentBatch, CountsItsNoiseOn) {
  const Value indexed =
      Value::of(Latent{.samples = at::zeros({2, 4, 1, 1}), .batch_index = {3, 5}});
  const Latent out = run("RepeatLatentBatch", {indexed, Json{3}});
  EXPECT_EQ(out.samples.size(0), 6);
  EXPECT_EQ(out.batch_index, (std::vector<std::int64_t>{3, 5, 6, 8, 9, 11}));
}

TEST(LatentFromBatch, KeepsTheNoiseOfWhatItTakes) {
  const Latent out = run("LatentFromBatch", {latent({4, 4, 1, 1}), Json{2}, Json{9}});
  EXPECT_EQ(out.samples.size(0), 2);
  EXPECT_EQ(out.batch_index, (std::vector<std::int64_t>{2, 3}));
}

TEST(LatentUpscale, IsNeverSmallerThanSixtyFourPixels) {
  const auto scaled = [](int width, int height) {
    return run("LatentUpscale", {latent({1, 4, 8, 16}), Json{"bilinear"}, Json{width}, Json{height},
                                 Json{"disabled"}})
        .samples;
  };
  EXPECT_EQ(scaled(8, 8).sizes(), (Shape{1, 4, 8, 8}));
  EXPECT_EQ(scaled(0, 128).sizes(), (Shape{1, 4, 16, 32}));
}

}  // namespace
}  // namespace comfy::nodes
