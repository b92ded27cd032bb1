// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

namespace comfy::graph {

/// One recorded JSON file: of the whole recording where that is at hand, else of the part of it
/// that lies in tests/recorded, or nothing. Tests run in the root of the repository.
inline std::optional<Json> recorded_json(const std::filesystem::path& name) {
  const char* shared = std::getenv("COMFY_SHARED");
  for (const std::filesystem::path& folder :
       {std::filesystem::path{shared ? shared : "../shared"} / "reference",
        std::filesystem::path{"tests/recorded"}}) {
    std::ifstream file{folder / name, std::ios::binary};
    if (!file) continue;
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    return parse_json(text);
  }
  return {};
}

}  // namespace comfy::graph
