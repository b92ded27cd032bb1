// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/formats/model_file.h"
#include "inference/tensor/tensor.h"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace comfy::checkpoint {

struct TensorInfo {
  std::string name;
  DType dtype;
  Shape shape;
};

using Metadata = std::map<std::string, std::string, std::less<>>;
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// Where the bytes of a checkpoint are: a list of names, and each tensor on demand. Immutable;
/// several threads may read.
class TensorSource {
 public:
  virtual ~TensorSource() = default;

  /// In the order of the file.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  std::optional<std::size_t> find(std::string_view name) const;
  /// Indices of the tensors whose name begins so, in the order of the file.
  std::vector<std::size_t> with_prefix(std::string_view prefix) const;
  bool has_prefix(std::string_view prefix) const;
  /// In the type of the file. Points into the map where that is possible: never write to it.
  virtual Tensor read(std::size_t index) const = 0;
  /// Somebody has made a copy in another form: memory that only mirrors the file may go.
  virtual void release(std::size_t index) const;
  /// What the file says about itself (safetensors __metadata__, plain values of a pickle).
  const Metadata& metadata() const { return metadata_; }
  /// Differs when the content may differ; for files: device, inode, size and time of change.
  const std::string& identity() const { return identity_; }

 protected:
  TensorSource(std::vector<TensorInfo> tensors, Metadata metadata, std::string identity);

 private:
  std::vector<TensorInfo> tensors_;
  std::vector<std::size_t> by_name_;
  Metadata metadata_;
  std::string identity_;
};

using SourcePtr = std::shared_ptr<const TensorSource>;

/// Maps a model file (safetensors, torch's zip form and old stream) and reads its table.
/// Throws Error(not_found | invalid_input | unsupported).
SourcePtr open_source(const std::filesystem::path& path,
                      formats::PickleFiles pickles = formats::PickleFiles::read);

/// Tensors in memory under those names. Repeated names throw Error(invalid_input).
SourcePtr dictionary_source(NamedTensors tensors, Metadata metadata = {});

/// Several sources as one; where names repeat, the earlier source wins. Metadata likewise.
SourcePtr joined_source(std::vector<SourcePtr> sources);

/// The tensors whose name begins with `from`, under names that begin with `to` instead; others stay
/// as they are. renamed_source(s, "", "model.diffusion_model.") puts a bare network in its place.
SourcePtr renamed_source(SourcePtr source, std::string_view from, std::string_view to);

/// All tensors of a small file (embedding, hypernetwork), copied to memory, in the file's types.
struct LoadedTensors {
  NamedTensors tensors;
  Metadata metadata;
};
LoadedTensors load_tensors(const std::filesystem::path& path,
                           formats::PickleFiles pickles = formats::PickleFiles::read);

/// Writes a safetensors file: into a temporary file beside it, to disk, then renamed over `path`.
/// Throws Error(unavailable) with the operating system's reason when that fails.
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const Metadata& metadata = {});

}  // namespace comfy::checkpoint
