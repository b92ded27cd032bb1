// SPDX-License-Identifier: GPL-3.0-or-later
#include "pack.h"

#include <comfy/ops.h>

namespace testing_pack {

using namespace comfy::plugin;

Image grey_image(double value, std::int64_t height, std::int64_t width, std::int64_t batch) {
  return {at::full({batch, height, width, 3}, value)};
}

bool is_true(const Any& value) {
  if (value.is_null()) return false;
  const Json* json = value.json();
  if (!json) return true;
  if (json->is_bool()) return json->as_bool();
  if (json->is_number()) return json->as_double() != 0;
  return !json->is_string() || !json->as_string().empty();
}

void register_all(Registry& registry) {
  register_special_nodes(registry);
  register_validation_nodes(registry);
  register_expanding_nodes(registry);
  register_waiting_nodes(registry);
  register_flow_nodes(registry);
  register_list_nodes(registry);
  register_loop_nodes(registry);
  register_logic_nodes(registry);
  register_stub_nodes(registry);
  register_async_nodes(registry);
}

}  // namespace testing_pack
