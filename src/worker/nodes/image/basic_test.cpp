// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "worker/engine/context.h"
#include "worker/engine/registry.h"
#include "worker/nodes/image/register.h"
#include "worker/nodes/ports.h"

#include <gtest/gtest.h>

namespace comfy::nodes {
namespace {

using engine::Value;

/// Runs one node of a family by its id, with inputs in declared order.
Value run(const std::string& id, std::vector<Value> inputs) {
  engine::Registry registry;
  register_basic_images(registry);
  register_image_scaling(registry);
  const engine::NodeType& type = *registry.find(id);
  std::vector<engine::Argument> arguments;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    arguments.push_back(
        {.name = type.definition.inputs[i].name, .given = true, .values = {&inputs[i], 1}});
  engine::Context context;
  return type.run({.declared = arguments, .extra = {}}, context).slots[0][0];
}

Tensor pixels(const Value& value) { return value.get<Image>()->pixels; }
Value image(Shape shape, double value) { return Value::of(Image{at::full(shape, value)}); }

TEST(EmptyImage, TakesItsColourFromRedGreenBlue) {
  const Tensor made = pixels(run("EmptyImage", {Json{4}, Json{2}, Json{3}, Json{0xff8000}}));
  EXPECT_EQ(made.sizes(), (Shape{3, 2, 4, 3}));
  EXPECT_FLOAT_EQ(made[0][0][0][0].item<float>(), 1.0f);
  EXPECT_FLOAT_EQ(made[0][0][0][1].item<float>(), 128 / 255.0f);
  EXPECT_FLOAT_EQ(made[2][1][3][2].item<float>(), 0.0f);
}

TEST(ImageInvert, IsItsOwnInverse) {
  EXPECT_FLOAT_EQ(pixels(run("ImageInvert", {image({1, 2, 2, 3}, 0.25)})).mean().item<float>(),
                  0.75f);
}

TEST(ImageBatch, GivesTheSecondTheSizeOfTheFirst) {
  const Tensor both = pixels(run("ImageBatch", {image({1, 4, 6, 3}, 0), image({2, 8, 8, 3}, 1)}));
  EXPECT_EQ(both.sizes(), (Shape{3, 4, 6, 3}));
}

TEST(ImageBatch, AddsAnOpaqueAlphaWhereOnlyOneHasIt) {
  const Tensor both = pixels(run("ImageBatch", {image({1, 2, 2, 3}, 0), image({1, 2, 2, 4}, 0)}));
  EXPECT_FLOAT_EQ(both[0][0][0][3].item<float>(), 1.0f);
}

TEST(ImageScale, FollowsTheProportionWhereASideIsZero) {
  const auto scaled = [](int width, int height) {
    return pixels(run("ImageScale", {image({1, 10, 20, 3}, 0), Json{"bilinear"}, Json{width},
                                     Json{height}, Json{"disabled"}}));
  };
  EXPECT_EQ(scaled(10, 0).sizes(), (Shape{1, 5, 10, 3}));
  EXPECT_EQ(scaled(0, 1).sizes(), (Shape{1, 1, 2, 3}));
  EXPECT_EQ(scaled(0, 0).sizes(), (Shape{1, 10, 20, 3}));
}

}  // namespace
}  // namespace comfy::nodes
