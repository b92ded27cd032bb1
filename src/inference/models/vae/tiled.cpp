// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/vae/tiled.h"

#include "foundation/base/error.h"
#include "inference/tensor/ops.h"

#include <array>
#include <cmath>

namespace comfy::models::vae {
namespace {

using Size = std::array<std::int64_t, 2>;  // height, width

/// A network applied piece by piece, with sizes in the input's pixels.
struct Pieces {
  std::function<Tensor(const Tensor&)> apply;
  double scale = 1.0;  ///< output pixels per input pixel
  std::int64_t out_channels = 3;
  std::int64_t overlap = 0;
  OnTile on_tile;
  std::int64_t done = 0, all = 0;

  std::int64_t scaled(std::int64_t length) const {
    // Halves go to the even neighbour, as in Python.
    return static_cast<std::int64_t>(std::nearbyint(scale * static_cast<double>(length)));
  }
  Tensor run(const Tensor& piece) {
    Tensor result = apply(piece);
    if (on_tile) on_tile(++done, all);
    return result;
  }
};

bool fits(const Tensor& samples, const Size& tile) {
  return samples.size(2) <= tile[0] && samples.size(3) <= tile[1];
}

/// Where tiles begin along one side. The last may reach over the end and is then moved back or cut.
std::vector<std::int64_t> starts(std::int64_t length, std::int64_t tile, std::int64_t overlap) {
  if (length <= tile) return {0};
  std::vector<std::int64_t> result;
  for (std::int64_t at = 0; at < length - overlap; at += tile - overlap) result.push_back(at);
  return result;
}

std::int64_t count_tiles(const Tensor& samples, const Size& tile, std::int64_t overlap) {
  if (fits(samples, tile)) return samples.size(0);
  return samples.size(0) *
         static_cast<std::int64_t>(starts(samples.size(2), tile[0], overlap).size() *
                                   starts(samples.size(3), tile[1], overlap).size());
}

/// Ones that fall off linearly over `feather` pixels at every border.
Tensor feathered(const Tensor& like, std::int64_t feather) {
  Tensor mask = at::ones_like(like);
  for (const std::int64_t dim : {2, 3}) {
    const std::int64_t length = mask.size(dim);
    if (feather >= length) continue;
    for (std::int64_t t = 0; t < feather; ++t) {
      const double weight = static_cast<double>(t + 1) / static_cast<double>(feather);
      mask.narrow(dim, t, 1).mul_(weight);
      mask.narrow(dim, length - 1 - t, 1).mul_(weight);
    }
  }
  return mask;
}

Tensor blend_one(const Tensor& sample, const Size& tile, Pieces& pieces) {
  const Shape shape{1, pieces.out_channels, pieces.scaled(sample.size(2)),
                    pieces.scaled(sample.size(3))};
  Tensor sum = at::zeros(shape, sample.options());
  Tensor weights = at::zeros(shape, sample.options());
  for (const std::int64_t y : starts(sample.size(2), tile[0], pieces.overlap)) {
    for (const std::int64_t x : starts(sample.size(3), tile[1], pieces.overlap)) {
      const std::int64_t height = std::min(tile[0], sample.size(2) - y);
      const std::int64_t width = std::min(tile[1], sample.size(3) - x);
      const Tensor piece = pieces.run(sample.narrow(2, y, height).narrow(3, x, width));
      const Tensor mask = feathered(piece, pieces.scaled(pieces.overlap));
      const auto place = [&](const Tensor& whole) {
        return whole.narrow(2, pieces.scaled(y), mask.size(2))
            .narrow(3, pieces.scaled(x), mask.size(3));
      };
      place(sum).add_(piece * mask);
      place(weights).add_(mask);
    }
  }
  return sum / weights;
}

Tensor blend(const Tensor& samples, const Size& tile, Pieces& pieces) {
  std::vector<Tensor> results;
  for (std::int64_t b = 0; b < samples.size(0); ++b) {
    const Tensor sample = samples.narrow(0, b, 1);
    results.push_back(fits(sample, tile) ? pieces.run(sample) : blend_one(sample, tile, pieces));
  }
  return at::cat(results, 0);
}

/// The mean of three runs whose seams lie at different places.
Tensor blend_three(const Tensor& samples, const std::array<Size, 3>& tiles, Pieces pieces) {
  for (const Size& tile : tiles) {
    if (std::min(tile[0], tile[1]) <= pieces.overlap) {
      throw Error(Error::Kind::invalid_input, "tiles must be larger than their overlap");
    }
    pieces.all += count_tiles(samples, tile, pieces.overlap);
  }
  Tensor sum = blend(samples, tiles[0], pieces);
  for (std::size_t i = 1; i < tiles.size(); ++i) sum = sum + blend(samples, tiles[i], pieces);
  return sum / 3.0;
}

}  // namespace

Tensor decode_tiled(const Autoencoder& vae, const Tensor& latent, const Tiling& tiling,
                    const OnTile& on_tile) {
  const std::int64_t f = vae.downscale();
  const Size tile{tiling.height / f, tiling.width / f};
  return blend_three(latent, {Size{tile[0] * 2, tile[1] / 2}, {tile[0] / 2, tile[1] * 2}, tile},
                     {.apply = [&](const Tensor& piece) { return vae.decode(piece); },
                      .scale = static_cast<double>(f),
                      .out_channels = 3,
                      .overlap = tiling.overlap / f,
                      .on_tile = on_tile});
}

Tensor encode_tiled(const Autoencoder& vae, const Tensor& pixels, const Tiling& tiling,
                    const OnTile& on_tile) {
  const Size tile{tiling.height, tiling.width};
  return blend_three(pixels, {tile, {tile[0] / 2, tile[1] * 2}, {tile[0] * 2, tile[1] / 2}},
                     {.apply = [&](const Tensor& piece) { return vae.encode(piece); },
                      .scale = 1.0 / static_cast<double>(vae.downscale()),
                      .out_channels = vae.latent_channels(),
                      .overlap = tiling.overlap,
                      .on_tile = on_tile});
}

}  // namespace comfy::models::vae
