// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::checkpoint {

class PatchSet;  // patch.h: LoRA deltas and weight edits by tensor name, immutable, with a content
                 // key
class TensorSource;  // where the bytes are: a mapped file, several files joined, a dictionary in a
                     // test

/// In which form layers get their weights.
struct Precision {
  /// Rounded to this type first (ComfyUI keeps text encoders in float16); nothing = as in the file.
  std::optional<DType> storage = {};
  /// The type layers compute in.
  DType compute = DType::Float;

  bool operator==(const Precision&) const = default;
};

/// A view into a checkpoint at some scope. `w / "to_q"` descends; `w["weight"]` reads a tensor,
/// patched and in the precision asked for, and marks its name as used.
///
/// Views are cheap values that share the source. Tensors of the file's own dtype point into the
/// map; others are converted once and shared while anybody holds them: two models that differ in
/// one LoRA share every tensor which that LoRA leaves alone.
class Weights {
 public:
  explicit Weights(std::shared_ptr<const TensorSource> source);

  Weights operator/(std::string_view scope) const;
  Weights operator/(std::int64_t index) const;
  /// The same tensors with other patches or precision. Patch names are full names of the file.
  Weights with(Precision precision) const;
  Weights with(std::shared_ptr<const PatchSet> patches) const;

  /// Throws Error(invalid_input) naming the full path when there is no such tensor.
  Tensor operator[](std::string_view name) const;
  /// An empty tensor when there is none.
  Tensor get(std::string_view name) const;
  bool has(std::string_view name) const;
  /// True when any tensor lies under this scope (a whole path component).
  bool has_scope(std::string_view scope) const;
  Shape shape(std::string_view name) const;
  std::int64_t dim(std::string_view name, std::size_t axis) const;
  /// The dtype in the file.
  DType dtype(std::string_view name) const;
  /// Number of consecutive children "scope.0", "scope.1", ...
  std::int64_t count(std::string_view scope) const;
  /// Names below this scope, relative to it, in the order of the file.
  std::vector<std::string> names() const;
  /// Full names below this scope that nobody has read.
  std::vector<std::string> unused() const;
  /// The scope itself: "" at the top, "model.diffusion_model" without a trailing dot.
  const std::string& scope() const;
  /// What the file calls the tensor of that name below this scope, whether there is one or not.
  std::string full_name(std::string_view name) const;
  /// The caller has made its own form of that tensor (packed, say): pages of the file may go.
  void release(std::string_view name) const;
  /// Patches that did not fit their tensor and were left out so far, in words. ComfyUI goes on
  /// without them too; whoever builds a network shows them as warnings.
  std::vector<std::string> misfits() const;
  /// What the file says about itself (safetensors __metadata__); empty when there is no such key.
  std::string metadata(std::string_view key) const;
  const Precision& precision() const;
  const std::shared_ptr<const TensorSource>& source() const;
  /// Empty when there are none.
  const std::shared_ptr<const PatchSet>& patches() const;
  /// Equal for two views exactly when they give the same numbers: source, scope, precision,
  /// patches.
  std::string key() const;

 private:
  struct State;
  explicit Weights(std::shared_ptr<const State> state, std::string scope);
  std::shared_ptr<const State> state_;
  std::string scope_;
};

}  // namespace comfy::checkpoint
