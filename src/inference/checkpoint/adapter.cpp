// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/adapter.h"

#include "foundation/base/error.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <limits>

namespace comfy::checkpoint {
namespace {

Tensor f32(const Tensor& tensor) { return tensor.to(at::kFloat); }

// Matrices of convolution kernels: everything behind the first dimension in one.
Tensor flat(const Tensor& tensor) { return f32(tensor).flatten(1); }

[[noreturn]] void misfit(std::string_view expected, const Tensor& found) {
  throw Error(Error::Kind::invalid_input, fmt::format("expected a change of shape [{}], found [{}]",
                                                      expected, fmt::join(found.sizes(), ", ")));
}

Tensor shaped_like(const Tensor& delta, const Tensor& weight) {
  if (delta.numel() != weight.numel())
    misfit(fmt::format("{}", fmt::join(weight.sizes(), ", ")), delta);
  return delta.reshape(weight.sizes());
}

double scale_of(const std::optional<double>& alpha, std::int64_t rank) {
  return alpha ? *alpha / static_cast<double>(rank) : 1.0;
}

// W as the top corner of a larger tensor of zeros.
Tensor padded(const Tensor& weight, at::IntArrayRef shape) {
  if (shape == weight.sizes()) return weight;
  if (static_cast<std::int64_t>(shape.size()) != weight.dim())
    misfit(fmt::format("{} dimensions", weight.dim()), weight);
  const Tensor larger = at::zeros(shape, weight.options());
  Tensor corner = larger;
  for (std::int64_t i = 0; i < weight.dim(); ++i) corner = corner.narrow(i, 0, weight.size(i));
  corner.copy_(weight);
  return larger;
}

// DoRA (Liu et al. 2024, arXiv:2402.09353): direction and length of W are learned apart. The length
// is taken of W's rows, or of the changed W's columns, as the shape of `scale` says.
Tensor decomposed(const Tensor& weight, const Tensor& delta, const Tensor& dora_scale,
                  double strength) {
  const Tensor scale = f32(dora_scale);
  const Tensor target = weight + delta;
  const bool by_row = scale.size(0) == weight.size(0);
  const Tensor vectors = by_row ? weight.flatten(1) : target.transpose(0, 1).flatten(1);
  Shape per_vector(static_cast<std::size_t>(weight.dim()), 1);
  per_vector[0] = vectors.size(0);
  Tensor length = vectors.norm(2, {1}, /*keepdim=*/true).reshape(per_vector);
  if (!by_row) length = length.transpose(0, 1);
  const Tensor changed = target * (scale / (length + std::numeric_limits<float>::epsilon()));
  if (strength == 1.0) return changed;
  return weight + (changed - weight) * strength;
}

Tensor added(const Tensor& weight, const Tensor& delta, double scale, const Tensor& dora_scale,
             double strength) {
  const Tensor shaped = shaped_like(delta, weight);
  if (dora_scale.defined()) return decomposed(weight, shaped * scale, dora_scale, strength);
  return weight + shaped * (strength * scale);
}

// Tucker form: the kernel's corners are mixed by `core`. core: [r, s, kh, kw], in: [s, I], out: [r,
// O].
Tensor tucker(const Tensor& core, const Tensor& in, const Tensor& out) {
  return at::einsum("rskl,si,ro->oikl", {f32(core), f32(in), f32(out)});
}

Tensor applied(const LowRank& a, const Tensor& original, double strength) {
  const Tensor weight = a.reshape.empty() ? original : padded(original, a.reshape);
  Tensor down = f32(a.down);
  if (a.mid.defined()) down = at::einsum("rskl,si->rikl", {f32(a.mid), down.flatten(1)});
  const Tensor delta = at::mm(flat(a.up), down.flatten(1));
  return added(weight, delta, scale_of(a.alpha, a.down.size(0)), a.dora_scale, strength);
}

Tensor applied(const Hadamard& a, const Tensor& weight, double strength) {
  const bool is_tucker = a.t1.defined() && a.t2.defined();
  const Tensor first = is_tucker ? tucker(a.t1, a.w1b, a.w1a) : at::mm(f32(a.w1a), f32(a.w1b));
  const Tensor second = is_tucker ? tucker(a.t2, a.w2b, a.w2a) : at::mm(f32(a.w2a), f32(a.w2b));
  return added(weight, first * second, scale_of(a.alpha, a.w1b.size(0)), a.dora_scale, strength);
}

Tensor applied(const Kronecker& a, const Tensor& weight, double strength) {
  std::optional<std::int64_t> rank;
  Tensor first = a.w1, second = a.w2;
  if (!first.defined()) {
    rank = a.w1b.size(0);
    first = at::mm(f32(a.w1a), f32(a.w1b));
  }
  if (!second.defined()) {
    rank = a.w2b.size(0);
    second = a.t2.defined() ? tucker(a.t2, a.w2b, a.w2a) : at::mm(f32(a.w2a), f32(a.w2b));
  }
  if (second.dim() == 4) first = first.unsqueeze(2).unsqueeze(2);
  const double scale = rank ? scale_of(a.alpha, *rank) : 1.0;
  return added(weight, at::kron(f32(first), f32(second)), scale, a.dora_scale, strength);
}

// Which of the two orientations the ranks allow; square matrices allow both, then the old one
// counts only if the rows say so.
bool is_old_orientation(const Glora& a, const Tensor& weight) {
  const bool old_fits =
      a.b2.size(1) == a.b1.size(0) && a.b1.size(0) == a.a1.size(0) && a.a1.size(0) == a.a2.size(1);
  const bool new_fits =
      a.b2.size(0) == a.b1.size(1) && a.b1.size(1) == a.a1.size(1) && a.a1.size(1) == a.a2.size(0);
  if (!new_fits) return old_fits;
  return old_fits && a.a2.size(0) == weight.size(0) && weight.size(0) == weight.size(1);
}

Tensor applied(const Glora& a, const Tensor& weight, double strength) {
  const Tensor a1 = flat(a.a1), a2 = flat(a.a2), b1 = flat(a.b1), b2 = flat(a.b2);
  if (is_old_orientation(a, weight)) {
    const Tensor delta = at::mm(b2, b1) + at::mm(at::mm(weight.flatten(1), a2), a1);
    return added(weight, delta, scale_of(a.alpha, a.a1.size(0)), a.dora_scale, strength);
  }
  const Tensor both = at::mm(a1, a2);  // [I, I]
  const Tensor inputs = at::einsum("oi...,ij->oj...", {weight, both});
  const Tensor delta = inputs + shaped_like(at::mm(b1, b2), weight);
  return added(weight, delta, scale_of(a.alpha, a.a2.size(0)), a.dora_scale, strength);
}

template <class AnyRotation>
Tensor applied_rotation(const AnyRotation& a, const Tensor& weight, double strength) {
  const Tensor delta = rotation_delta(a, weight, strength);
  // The strength is in the delta already; ComfyUI applies it here once more.
  return added(weight, delta, 1.0, a.dora_scale, strength);
}

Tensor applied(const Rotation& a, const Tensor& weight, double strength) {
  return applied_rotation(a, weight, strength);
}

Tensor applied(const Butterfly& a, const Tensor& weight, double strength) {
  return applied_rotation(a, weight, strength);
}

Tensor applied(const Difference& a, const Tensor& original, double strength) {
  if (strength == 0.0) return original;
  const Tensor weight = a.pad ? padded(original, a.value.sizes()) : original;
  if (a.value.sizes() != weight.sizes())
    misfit(fmt::format("{}", fmt::join(weight.sizes(), ", ")), a.value);
  return weight + f32(a.value) * strength;
}

Tensor applied(const Replacement& a, const Tensor& weight, double) {
  if (a.value.sizes() != weight.sizes())
    misfit(fmt::format("{}", fmt::join(weight.sizes(), ", ")), a.value);
  return f32(a.value);
}

Tensor applied(const Toward& a, const Tensor& weight, double strength) {
  if (a.value.sizes() != weight.sizes())
    misfit(fmt::format("{}", fmt::join(weight.sizes(), ", ")), a.value);
  return weight + (f32(a.value) - weight) * strength;
}

}  // namespace

Tensor apply_adapter(const Adapter& adapter, const Tensor& weight, double strength) {
  try {
    return std::visit([&](const auto& a) { return applied(a, weight, strength); }, adapter);
  } catch (const c10::Error& error) {
    throw Error(Error::Kind::invalid_input,
                fmt::format("the change does not fit a tensor of shape [{}]",
                            fmt::join(weight.sizes(), ", ")),
                error.what_without_backtrace());
  }
}

}  // namespace comfy::checkpoint
