// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/requirements.h"

#include "foundation/graph/prompt.h"

#include <algorithm>
#include <set>

namespace comfy::graph {
namespace {

/// The files of which this input wants one; none when its value is no file of a model folder.
std::vector<std::string> files_of(const InputDefinition& input, const Json::Object& values) {
  if (!input.files || input.files->model_folders.empty()) return {};
  const Json* value = values.find(input.name);
  if (value == nullptr || !value->is_string()) return {};
  const std::string& name = value->as_string();
  for (const auto* fixed : {&input.files->first, &input.files->last})
    if (std::ranges::find(*fixed, name) != fixed->end()) return {};
  std::vector<std::string> files;
  for (const std::string& folder : input.files->model_folders) files.push_back(folder + "/" + name);
  std::ranges::sort(files);
  return files;
}

}  // namespace

Requirements requirements_of(const Json& prompt, const std::vector<std::string>& outputs,
                             const Catalogue& catalogue) {
  std::set<std::string> seen;
  std::set<std::string> classes;
  std::set<std::vector<std::string>> models;
  std::vector<std::string> ahead = outputs;
  while (!ahead.empty()) {
    const std::string id = std::move(ahead.back());
    ahead.pop_back();
    const Json* node = prompt.find(id);
    if (node == nullptr || !seen.insert(id).second) continue;
    const std::string& node_class = class_of(*node);
    const Json::Object& inputs = inputs_of(*node);
    classes.insert(node_class);
    for (const auto& [name, value] : inputs)
      if (const auto link = as_link(value)) ahead.push_back(link->node);
    const NodeDefinition* definition = catalogue.find(node_class);
    if (definition == nullptr) continue;
    for (const InputDefinition& input : definition->inputs)
      if (auto files = files_of(input, inputs); !files.empty()) models.insert(std::move(files));
  }
  return {{classes.begin(), classes.end()}, {models.begin(), models.end()}};
}

}  // namespace comfy::graph
