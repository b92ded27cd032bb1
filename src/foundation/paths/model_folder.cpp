// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/model_folder.h"

#include "foundation/base/strings.h"

#include <algorithm>

namespace comfy::paths {

const Root* ModelFolder::find_root(std::size_t index) const {
  if (index < roots.size()) return &roots[index];
  return index == roots.size() && spare ? &*spare : nullptr;
}

bool ModelFolder::accepts(std::string_view filename) const {
  if (extensions.empty()) return true;
  const auto slash = filename.rfind('/');
  const std::string_view name = slash == filename.npos ? filename : filename.substr(slash + 1);
  const auto dot = name.rfind('.');
  // as in Python, a leading dot makes no suffix
  const bool has_suffix = dot != name.npos && name.find_first_not_of('.') < dot;
  const std::string suffix = has_suffix ? lower(name.substr(dot)) : std::string{};
  return std::ranges::find(extensions, suffix) != extensions.end();
}

std::vector<std::string> ModelList::names() const {
  std::vector<std::string> names;
  names.reserve(entries.size());
  for (const ModelEntry& entry : entries) names.push_back(entry.name);
  return names;
}

}  // namespace comfy::paths
