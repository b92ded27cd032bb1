// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/annotated_name.h"

#include <array>
#include <utility>

namespace comfy::paths {
namespace {

constexpr std::array<std::pair<std::string_view, Area>, 3> kAreas{
    {{"input", Area::input}, {"output", Area::output}, {"temp", Area::temp}}};

}  // namespace

const char* area_name(Area area) {
  switch (area) {
    case Area::input:
      return "input";
    case Area::output:
      return "output";
    case Area::temp:
      return "temp";
    case Area::user:
      return "user";
  }
  return "";
}

std::optional<Area> find_area(std::string_view name) {
  for (const auto& [text, area] : kAreas) {
    if (text == name) return area;
  }
  return {};
}

AnnotatedName parse_annotated(std::string_view text, Area otherwise) {
  for (const auto& [name, area] : kAreas) {
    const std::string mark = "[" + std::string{name} + "]";
    if (!text.ends_with(mark)) continue;
    std::string_view rest = text.substr(0, text.size() - mark.size());
    if (rest.ends_with(' ')) rest.remove_suffix(1);
    return {std::string{rest}, area};
  }
  return {std::string{text}, otherwise};
}

}  // namespace comfy::paths
