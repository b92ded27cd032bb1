// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace comfy::paths {

/// The folders that hold users' files.
enum class Area : std::uint8_t { input, output, temp, user };

const char* area_name(Area area);
/// "input", "output" or "temp"; nothing for other texts.
std::optional<Area> find_area(std::string_view name);

/// A file name with the folder it is meant for, as nodes and /view write it: "x.png [output]".
struct AnnotatedName {
  std::string name;
  Area area = Area::input;
};

/// Cuts the annotation off; without one the area is `otherwise`.
AnnotatedName parse_annotated(std::string_view text, Area otherwise);

}  // namespace comfy::paths
