// SPDX-License-Identifier: GPL-3.0-or-later
#include "pack.h"

void comfy_register_nodes(comfy::plugin::Registry& registry) {
  testing_pack::register_all(registry);
}
