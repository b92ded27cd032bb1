// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/golden_case.h"
#include "inference/checkpoint/source.h"
#include "inference/nn/activation.h"
#include "inference/nn/attention.h"
#include "inference/nn/conv.h"
#include "inference/nn/embedding.h"
#include "inference/nn/linear.h"
#include "inference/nn/norm.h"
#include "inference/nn/packed.h"
#include "inference/tensor/ops.h"
#include "inference/tensor/random.h"

#include <gtest/gtest.h>

namespace comfy::nn {
namespace {

constexpr double kTolerance = 2e-6;  // float32 sums in another order

Tensor randn(const Shape& shape, std::uint64_t seed) {
  return tensor::Generator(seed).randn(shape);
}

Weights weights(checkpoint::NamedTensors tensors) {
  return Weights(checkpoint::dictionary_source(std::move(tensors)));
}

void expect_close(const Tensor& expected, const Tensor& actual) {
  const auto result = golden::compare(expected, actual, kTolerance);
  EXPECT_TRUE(result) << result.message;
}

TEST(Linear, MultipliesAndAdds) {
  const Tensor weight = randn({24, 40}, 1), bias = randn({24}, 2), x = randn({2, 7, 40}, 3);
  const Linear linear(weights({{"weight", weight}, {"bias", bias}}));
  expect_close(at::linear(x, weight, bias), linear(x));
  EXPECT_EQ(linear.inputs(), 40);
  EXPECT_EQ(linear.outputs(), 24);
  expect_close(at::linear(x, weight), Linear(weights({{"weight", weight}}))(x));
}

/// One weight, and how often somebody said that the file's copy of it may go.
class CountingSource final : public checkpoint::TensorSource {
 public:
  explicit CountingSource(Tensor weight)
      : TensorSource{{{.name = "weight", .dtype = at::kFloat, .shape = weight.sizes().vec()}},
                     {},
                     "counting"},
        weight_{std::move(weight)} {}
  Tensor read(std::size_t) const override { return weight_; }
  void release(std::size_t) const override { ++released; }

  mutable int released = 0;

 private:
  Tensor weight_;
};

TEST(Layers, LetTheFilesPagesGoOnceTheyHaveTheirOwnForm) {
  const auto matrix = std::make_shared<CountingSource>(randn({24, 40}, 1));
  const Linear linear{Weights{matrix}};
  EXPECT_EQ(matrix->released, can_pack(matrix->read(0)) ? 1 : 0);
  const auto kernel = std::make_shared<CountingSource>(randn({24, 16, 3, 3}, 1));
  const Conv2d conv{Weights{kernel}};
  EXPECT_EQ(kernel->released, can_pack(kernel->read(0)) ? 1 : 0);
}

TEST(Linear, TakesTheWeightOfAConvolutionOfOnePixel) {
  const Tensor weight = randn({24, 40, 1, 1}, 1), x = randn({2, 7, 40}, 3);
  expect_close(at::linear(x, weight.flatten(1)), Linear(weights({{"weight", weight}}))(x));
}

TEST(Linear, ReadsRowsThatDoNotLieTogether) {
  const Tensor weight = randn({24, 40}, 1), x = randn({2, 40, 7}, 3).transpose(1, 2);
  expect_close(at::linear(x, weight), Linear(weights({{"weight", weight}}))(x));
}

TEST(Conv2d, ConvolvesInAnyLayoutAndAnswersChannelsLast) {
  const Tensor weight = randn({24, 16, 3, 3}, 1), bias = randn({24}, 2),
               x = randn({2, 16, 9, 7}, 3);
  const Conv2d conv(weights({{"weight", weight}, {"bias", bias}}));
  const Tensor expected = at::conv2d(x, weight, bias, 1, 1);
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const Tensor y = conv(x.contiguous(format));
    expect_close(expected, y);
    EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
  }
}

TEST(Conv2d, TakesStrideAndPadding) {
  const Tensor weight = randn({8, 4, 3, 3}, 1), x = randn({1, 4, 10, 12}, 3);
  const Conv2d conv(weights({{"weight", weight}}), {.stride = 2, .padding = 0});
  expect_close(at::conv2d(x, weight, Tensor{}, at::IntArrayRef{2}, at::IntArrayRef{0}), conv(x));
}

TEST(GroupNorm, NormalizesBothLayoutsAlike) {
  const Tensor weight = randn({64}, 1), bias = randn({64}, 2), x = randn({3, 64, 5, 9}, 3);
  const GroupNorm plain(weights({{"weight", weight}, {"bias", bias}}), {.epsilon = 1e-6});
  const GroupNorm active(weights({{"weight", weight}, {"bias", bias}}),
                         {.epsilon = 1e-6, .activation = Activation::silu});
  const Tensor expected = at::group_norm(x, 32, weight, bias, 1e-6);
  const Tensor last = x.contiguous(at::MemoryFormat::ChannelsLast);
  expect_close(expected, plain(x));
  expect_close(expected, plain(last));
  expect_close(at::silu(expected), active(x));
  expect_close(at::silu(expected), active(last));
  EXPECT_TRUE(active(last).is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST(GroupNorm, KeepsItsAccuracyFarFromZero) {
  const Tensor one = at::ones({32}), zero = at::zeros({32});
  const Tensor x = (randn({1, 32, 40, 40}, 3) + 300).contiguous(at::MemoryFormat::ChannelsLast);
  const Tensor exact =
      at::group_norm(x.to(DType::Double), 32, one.to(DType::Double), zero.to(DType::Double), 1e-5);
  const auto result =
      golden::compare(exact, GroupNorm(weights({{"weight", one}, {"bias", zero}}), {})(x), 5e-5);
  EXPECT_TRUE(result) << result.message;
}

TEST(LayerNorm, NormalizesTheLastDimension) {
  const Tensor weight = randn({40}, 1), bias = randn({40}, 2), x = randn({2, 3, 40}, 3);
  expect_close(at::layer_norm(x, 40, weight, bias, 1e-5),
               LayerNorm(weights({{"weight", weight}, {"bias", bias}}))(x));
}

TEST(Activations, FollowTheirFormulas) {
  const Tensor x = randn({50}, 1) * 3;
  expect_close(x * at::sigmoid(x), nn::silu(x));
  expect_close(x * at::sigmoid(1.702 * x), nn::quick_gelu(x));
  expect_close(0.5 * x * (1 + at::erf(x / std::sqrt(2.0))), nn::gelu(x));
  const Tensor pair = randn({2, 3, 40}, 2);
  expect_close(pair.narrow(2, 0, 20) * at::gelu(pair.narrow(2, 20, 20)), nn::geglu(pair));
}

Tensor plain_attention(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t heads) {
  const auto split = [&](const Tensor& x) { return x.unflatten(2, {heads, -1}).transpose(1, 2); };
  const Tensor scores =
      split(q).matmul(split(k).transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(2) / heads));
  return scores.softmax(-1).matmul(split(v)).transpose(1, 2).flatten(2);
}

TEST(Attention, WeighsValuesByTheSoftmaxOfProducts) {
  const Tensor q = randn({2, 9, 24}, 1), k = randn({2, 5, 24}, 2), v = randn({2, 5, 24}, 3);
  expect_close(plain_attention(q, k, v, 4), attention(q, k, v, 4));
}

TEST(Attention, DealsKeysOutOverMoreQueries) {
  const Tensor q = randn({2, 4, 24}, 1), k = randn({1, 8, 24}, 2), v = randn({1, 8, 24}, 3);
  expect_close(plain_attention(q, k.reshape({2, 4, 24}), v.reshape({2, 4, 24}), 4),
               attention(q, k, v, 4));
}

TEST(Attention, LooksBackOnlyWhenCausal) {
  const Tensor q = randn({1, 6, 8}, 1), k = randn({1, 6, 8}, 2), v = randn({1, 6, 8}, 3);
  const Tensor out = causal_attention(q, k, v, 2);
  expect_close(v.narrow(1, 0, 1), out.narrow(1, 0, 1));
  const Tensor mask = at::ones({6, 6}, DType::Bool).tril();
  expect_close(attention(q, k, v, 2, mask), out);
}

TEST(Embedding, PutsCosinesFirst) {
  const Tensor e = sinusoidal_embedding(at::tensor(std::vector<float>{0.0F, 3.0F}), 4);
  expect_close(at::tensor(std::vector<float>{1, 1, 0, 0}), e[0]);
  expect_close(at::tensor(std::vector<float>{std::cos(3.0F), std::cos(0.03F), std::sin(3.0F),
                                             std::sin(0.03F)}),
               e[1]);
  EXPECT_EQ(sinusoidal_embedding(at::zeros({1}), 5).size(1), 5);
}

}  // namespace
}  // namespace comfy::nn
