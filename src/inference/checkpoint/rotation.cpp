// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "inference/checkpoint/adapter.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

namespace comfy::checkpoint {
namespace {

// Rotations R = (1 + Q)(1 - Q)^-1 from the skew part of the blocks (Cayley), Q held within `limit`
// when that is positive. blocks: [..., b, b].
Tensor rotations(const Tensor& blocks, double limit) {
  const Tensor stored = blocks.to(at::kFloat);
  Tensor skew = stored - stored.transpose(-1, -2);
  if (limit > 0) {
    constexpr double kNotZero = 1e-8;
    const Tensor size = skew.norm() + kNotZero;
    if (size.item<double>() > limit) skew = skew * limit / size;
  }
  const Tensor one = at::eye(stored.size(-1));
  return at::matmul(one + skew, at::inverse(one - skew));
}

void check_rows(const Tensor& weight, std::int64_t rows) {
  if (weight.dim() > 0 && weight.size(0) == rows) return;
  throw Error(Error::Kind::invalid_input,
              fmt::format("expected a rotation of {} rows, found one of {}",
                          weight.dim() > 0 ? weight.size(0) : 0, rows));
}

}  // namespace

Tensor rotation_delta(const Rotation& adapter, const Tensor& weight, double strength) {
  const std::int64_t blocks = adapter.blocks.size(0), width = adapter.blocks.size(1);
  check_rows(weight, blocks * width);
  const Tensor turn = rotations(adapter.blocks, adapter.alpha.value_or(0));  // [n, b, b]
  const Tensor change = turn * strength - at::eye(width) * strength;
  const Tensor rows = weight.flatten(1).view({blocks, width, -1});
  // Each block mixes its own rows, columns of the rotation against them.
  return at::einsum("knm,kni->kmi", {change, rows}).reshape(weight.sizes());
}

Tensor rotation_delta(const Butterfly& adapter, const Tensor& weight, double strength) {
  const std::int64_t steps = adapter.blocks.size(0), blocks = adapter.blocks.size(1),
                     width = adapter.blocks.size(2);
  check_rows(weight, blocks * width);
  const Tensor turn = rotations(adapter.blocks, adapter.alpha.value_or(0));  // [m, n, b, b]
  constexpr std::int64_t kGroup = 2;
  Tensor rows = weight.flatten(1);  // [R, I]
  const std::int64_t columns = rows.size(1);
  for (std::int64_t step = 0; step < steps; ++step) {
    Tensor blend = turn[step];
    if (strength != 1.0) blend = blend * strength + at::eye(width) * (1.0 - strength);
    const std::int64_t stride = (std::int64_t{1} << step) * (width / kGroup);
    if (stride == 0 || rows.size(0) % (kGroup * stride) != 0) check_rows(weight, kGroup * stride);
    // Rows that lie `stride` apart come together, are turned, and go back.
    rows =
        rows.view({-1, kGroup, stride, columns}).transpose(1, 2).reshape({blocks, width, columns});
    rows = at::einsum("bij,bjc->bic", {blend, rows});
    rows = rows.reshape({-1, stride, kGroup, columns})
               .transpose(1, 2)
               .reshape({blocks * width, columns});
  }
  Tensor result = rows.view(weight.sizes());
  if (adapter.rescale.defined()) result = result * adapter.rescale.to(at::kFloat);
  return result - weight;
}

}  // namespace comfy::checkpoint
