// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "worker/nodes/audio/audio.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace comfy::nodes {

Tensor resampled(const Tensor& waveform, std::int64_t from, std::int64_t to) {
  if (from == to) return waveform;
  constexpr double kZeros = 6;  // of the sinc on each side
  constexpr double kRolloff = 0.99;
  const std::int64_t common = std::gcd(from, to);
  const std::int64_t in = from / common, out = to / common;
  const double cutoff = static_cast<double>(std::min(in, out)) * kRolloff;
  const auto reach =
      static_cast<std::int64_t>(std::ceil(kZeros * static_cast<double>(in) / cutoff));
  // One kernel for each place that a sample of the result has between samples of the source.
  const Tensor at_sample =
      at::arange(-reach, reach + in, at::kDouble).unsqueeze(0) / static_cast<double>(in);
  const Tensor phase = at::arange(0, -out, -1, at::kDouble).unsqueeze(1) / static_cast<double>(out);
  Tensor t = ((phase + at_sample) * cutoff).clamp(-kZeros, kZeros);
  const Tensor window = (t * (std::numbers::pi / kZeros / 2)).cos().pow(2);
  t = t * std::numbers::pi;
  const Tensor sinc = at::where(t == 0, at::ones_like(t), t.sin() / t);
  const Tensor kernels =
      (sinc * window * (cutoff / static_cast<double>(in))).to(at::kFloat).unsqueeze(1);
  const std::int64_t length = waveform.size(-1);
  const Tensor padded = at::constant_pad_nd(waveform.reshape({-1, 1, length}), {reach, reach + in});
  const Tensor filtered = at::conv1d(padded, kernels, {}, in).transpose(1, 2).flatten(1);
  const std::int64_t wanted = (out * length + in - 1) / in;
  Shape shape = waveform.sizes().vec();
  shape.back() = wanted;
  return filtered.narrow(1, 0, wanted).reshape(shape);
}

}  // namespace comfy::nodes
