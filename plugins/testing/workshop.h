// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/paths/folders.h"
#include "foundation/paths/sandbox.h"
#include "inference/residency/residency.h"
#include "pack.h"
#include "worker/engine/testing/harness.h"
#include "worker/nodes/all.h"
#include "worker/nodes/services.h"

namespace testing_pack {

/// The built-in nodes and those of the pack, with an executor and folders of their own.
class Workshop {
 public:
  explicit Workshop(comfy::engine::ExecutorOptions options = {})
      : bench{all_nodes(), options, &services_} {}

 private:
  static comfy::engine::Registry all_nodes() {
    comfy::engine::Registry registry;
    comfy::nodes::register_all_nodes(registry);
    register_all(registry);
    return registry;
  }
  static comfy::paths::FolderOptions below(const std::filesystem::path& base) {
    comfy::paths::FolderOptions options;
    options.base = base;
    return options;
  }

  comfy::paths::Sandbox sandbox_;
  comfy::paths::Folders folders_{below(sandbox_.path())};
  comfy::residency::Residency residency_{std::size_t{1} << 30};
  comfy::nodes::Services services_{.folders = folders_, .residency = residency_};

 public:
  comfy::engine::Bench bench;
};

}  // namespace testing_pack
