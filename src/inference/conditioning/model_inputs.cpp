// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/model_inputs.h"

#include "foundation/base/error.h"
#include "inference/conditioning/batch.h"
#include "inference/tensor/ops.h"
#include "inference/tensor/resample.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <vector>

namespace comfy::conditioning {

namespace {

using models::ConcatConditioning;
using models::VectorConditioning;

constexpr std::int64_t kSizeEmbedding = 256;
constexpr double kPicturePixels =
    8.0;  // per latent pixel, where an entry does not tell the picture's size

/// cos and sin of a number at falling frequencies: [1, kSizeEmbedding].
Tensor embedded(double number) {
  const std::int64_t half = kSizeEmbedding / 2;
  const Tensor frequencies =
      (-std::log(10000.0) * at::arange(half, at::kFloat) / static_cast<double>(half)).exp();
  const Tensor angles = frequencies * static_cast<float>(number);
  return at::cat({angles.cos(), angles.sin()}).unsqueeze(0);
}

Tensor pooled_with_numbers(const Entry& entry, const std::vector<double>& numbers) {
  if (!entry.pooled.defined()) {
    throw Error{Error::Kind::invalid_input,
                "this model needs a pooled text encoding, got a conditioning without"};
  }
  std::vector<Tensor> parts;
  for (const double number : numbers) parts.push_back(embedded(number));
  const Tensor sizes =
      at::cat(parts, 1).to(entry.pooled.device()).repeat({entry.pooled.size(0), 1});
  return at::cat({entry.pooled, sizes}, 1);
}

Tensor vector_of(VectorConditioning kind, const Entry& entry, Side side, const RunShape& run) {
  const double height = entry.number(
      "height", static_cast<double>(run.latent[run.latent.size() - 2]) * kPicturePixels);
  const double width =
      entry.number("width", static_cast<double>(run.latent.back()) * kPicturePixels);
  const double crop_height = entry.number("crop_h", 0);
  const double crop_width = entry.number("crop_w", 0);
  switch (kind) {
    case VectorConditioning::none:
      return {};
    case VectorConditioning::sdxl:
      return pooled_with_numbers(
          entry, {height, width, crop_height, crop_width, entry.number("target_height", height),
                  entry.number("target_width", width)});
    case VectorConditioning::sdxl_refiner: {
      const double usual_score = side == Side::negative ? 2.5 : 6.0;
      return pooled_with_numbers(entry, {height, width, crop_height, crop_width,
                                         entry.number("aesthetic_score", usual_score)});
    }
    default:
      throw Error{Error::Kind::unsupported,
                  "conditioning of this model family by pictures or frames"};
  }
}

/// A latent fitted to the run's size and batch.
Tensor fitted(const Tensor& latent, const RunShape& run) {
  Tensor image = latent;
  if (image.sizes().slice(1) != at::IntArrayRef{run.latent}.slice(1)) {
    image = tensor::resample(image, run.latent.back(), run.latent[run.latent.size() - 2],
                             "bilinear", tensor::Crop::center);
  }
  return spread_over_batch(image, run.latent[0]);
}

/// [B, 1, H, W] of zeros and ones.
Tensor fitted_mask(Tensor mask, const RunShape& run) {
  if (static_cast<std::size_t>(mask.dim()) == run.latent.size()) mask = mask.slice(1, 0, 1);
  Shape shape{-1, 1};
  const auto spatial = static_cast<std::int64_t>(run.latent.size()) - 2;
  for (std::int64_t axis = -spatial; axis < 0; ++axis) shape.push_back(mask.size(axis));
  mask = mask.reshape(shape);
  const std::int64_t height = run.latent[run.latent.size() - 2];
  if (mask.size(-2) != height || mask.size(-1) != run.latent.back()) {
    mask = tensor::resample(mask, run.latent.back(), height, "bilinear", tensor::Crop::center);
  }
  return spread_over_batch(mask.round(), run.latent[0]);
}

/// What the encoder makes of a grey picture: stands for "nothing to keep".
Tensor blank_latent(const Shape& shape) {
  constexpr std::array<float, 4> kGrey{0.8223F, -0.6876F, 0.6364F, 0.1380F};
  Tensor blank = at::ones(shape, at::kFloat);
  for (std::size_t c = 0; c < kGrey.size(); ++c)
    blank.select(1, static_cast<std::int64_t>(c)).fill_(kGrey[c]);
  return blank;
}

Tensor inpaint_channels(const models::Model& model, const Entry& entry, const RunShape& run) {
  const Tensor mask = entry.concat_mask.defined() ? entry.concat_mask : run.denoise_mask;
  if (!mask.defined()) {
    Shape one_channel = run.latent;
    one_channel[1] = 1;
    return at::cat({at::ones(one_channel, at::kFloat), blank_latent(run.latent)}, 1);
  }
  const Tensor kept = entry.concat_latent_image.defined()
                          ? model.latent_format().process_in(entry.concat_latent_image)
                          : run.latent_image;
  return at::cat({fitted_mask(mask, run), fitted(kept, run)}, 1);
}

Tensor concat_of(const models::Model& model, const Entry& entry, const RunShape& run) {
  const auto kind_of = model.architecture().concat;
  switch (kind_of ? kind_of(model.weights()) : ConcatConditioning::none) {
    case ConcatConditioning::none:
      return {};
    case ConcatConditioning::inpaint:
      return inpaint_channels(model, entry, run);
    case ConcatConditioning::image:
      break;
  }
  if (!entry.concat_latent_image.defined()) return at::zeros(run.latent, at::kFloat);
  return fitted(entry.concat_latent_image, run);
}

}  // namespace

ModelInputs model_inputs(const models::Model& model, const Entry& entry, Side side,
                         const RunShape& run) {
  return {.context = entry.cond,
          .y = vector_of(model.architecture().vector, entry, side, run),
          .concat = concat_of(model, entry, run)};
}

}  // namespace comfy::conditioning
