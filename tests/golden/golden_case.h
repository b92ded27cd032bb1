// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"
#include "inference/tensor/tensor.h"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::golden {

/// The folder of recorded reference data: $COMFY_SHARED, else ../shared beside the repository, else
/// nothing. A test without it calls GTEST_SKIP() << golden::kNoRecordedData.
std::optional<std::filesystem::path> shared_folder();
inline constexpr const char* kNoRecordedData =
    "no recorded data: set COMFY_SHARED to its folder, or put it at ../shared";

/// One recorded case: `<area>/<case>.safetensors` with its description and tensors.
class Case {
 public:
  /// Throws Error(not_found) or Error(invalid_input) when the file is missing or malformed.
  static Case load(const std::filesystem::path& file);

  /// The JSON of the header's `case` entry (null when the file has none).
  const Json& info() const { return info_; }
  const std::filesystem::path& file() const { return file_; }
  /// Throws Error(not_found) naming the file when it has no such tensor.
  Tensor operator[](std::string_view name) const;
  /// An empty tensor when there is none.
  Tensor get(std::string_view name) const;
  bool has(std::string_view name) const { return tensors_.contains(name); }
  /// All tensor names, sorted; with a prefix only those that begin so.
  std::vector<std::string> names(std::string_view prefix = {}) const;
  /// The file that info()["weights"] names (relative to the golden folder).
  std::filesystem::path weights_file() const;
  std::string weights_prefix() const { return info_.string_or("weights_prefix", ""); }

 private:
  std::filesystem::path file_;
  Json info_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

/// How far a result lies from what was recorded.
struct Comparison {
  bool agrees = false;
  double worst = 0;          ///< max |actual - expected| / max |expected|
  std::string message = {};  ///< empty when they agree
  explicit operator bool() const { return agrees; }
};

/// Compares shapes and numbers; `tolerance` is relative to max |expected|. NaN agrees with NaN, an
/// infinity with the same infinity. Any floating or integer types.
Comparison compare(const Tensor& expected, const Tensor& actual, double tolerance);

}  // namespace comfy::golden
