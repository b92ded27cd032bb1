// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <cstddef>
#include <optional>
#include <string>

namespace comfy::engine {

/// A finished file that a node hands over. It becomes `<prefix>_<counter, 5 digits>_<extension>`
/// in the output or temporary folder, under a name that nothing had before.
struct PublishRequest {
  enum class Root { output, temp };
  Root root = Root::output;
  /// What the user wrote, perhaps with folders and %tokens%, such as "sub/ComfyUI".
  std::string prefix = "ComfyUI";
  std::string extension = ".png";
  std::string bytes = {};
  int width = 0, height = 0;             ///< for %width% and %height%
  std::optional<int> batch_number = {};  ///< for %batch_num%
  std::string node_id = {};              ///< filled in by Context::publish: whose file it is
  std::size_t list_index = 0;            ///< filled in by Context::publish
};

/// Where it went, as UI entries name it.
struct PublishedFile {
  std::string filename, subfolder, type;
  Json to_json() const;
};

/// Puts finished files where they belong, exactly once for each attempt.
class Publisher {
 public:
  virtual ~Publisher() = default;
  /// Throws Error(invalid_input) for a prefix that leads out of the folder, Error(unavailable) when
  /// the disk is full.
  virtual PublishedFile publish(PublishRequest request) = 0;
};

}  // namespace comfy::engine
