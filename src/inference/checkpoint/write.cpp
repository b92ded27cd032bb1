// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/fail_point.h"
#include "foundation/base/file_descriptor.h"
#include "foundation/formats/safetensors.h"
#include "inference/checkpoint/elements.h"
#include "inference/checkpoint/safetensors_bytes.h"
#include "inference/checkpoint/source.h"
#include "inference/tensor/ops.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

namespace comfy::checkpoint {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path) {
  throw Error(Error::Kind::unavailable, fmt::format("the file \"{}\" could not be written: {}",
                                                    path.string(), std::strerror(errno)));
}

// A file beside the final one that disappears unless it is kept.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& target)
      : target_{target}, name_{target.string() + ".XXXXXX"} {
    file_.reset(mkostemp(name_.data(), O_CLOEXEC));
    if (!file_) refuse(target_);
  }
  ~TemporaryFile() {
    if (!name_.empty()) unlink(name_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(const void* data, std::size_t size) {
    const char* at = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t written = ::write(file_.get(), at, size);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) refuse(target_);
      at += written;
      size -= static_cast<std::size_t>(written);
    }
  }

  // On disk under its final name, or not at all.
  void keep() {
    constexpr mode_t kUsualMode = 0644;
    if (fchmod(file_.get(), kUsualMode) != 0 || fsync(file_.get()) != 0) refuse(target_);
    fail_point("model_file_before_rename");
    if (rename(name_.c_str(), target_.c_str()) != 0) refuse(target_);
    name_.clear();
    const auto parent =
        target_.has_parent_path() ? target_.parent_path() : std::filesystem::path{"."};
    const FileDescriptor folder{open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (folder) fsync(folder.get());
  }

 private:
  std::filesystem::path target_;
  std::string name_;
  FileDescriptor file_;
};

formats::ElementType element(const std::string& name, const Tensor& tensor) {
  const auto type = element_of(tensor.scalar_type());
  if (type) return *type;
  throw Error(Error::Kind::unsupported,
              fmt::format("unsupported: tensor \"{}\" of type {} in a safetensors file", name,
                          c10::toString(tensor.scalar_type())));
}

struct Packed {
  std::string front;  ///< length and header
  NamedTensors tensors;
};

Packed packed(NamedTensors tensors, const Metadata& metadata) {
  // Large types first, then by name, as the format's own library does: all data lies aligned.
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    const auto type_a = element(a.first, a.second), type_b = element(b.first, b.second);
    return type_a != type_b ? type_a > type_b : a.first < b.first;
  });
  formats::TensorTable table{.tensors = {}, .metadata = metadata};
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    table.tensors.push_back({.name = name,
                             .type = element(name, tensor),
                             .shape = tensor.sizes().vec(),
                             .offset = offset,
                             .bytes = tensor.nbytes()});
    offset += tensor.nbytes();
  }
  return {formats::safetensors_front(table), std::move(tensors)};
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const Metadata& metadata) {
  const Packed contents = packed(tensors, metadata);
  TemporaryFile file{path};
  file.write(contents.front.data(), contents.front.size());
  for (const auto& [name, tensor] : contents.tensors) {
    const Tensor plain = tensor.cpu().contiguous();
    file.write(plain.const_data_ptr(), plain.nbytes());
  }
  file.keep();
}

std::string safetensors_bytes(const NamedTensors& tensors, const Metadata& metadata) {
  const Packed contents = packed(tensors, metadata);
  std::string file = contents.front;
  for (const auto& [name, tensor] : contents.tensors) {
    const Tensor plain = tensor.cpu().contiguous();
    if (plain.nbytes() > 0)
      file.append(static_cast<const char*>(plain.const_data_ptr()), plain.nbytes());
  }
  return file;
}

LoadedTensors tensors_of_safetensors(std::string_view file) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span{file});
  const formats::TensorTable table = formats::read_safetensors(bytes);
  LoadedTensors loaded{.tensors = {}, .metadata = table.metadata};
  for (const formats::TensorEntry& entry : table.tensors) {
    const auto dtype = dtype_of(entry.type);
    if (!dtype)
      throw Error(Error::Kind::unsupported,
                  fmt::format("unsupported: tensor \"{}\" of type {}", entry.name,
                              formats::element_name(entry.type)));
    const Tensor tensor = at::empty(entry.shape, at::TensorOptions{}.dtype(*dtype));
    if (entry.bytes > 0)
      std::memcpy(tensor.mutable_data_ptr(), bytes.data() + entry.offset, entry.bytes);
    loaded.tensors.emplace_back(entry.name, tensor);
  }
  return loaded;
}

}  // namespace comfy::checkpoint
