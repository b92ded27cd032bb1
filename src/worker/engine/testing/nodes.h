// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "worker/engine/node.h"
#include "worker/engine/registry.h"

#include <string>

namespace comfy::engine {

/// What stands for pictures in tests of the engine: their geometry and one grey.
struct Picture {
  int batch = 1, width = 0, height = 0;
  double grey = 0;
};
inline std::string describe_value(const Picture& picture) {
  return "a picture of " + std::to_string(picture.width) + "x" + std::to_string(picture.height);
}
inline std::size_t memory_of(const Picture& picture) {
  return static_cast<std::size_t>(picture.batch * picture.width * picture.height);
}
template <>
struct Port<Picture> : Socket<"IMAGE"> {};

struct Mask {
  double value = 0;
};
template <>
struct Port<Mask> : Socket<"MASK"> {};

/// Nodes with the ids and ports of recorded ones, computing next to nothing. Those with which
/// lists, laziness, expansion and waiting are tried lie in plugins/testing.
Registry testing_registry();

}  // namespace comfy::engine
