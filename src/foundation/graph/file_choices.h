// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/graph/definition.h"

#include <functional>
#include <string>
#include <vector>

namespace comfy::graph {

/// What the layer that knows the folders tells about files. A function that is not set answers
/// "nothing there", save `input_exists`, without which input files are not checked.
struct FileChoices {
  /// Names under a model folder ("checkpoints"), as shown to users.
  std::function<std::vector<std::string>(const std::string& folder)> models = {};
  /// Files of the input folder of that kind (see FileMark).
  std::function<std::vector<std::string>(const std::string& kind)> inputs = {};
  /// Whether a name such as "a.png" or "sub/a.png [output]" leads to a file.
  std::function<bool(const std::string& annotated_name)> input_exists = {};
};

/// The choices of a combo right now: fixed ones, or what its file mark stands for.
Json::Array current_choices(const InputDefinition& input, const FileChoices& files);

}  // namespace comfy::graph
