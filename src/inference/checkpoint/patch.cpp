// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/patch.h"

#include "foundation/base/error.h"
#include "foundation/base/hash.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <algorithm>

namespace comfy::checkpoint {
namespace {

// Floats as hexadecimal digits: no two different strengths look alike.
std::string patch_key(const Patch& patch) {
  const TensorPart part = patch.part.value_or(TensorPart{-1, 0, 0});
  return fmt::format("{};{};{};{};{:a};{:a}", patch.adapter_key, part.dim, part.start, part.length,
                     patch.strength, patch.strength_model);
}

std::string chained(std::string_view key, std::string_view next) {
  Sha256 hash;
  hash.add(key).add("\n").add(next);
  return to_hex(hash.finish());
}

Tensor with_part(const Tensor& whole, const TensorPart& part, const Patch& patch) {
  const std::int64_t dim = part.dim;
  if (dim < 0 || dim >= whole.dim() || part.start < 0 || part.length < 0 ||
      part.start > whole.size(dim) - part.length) {
    throw Error(
        Error::Kind::invalid_input,
        fmt::format(
            "expected a part of a tensor of shape [{}], found {} rows from {} along dimension {}",
            fmt::join(whole.sizes(), ", "), part.length, part.start, dim));
  }
  Tensor result = whole.clone();
  const Tensor view = result.narrow(dim, part.start, part.length);
  const Tensor scaled = patch.strength_model == 1.0 ? view.clone() : view * patch.strength_model;
  view.copy_(apply_adapter(*patch.adapter, scaled, patch.strength));
  return result;
}

Tensor with_patch(const Tensor& weight, const Patch& patch) {
  if (patch.part) return with_part(weight, *patch.part, patch);
  const Tensor scaled = patch.strength_model == 1.0 ? weight : weight * patch.strength_model;
  return apply_adapter(*patch.adapter, scaled, patch.strength);
}

}  // namespace

PatchSet::PatchSet(const std::shared_ptr<const PatchSet>& base, std::vector<Patch> patches) {
  if (base) {
    changes_ = base->changes_;
    key_ = base->key_;
  }
  for (Patch& patch : patches) {
    const std::string key = patch_key(patch);
    Changes& changes = changes_[patch.tensor];
    changes.key = chained(changes.key, key);
    key_ = chained(key_, fmt::format("{};{}", patch.tensor, key));
    changes.patches.push_back(std::move(patch));
  }
}

const std::vector<Patch>* PatchSet::find(std::string_view tensor) const {
  const auto found = changes_.find(std::string{tensor});
  return found == changes_.end() ? nullptr : &found->second.patches;
}

std::string_view PatchSet::key(std::string_view tensor) const {
  const auto found = changes_.find(std::string{tensor});
  return found == changes_.end() ? std::string_view{} : std::string_view{found->second.key};
}

std::vector<std::string> PatchSet::tensors() const {
  std::vector<std::string> names;
  for (const auto& [name, changes] : changes_) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

Patched apply_patches(const Tensor& weight, const std::vector<Patch>& patches) {
  Patched result{.tensor = weight.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true),
                 .misfits = {}};
  for (const Patch& patch : patches) {
    try {
      result.tensor = with_patch(result.tensor, patch);
    } catch (const Error& error) {
      result.misfits.push_back(fmt::format("{}: {}", patch.adapter_key, error.message));
    }
  }
  return result;
}

}  // namespace comfy::checkpoint
