// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/ids.h"
#include "foundation/base/random.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace comfy::paths {

/// A folder of its own for a test, gone afterwards.
class Sandbox {
 public:
  Sandbox()
      : path_{std::filesystem::temp_directory_path() /
              ("comfy-test-" + random_hex(system_random(), 8))} {
    std::filesystem::create_directories(path_);
  }
  ~Sandbox() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view below) const { return path_ / below; }

  /// Writes a file, and the folders above it.
  void put(std::string_view below, std::string_view content) const {
    const auto file = path_ / below;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream{file, std::ios::binary} << content;
  }
  std::string get(std::string_view below) const {
    std::ifstream file{path_ / below, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
  }

 private:
  std::filesystem::path path_;
};

}  // namespace comfy::paths
