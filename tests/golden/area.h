// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "golden/golden_case.h"

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace comfy::golden {

enum class Verdict {
  passed,
  failed,
  not_yet  ///< needs a node, sampler or model that this build does not offer; never counted as
           ///< passed
};

/// What became of one recorded case.
struct Outcome {
  Verdict verdict = Verdict::passed;
  double worst = 0;     ///< largest relative difference seen
  std::string message;  ///< why it failed or what it waits for

  /// Takes a comparison in; the first disagreement is kept.
  void add(std::string_view what, const Comparison& comparison);
  static Outcome failed(std::string why) { return {Verdict::failed, 0, std::move(why)}; }
  static Outcome not_yet(std::string what) { return {Verdict::not_yet, 0, std::move(what)}; }
};

/// A folder of cases and the product's code that answers them.
struct Area {
  std::string_view name;
  /// Runs one file, `*.safetensors` or `*.json`. Nothing: the file is no case (weights, for
  /// instance).
  std::optional<Outcome> (*run)(const std::filesystem::path& file);
  /// Files named "weights_*" are cases here; elsewhere they are what cases read.
  bool weights_are_cases = false;
};

/// Every area that is delivered, at least in part. Folders not listed count as not yet, whole.
std::span<const Area> areas();

}  // namespace comfy::golden
