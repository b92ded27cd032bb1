// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/source.h"
#include "inference/tensor/ops.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

// Where this layer's tests find recorded data and put files.
namespace comfy::checkpoint {

/// The first of these that is there: the recorded data folder's file, the repository's copy; else
/// an empty path.
inline std::filesystem::path recorded(const std::string& in_shared,
                                      const std::string& in_repository = {}) {
  const char* shared = std::getenv("COMFY_SHARED");
  const std::filesystem::path full =
      std::filesystem::path{shared ? shared : "../shared"} / in_shared;
  if (std::filesystem::exists(full)) return full;
  if (!in_repository.empty() && std::filesystem::exists(in_repository)) return in_repository;
  return {};
}

/// A folder of its own that disappears with it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "comfy_test_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Largest difference over largest expected value.
inline double relative_difference(const Tensor& found, const Tensor& expected) {
  const double size = std::max(expected.to(at::kDouble).abs().max().item<double>(), 1e-30);
  return (found.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>() / size;
}

}  // namespace comfy::checkpoint
