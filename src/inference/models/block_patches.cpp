// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/block_patches.h"

#include "inference/tensor/ops.h"
#include "inference/tensor/random.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

namespace comfy::models {

namespace {

/// The lowest frequencies of a map, times `scale`.
Tensor scale_low_frequencies(const Tensor& x, double scale) {
  Tensor spectrum = at::fft_fftshift(at::fft_fftn(x.contiguous(), {}, {{-2, -1}}), {{-2, -1}});
  Tensor mask = at::ones(x.sizes(), x.options());
  mask.narrow(2, x.size(2) / 2 - 1, 2).narrow(3, x.size(3) / 2 - 1, 2).fill_(scale);
  spectrum = at::fft_ifftshift(spectrum * mask, {{-2, -1}});
  return at::real(at::fft_ifftn(spectrum, {}, {{-2, -1}}));
}

/// 1 where the map is largest, 0 where it is smallest, per picture.
Tensor normalized_mean(const Tensor& h) {
  const Tensor mean = h.mean(1, /*keepdim=*/true);
  const Tensor flat = mean.flatten(1);
  const Tensor high = std::get<0>(flat.max(-1)).view({-1, 1, 1, 1});
  const Tensor low = std::get<0>(flat.min(-1)).view({-1, 1, 1, 1});
  return (mean - low) / (high - low);
}

struct Grid {
  std::int64_t rows, columns, height, width;
};

/// One of the divisions of `value` into tiles of at least `smallest`.
std::int64_t division(std::int64_t value, std::int64_t smallest, std::int64_t options,
                      tensor::Generator& generator) {
  std::vector<std::int64_t> counts;
  for (std::int64_t i = std::min(smallest, value); i <= value; ++i) {
    if (value % i == 0 && static_cast<std::int64_t>(counts.size()) < options) {
      counts.push_back(value / i);
    }
  }
  if (counts.size() < 2) return counts.front();
  const Tensor index = generator.randint(0, static_cast<std::int64_t>(counts.size()) - 1, {1});
  return counts[static_cast<std::size_t>(index.item<std::int64_t>())];
}

Tensor to_tiles(const Tensor& x, const Grid& g) {
  return x
      .reshape({x.size(0), g.rows, g.height / g.rows, g.columns, g.width / g.columns, x.size(2)})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({x.size(0) * g.rows * g.columns, -1, x.size(2)});
}

Tensor from_tiles(const Tensor& x, const Grid& g) {
  return x.reshape({-1, g.rows, g.columns, g.height / g.rows, g.width / g.columns, x.size(2)})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({-1, g.height * g.width, x.size(2)});
}

/// Which tokens go on as they are, which are merged into which others.
struct Merging {
  Tensor sources, targets;  ///< [1, n, 1] positions
  Tensor kept = {}, merged = {},
         merged_to = {};  ///< [B, n, 1] indices into sources, and into targets
  std::int64_t tokens = 0;
};

Tensor rows_at(const Tensor& x, const Tensor& index) {
  return x.gather(1, index.expand({x.size(0), index.size(1), x.size(2)}));
}

Merging plan_merging(const Tensor& x, std::int64_t height, std::int64_t width, double ratio,
                     tensor::Generator& generator) {
  const std::int64_t rows = height / 2;
  const std::int64_t columns = width / 2;
  const Tensor chosen = generator.randint(0, 4, {rows, columns, 1});
  Tensor cells = at::zeros({rows, columns, 4}, DType::Long);
  cells.scatter_(2, chosen, -at::ones_like(chosen));
  cells = cells.view({rows, columns, 2, 2}).transpose(1, 2).reshape({rows * 2, columns * 2});
  Tensor marks = at::zeros({height, width}, DType::Long);
  marks.narrow(0, 0, rows * 2).narrow(1, 0, columns * 2).copy_(cells);
  const Tensor order = marks.reshape({1, -1, 1}).argsort(1, /*descending=*/false);
  Merging m{.sources = order.slice(1, rows * columns),
            .targets = order.slice(1, 0, rows * columns),
            .tokens = x.size(1)};
  const Tensor unit = x / x.norm(2, -1, true);
  const auto [best, best_target] =
      rows_at(unit, m.sources).matmul(rows_at(unit, m.targets).transpose(-1, -2)).max(-1);
  const Tensor by_likeness = best.argsort(-1, /*descending=*/true).unsqueeze(-1);
  const std::int64_t count = std::min(
      m.sources.size(1), static_cast<std::int64_t>(static_cast<double>(x.size(1)) * ratio));
  m.kept = by_likeness.slice(1, count);
  m.merged = by_likeness.slice(1, 0, count);
  m.merged_to = best_target.unsqueeze(-1).gather(1, m.merged);
  return m;
}

Tensor merge(const Tensor& x, const Merging& m) {
  const Tensor sources = rows_at(x, m.sources);
  const Tensor merged = rows_at(sources, m.merged);
  const Tensor targets =
      rows_at(x, m.targets)
          .scatter_reduce(1, m.merged_to.expand_as(merged), merged, "mean", /*include_self=*/true);
  return at::cat({rows_at(sources, m.kept), targets}, 1);
}

Tensor unmerge(const Tensor& x, const Merging& m) {
  const Tensor kept = x.slice(1, 0, m.kept.size(1));
  const Tensor targets = x.slice(1, m.kept.size(1));
  const Tensor merged = rows_at(targets, m.merged_to);
  Tensor out = at::zeros({x.size(0), m.tokens, x.size(2)}, x.options());
  const auto put = [&](const Tensor& index, const Tensor& values) {
    out.scatter_(1, index.expand_as(values), values);
  };
  const Tensor sources = m.sources.expand({x.size(0), m.sources.size(1), 1});
  put(m.targets, targets);
  put(sources.gather(1, m.kept), kept);
  put(sources.gather(1, m.merged), merged);
  return out;
}

/// A division of the map into tiles for self-attention, while it lasts.
std::optional<Grid> grid_for(const HyperTile& options, std::int64_t tokens, const BlockPlace& place,
                             tensor::Generator& generator) {
  const double height = static_cast<double>(place.original[2]);
  const double width = static_cast<double>(place.original[3]);
  const double count = static_cast<double>(tokens);
  const std::int64_t tile = std::max<std::int64_t>(32, options.tile_size) / 8;
  for (std::int64_t i = 0; i <= options.max_depth; ++i) {
    const double shrink = std::pow(2.0, static_cast<double>(i));
    if (height / shrink * (width / shrink) != count) continue;
    const auto h = std::llrint(std::sqrt(count * width / height));
    const auto w = std::llrint(std::sqrt(count * height / width));
    const std::int64_t smallest = options.scale_depth ? tile << i : tile;
    const std::int64_t rows = division(h, smallest, options.swap_size, generator);
    const std::int64_t columns = division(w, smallest, options.swap_size, generator);
    if (rows * columns > 1) return Grid{rows, columns, h, w};
    return {};
  }
  return {};
}

}  // namespace

BlockHooks freeu(const FreeU& scales, std::int64_t model_channels, FreeUVersion version) {
  BlockHooks hooks;
  hooks.key = fmt::format("freeu{}:{}:{}:{}:{}", version == FreeUVersion::first ? 1 : 2, scales.b1,
                          scales.b2, scales.s1, scales.s2);
  hooks.output_block.emplace_back([=](Tensor h, Tensor skip, const BlockPlace&) {
    const std::int64_t channels = h.size(1);
    if (channels != model_channels * 4 && channels != model_channels * 2) {
      return std::pair{std::move(h), std::move(skip)};
    }
    const bool deep = channels == model_channels * 4;
    const double backbone = deep ? scales.b1 : scales.b2;
    // In place, as the original: h may be the skip itself.
    Tensor half = h.narrow(1, 0, channels / 2);
    half.mul_(version == FreeUVersion::second ? normalized_mean(h) * (backbone - 1) + 1
                                              : at::full({}, backbone, h.options()));
    return std::pair{h, scale_low_frequencies(skip, deep ? scales.s1 : scales.s2)};
  });
  return hooks;
}

BlockHooks hypertile(const HyperTile& options, const SharedGenerator& generator) {
  const auto grid = std::make_shared<std::optional<Grid>>();
  BlockHooks hooks;
  hooks.key = fmt::format("hypertile:{}:{}:{}:{}", options.tile_size, options.swap_size,
                          options.max_depth, options.scale_depth);
  hooks.attn1.emplace_back([=](AttentionInputs inputs, const BlockPlace& place) {
    *grid = grid_for(options, inputs.n.size(1), place, *generator);
    if (*grid) inputs.n = to_tiles(inputs.n, **grid);
    return inputs;
  });
  hooks.attn1_output.emplace_back(
      [=](const Tensor& out, const BlockPlace&) { return *grid ? from_tiles(out, **grid) : out; });
  return hooks;
}

BlockHooks token_merging(double ratio, const SharedGenerator& generator) {
  const auto plan = std::make_shared<std::optional<Merging>>();
  BlockHooks hooks;
  hooks.key = fmt::format("tome:{}", ratio);
  hooks.attn1.emplace_back([=](AttentionInputs inputs, const BlockPlace& place) {
    plan->reset();
    const std::int64_t height = place.original[2];
    const std::int64_t width = place.original[3];
    if (height * width / inputs.n.size(1) > 1) return inputs;  // only at full resolution
    *plan = plan_merging(inputs.n, height, width, ratio, *generator);
    inputs.n = merge(inputs.n, **plan);
    return inputs;
  });
  hooks.attn1_output.emplace_back(
      [=](const Tensor& out, const BlockPlace&) { return *plan ? unmerge(out, **plan) : out; });
  return hooks;
}

}  // namespace comfy::models
