// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <comfy/plugin.h>

#include <string>
#include <vector>

/// The nodes of ComfyUI's own testing pack: with them every rule of execution can be tried.

namespace testing_pack {

/// Values that loops and lists hand on, when they are given.
using Passed = std::optional<comfy::plugin::Any>;

/// The largest sizes the stand-in pictures offer.
inline constexpr std::int64_t kMaxCount = std::int64_t{1} << 30, kMaxWidth = std::int64_t{1} << 36;

/// Pictures of one grey, [batch, height, width, 3].
comfy::plugin::Image grey_image(double value, std::int64_t height = 512, std::int64_t width = 512,
                                std::int64_t batch = 1);
/// Whether Python takes a value for true.
bool is_true(const comfy::plugin::Any& value);

void register_special_nodes(comfy::plugin::Registry& registry);
void register_validation_nodes(comfy::plugin::Registry& registry);
void register_expanding_nodes(comfy::plugin::Registry& registry);
void register_waiting_nodes(comfy::plugin::Registry& registry);
void register_flow_nodes(comfy::plugin::Registry& registry);
void register_list_nodes(comfy::plugin::Registry& registry);
void register_loop_nodes(comfy::plugin::Registry& registry);
void register_logic_nodes(comfy::plugin::Registry& registry);
void register_stub_nodes(comfy::plugin::Registry& registry);
void register_async_nodes(comfy::plugin::Registry& registry);

/// All 52, in the order of the original.
void register_all(comfy::plugin::Registry& registry);

}  // namespace testing_pack
