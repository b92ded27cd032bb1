// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/formats/mapped_file.h"
#include "foundation/formats/model_file.h"
#include "inference/checkpoint/elements.h"
#include "inference/checkpoint/source.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <cstring>

namespace comfy::checkpoint {
namespace {

using formats::MappedFile;
using formats::TensorEntry;

std::vector<TensorInfo> infos(const formats::TensorTable& table, std::string_view file) {
  std::vector<TensorInfo> result;
  for (const TensorEntry& entry : table.tensors) {
    const auto dtype = dtype_of(entry.type);
    if (!dtype) {
      throw Error(Error::Kind::unsupported,
                  fmt::format("\"{}\": unsupported: tensor \"{}\" of type {}", file, entry.name,
                              formats::element_name(entry.type)));
    }
    result.push_back({entry.name, *dtype, entry.shape});
  }
  return result;
}

// Tensors keep the map alive; what lies unaligned in the file is copied.
class FileSource final : public TensorSource {
 public:
  FileSource(std::shared_ptr<const MappedFile> file, formats::TensorTable table)
      : TensorSource{infos(table, file->name()), std::move(table.metadata),
                     "file:" + file->identity()},
        file_{std::move(file)},
        entries_{std::move(table.tensors)} {}

  Tensor read(std::size_t index) const override {
    const TensorEntry& entry = entries_[index];
    const auto options = at::TensorOptions{}.dtype(tensors()[index].dtype);
    if (entry.bytes == 0) return at::empty(entry.shape, options);
    file_->check_unchanged();
    const std::byte* data = bytes(entry).data();
    const std::size_t width = formats::element_bits(entry.type) / 8;
    if (reinterpret_cast<std::uintptr_t>(data) % width != 0) return aligned_copy(entry, options);
    void* address = const_cast<std::byte*>(data);
    const auto keep_map = [file = file_](void*) {};
    if (entry.strides.empty()) return at::from_blob(address, entry.shape, keep_map, options);
    return at::from_blob(address, entry.shape, entry.strides, keep_map, options);
  }

  void release(std::size_t index) const override { file_->done_with(bytes(entries_[index])); }

 private:
  std::span<const std::byte> bytes(const TensorEntry& entry) const {
    return file_->bytes().subspan(entry.offset, entry.bytes);
  }

  Tensor aligned_copy(const TensorEntry& entry, const at::TensorOptions& options) const {
    const auto count =
        static_cast<std::int64_t>(entry.bytes / (formats::element_bits(entry.type) / 8));
    const Tensor copy = at::empty({count}, options);
    std::memcpy(copy.mutable_data_ptr(), bytes(entry).data(), entry.bytes);
    if (entry.strides.empty()) return copy.view(entry.shape);
    return copy.as_strided(entry.shape, entry.strides);
  }

  std::shared_ptr<const MappedFile> file_;
  std::vector<TensorEntry> entries_;
};

}  // namespace

SourcePtr open_source(const std::filesystem::path& path, formats::PickleFiles pickles) {
  auto file = MappedFile::open(path);
  formats::TensorTable table = formats::read_model_file(file->bytes(), file->name(), pickles);
  return std::make_shared<FileSource>(std::move(file), std::move(table));
}

}  // namespace comfy::checkpoint
