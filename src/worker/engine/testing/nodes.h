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
template <>
struct Port<Picture> : Socket<"IMAGE"> {};

struct Mask {
  double value = 0;
};
template <>
struct Port<Mask> : Socket<"MASK"> {};

/// Nodes with the ids and ports of recorded ones, computing next to nothing.
void register_plain_nodes(Registry& registry);
/// Those of ComfyUI's testing pack: lists, laziness, expansion, blockers, loops, waiting.
void register_flow_nodes(Registry& registry);
void register_loop_nodes(Registry& registry);

inline Registry testing_registry() {
  Registry registry;
  register_plain_nodes(registry);
  register_flow_nodes(registry);
  register_loop_nodes(registry);
  return registry;
}

}  // namespace comfy::engine
