// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/file_choices.h"

#include <unordered_set>

namespace comfy::graph {

Json::Array current_choices(const InputDefinition& input, const FileChoices& files) {
  if (!input.files) return input.choices;
  Json::Array choices{input.files->first.begin(), input.files->first.end()};
  std::unordered_set<std::string> seen;
  const auto append = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names)
      if (seen.insert(name).second) choices.emplace_back(name);
  };
  if (files.models)
    for (const std::string& folder : input.files->model_folders) append(files.models(folder));
  if (files.inputs && !input.files->input_kind.empty())
    append(files.inputs(input.files->input_kind));
  choices.insert(choices.end(), input.files->last.begin(), input.files->last.end());
  return choices;
}

}  // namespace comfy::graph
