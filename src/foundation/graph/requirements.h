// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"
#include "foundation/graph/catalogue.h"

#include <string>
#include <vector>

namespace comfy::graph {

/// What a program must have to run a prompt. Sorted, without repetitions.
struct Requirements {
  std::vector<std::string> classes = {};  ///< ids of node classes
  /// Model files, one of each list: the same name in the folders that the input reads, such as
  /// "checkpoints/sub/a.safetensors".
  std::vector<std::vector<std::string>> models = {};

  bool empty() const { return classes.empty() && models.empty(); }
  auto operator<=>(const Requirements&) const = default;
};

/// What the nodes need on which `outputs` depend. Files are those chosen in menus of model folders;
/// a class that the catalogue does not have has no such menus.
Requirements requirements_of(const Json& prompt, const std::vector<std::string>& outputs,
                             const Catalogue& catalogue);

}  // namespace comfy::graph
