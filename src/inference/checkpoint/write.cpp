// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/fail_point.h"
#include "foundation/base/file_descriptor.h"
#include "foundation/formats/safetensors.h"
#include "inference/checkpoint/elements.h"
#include "inference/checkpoint/source.h"
#include "inference/tensor/ops.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

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

}  // namespace

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const Metadata& metadata) {
  // Large types first, then by name, as the format's own library does: all data lies aligned.
  NamedTensors in_order = tensors;
  std::sort(in_order.begin(), in_order.end(), [](const auto& a, const auto& b) {
    const auto type_a = element(a.first, a.second), type_b = element(b.first, b.second);
    return type_a != type_b ? type_a > type_b : a.first < b.first;
  });
  formats::TensorTable table{.tensors = {}, .metadata = metadata};
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : in_order) {
    table.tensors.push_back({.name = name,
                             .type = element(name, tensor),
                             .shape = tensor.sizes().vec(),
                             .offset = offset,
                             .bytes = tensor.nbytes()});
    offset += tensor.nbytes();
  }
  TemporaryFile file{path};
  const std::string front = formats::safetensors_front(table);
  file.write(front.data(), front.size());
  for (const auto& [name, tensor] : in_order) {
    const Tensor plain = tensor.cpu().contiguous();
    file.write(plain.const_data_ptr(), plain.nbytes());
  }
  file.keep();
}

}  // namespace comfy::checkpoint
