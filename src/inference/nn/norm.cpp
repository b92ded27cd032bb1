// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/nn/norm.h"

#include "inference/nn/kernels.h"
#include "inference/tensor/ops.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

namespace comfy::nn {
namespace {

/// A channels-last map of float32 numbers in pieces of rows (pixels) that fit into a core's cache.
struct Map {
  explicit Map(const Tensor& x)
      : data{x.const_data_ptr<float>()},
        pictures{x.size(0)},
        channels{x.size(1)},
        rows{x.size(2) * x.size(3)},
        piece{std::max<std::int64_t>(1, 65536 / channels)},
        pieces{(rows + piece - 1) / piece} {}

  const float* data;
  std::int64_t pictures, channels, rows;
  std::int64_t piece, pieces;  ///< rows in a piece, pieces in a picture

  /// Calls work(picture, piece, first row in memory, number of rows) for all pieces, in threads.
  void for_pieces(const std::function<void(std::int64_t, std::int64_t, std::int64_t, std::int64_t)>&
                      work) const {
    at::parallel_for(0, pictures * pieces, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = i % pieces * piece;
        work(i / pieces, i % pieces, i / pieces * rows + first, std::min(piece, rows - first));
      }
    });
  }
};

/// Per picture and channel, what turns x into its normalized form: x * scale + offset.
struct Affine {
  std::vector<float> scale, offset;
};

/// Sums of each piece, for each of its channels: first the numbers, then their squares, both after
/// the picture's first pixel was taken off.
std::vector<double> sums_of(const Map& map) {
  std::vector<double> sums(static_cast<std::size_t>(map.pictures * map.pieces * 2 * map.channels),
                           0.0);
  map.for_pieces(
      [&](std::int64_t picture, std::int64_t piece, std::int64_t first, std::int64_t rows) {
        double* sum = sums.data() + (picture * map.pieces + piece) * 2 * map.channels;
        kernels::add_channel_sums(map.data + first * map.channels, rows, map.channels,
                                  map.data + picture * map.rows * map.channels, sum,
                                  sum + map.channels);
      });
  return sums;
}

/// Adds the pieces of one picture up in the first one.
void gather(const Map& map, double* sums) {
  for (std::int64_t piece = 1; piece < map.pieces; ++piece) {
    const double* more = sums + piece * 2 * map.channels;
    for (std::int64_t c = 0; c < 2 * map.channels; ++c) sums[c] += more[c];
  }
}

/// Mean and squared deviation of each channel, joined over each group.
/// added: [C] of this picture, or null.
void normalize_picture(const Map& map, const GroupNorm::Options& options, std::int64_t picture,
                       const double* sums, const float* added, const float* weight,
                       const float* bias, Affine& affine) {
  const std::int64_t size = map.channels / options.groups;
  const double rows = static_cast<double>(map.rows);
  const float* shift = map.data + picture * map.rows * map.channels;
  const auto mean_of = [&](std::int64_t c) {
    return static_cast<double>(shift[c]) + sums[c] / rows + (added != nullptr ? added[c] : 0.0F);
  };
  for (std::int64_t group = 0; group < options.groups; ++group) {
    const std::int64_t begin = group * size;
    double mean = 0;
    for (std::int64_t c = begin; c < begin + size; ++c)
      mean += mean_of(c) / static_cast<double>(size);
    double deviation = 0;
    for (std::int64_t c = begin; c < begin + size; ++c) {
      const double apart = mean_of(c) - mean;
      deviation += sums[map.channels + c] - sums[c] * sums[c] / rows + rows * apart * apart;
    }
    const double variance = std::max(0.0, deviation / (rows * static_cast<double>(size)));
    const double factor = 1.0 / std::sqrt(variance + options.epsilon);
    for (std::int64_t c = begin; c < begin + size; ++c) {
      const auto at = static_cast<std::size_t>(picture * map.channels + c);
      const double scale = factor * static_cast<double>(weight[c]);
      affine.scale[at] = static_cast<float>(scale);
      affine.offset[at] = static_cast<float>(static_cast<double>(bias[c]) +
                                             scale * ((added != nullptr ? added[c] : 0.0F) - mean));
    }
  }
}

}  // namespace

GroupNorm::GroupNorm(const Weights& w, Options options)
    : options_{options}, weight_{w["weight"].contiguous()}, bias_{w["bias"].contiguous()} {}

Tensor GroupNorm::operator()(const Tensor& x, const Tensor& offset) const {
  const bool is_map = x.is_cpu() && x.scalar_type() == DType::Float && x.dim() == 4 &&
                      x.numel() > 0 && x.is_contiguous(at::MemoryFormat::ChannelsLast) &&
                      weight_.scalar_type() == DType::Float;
  if (is_map) return normalize_map(x, offset);
  const Tensor input = offset.defined() ? x + offset.unsqueeze(-1).unsqueeze(-1) : x;
  Tensor y = at::group_norm(input, options_.groups, weight_, bias_, options_.epsilon);
  return options_.activation == Activation::silu ? at::silu_(y) : y;
}

Tensor GroupNorm::normalize_map(const Tensor& x, const Tensor& offset) const {
  const Map map(x);
  const Tensor added = offset.defined() ? offset.contiguous() : Tensor{};
  std::vector<double> sums = sums_of(map);
  const auto count = static_cast<std::size_t>(map.pictures * map.channels);
  Affine affine{std::vector<float>(count), std::vector<float>(count)};
  for (std::int64_t picture = 0; picture < map.pictures; ++picture) {
    double* own = sums.data() + picture * map.pieces * 2 * map.channels;
    gather(map, own);
    normalize_picture(
        map, options_, picture, own,
        added.defined() ? added.const_data_ptr<float>() + picture * map.channels : nullptr,
        weight_.const_data_ptr<float>(), bias_.const_data_ptr<float>(), affine);
  }
  Tensor y = at::empty_like(x);
  float* out = y.mutable_data_ptr<float>();
  const auto apply = options_.activation == Activation::silu ? kernels::scale_channels_silu
                                                             : kernels::scale_channels;
  map.for_pieces([&](std::int64_t picture, std::int64_t, std::int64_t first, std::int64_t rows) {
    apply(map.data + first * map.channels, out + first * map.channels, rows, map.channels,
          affine.scale.data() + picture * map.channels,
          affine.offset.data() + picture * map.channels);
  });
  return y;
}

LayerNorm::LayerNorm(const Weights& w, double epsilon)
    : epsilon_{epsilon}, weight_{w.get("weight")}, bias_{w.get("bias")} {}

Tensor LayerNorm::operator()(const Tensor& x) const {
  return at::layer_norm(x, x.size(-1), weight_, bias_, epsilon_);
}

}  // namespace comfy::nn
