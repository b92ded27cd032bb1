// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/ports.h"

#include <torch/headeronly/version.h>

#include <cstddef>
#include <cstdint>
#include <version>

namespace comfy::plugin {

/// What a plug-in was built with. It lies as bytes in the library's file, where the worker reads it
/// before it loads any code; the form of this struct never changes.
struct Stamp {
  char mark[32];
  std::int32_t number;            ///< of the interface in include/comfy
  std::int32_t standard_library;  ///< the date of libstdc++
  std::int32_t string_abi;        ///< 1: the strings of C++11
  std::uint32_t layout;           ///< of the types that cross the border
  char compiler[64];
  char torch[32];
};
static_assert(sizeof(Stamp) == 144);

/// Raised with every change of include/comfy that older plug-ins do not survive.
inline constexpr std::int32_t kInterfaceNumber = 2;

/// A number that changes with the sizes of these types.
template <class... Types>
consteval std::uint32_t layout_of() {
  std::uint32_t hash = 2166136261;  // FNV-1a
  for (const std::size_t part : {sizeof(Types)..., alignof(Types)...})
    hash = (hash ^ static_cast<std::uint32_t>(part)) * 16777619;
  return hash;
}

/// The stamp of whatever is being compiled.
consteval Stamp stamp_of_this_build() {
  return {
      .mark = "comfyui plug-in stamp, form 1",
      .number = kInterfaceNumber,
      .standard_library = __GLIBCXX__,
      .string_abi = _GLIBCXX_USE_CXX11_ABI,
      .layout =
          layout_of<Json, Error, Tensor, graph::NodeDefinition, graph::InputDefinition,
                    engine::NodeType, engine::Registry, engine::Value, engine::Returned,
                    engine::Argument, engine::Arguments, engine::Context, engine::PublishRequest,
                    engine::Preview, engine::ExpandedNode, nodes::Image, nodes::Mask, nodes::Latent,
                    nodes::Conditioning, nodes::Model, nodes::Clip, nodes::Vae>(),
      .compiler = __VERSION__,
      .torch = TORCH_VERSION};
}

}  // namespace comfy::plugin
