// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/paths/model_folder.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::paths {

enum class Rank : std::uint8_t { last, first };

/// The kinds of models and their folders, while they are being put together.
class ModelTable {
 public:
  /// ComfyUI's kinds, in its order, below <base>/models and <base>/custom_nodes.
  explicit ModelTable(const std::filesystem::path& base);

  /// Adds a folder to a kind; an unknown kind is made and takes every file. A folder that is there
  /// already stays once, and moves to the front when it is to be first.
  void add(std::string_view kind, const std::filesystem::path& folder, Rank rank = Rank::last);
  /// Adds what a file in the form of extra_model_paths.yaml names.
  /// Throws Error(invalid_input) naming file, section and key.
  void add_from_file(const std::filesystem::path& file);

  std::vector<ModelFolder> folders;
};

/// The name that a kind has today: "unet" is "diffusion_models", "clip" is "text_encoders".
std::string_view current_kind(std::string_view kind);

}  // namespace comfy::paths
