// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/adapter.h"
#include "inference/tensor/tensor.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace comfy::checkpoint {

/// A run of indices along one dimension: a patch for one part of a fused matrix.
struct TensorPart {
  std::int64_t dim = 0, start = 0, length = 0;
  bool operator==(const TensorPart&) const = default;
};

/// One change of one tensor: W becomes strength_model * W, then the adapter's change is added with
/// strength.
struct Patch {
  std::string tensor = {};  ///< full name
  std::optional<TensorPart> part = {};
  std::shared_ptr<const Adapter> adapter = {};
  /// What the adapter is, so that caches can tell two apart: the file's identity and the name in
  /// it.
  std::string adapter_key = {};
  double strength = 1.0;
  double strength_model = 1.0;
};

/// An immutable list of patches by tensor name. Its key tells its content: equal keys, equal
/// patches.
class PatchSet {
 public:
  /// `base` (which may be empty) and after it these.
  PatchSet(const std::shared_ptr<const PatchSet>& base, std::vector<Patch> patches);

  /// Changes of this tensor in the order of their addition; nothing when there are none.
  const std::vector<Patch>* find(std::string_view tensor) const;
  /// The key of one tensor's changes; "" when there are none.
  std::string_view key(std::string_view tensor) const;
  const std::string& key() const { return key_; }
  std::vector<std::string> tensors() const;

 private:
  struct Changes {
    std::vector<Patch> patches;
    std::string key;
  };
  std::unordered_map<std::string, Changes> changes_;
  std::string key_;
};

struct Patched {
  Tensor tensor;
  std::vector<std::string> misfits;  ///< patches that did not fit and were left out, in words
};

/// The patched tensor. weight: any floating type; computes in float32 and returns float32, sharing
/// nothing with `weight`. Patches of another shape are left out, as ComfyUI does.
Patched apply_patches(const Tensor& weight, const std::vector<Patch>& patches);

}  // namespace comfy::checkpoint
