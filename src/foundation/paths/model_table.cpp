// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/model_table.h"

#include "foundation/base/strings.h"

#include <algorithm>
#include <array>
#include <utility>

namespace comfy::paths {
namespace {

struct Row {
  std::string_view kind;
  std::array<std::string_view, 2> folders;  ///< below models/
  std::string_view extensions = kWeights;

  static constexpr std::string_view kWeights =
      ".ckpt .pt .pt2 .bin .pth .safetensors .pkl .sft .gguf";
};

// The order is that of GET /models. "folder" is ComfyUI's mark for whole folders: no file has it.
constexpr std::array kRows{
    Row{"checkpoints", {"checkpoints"}},
    Row{"configs", {"configs"}, ".yaml"},
    Row{"loras", {"loras"}},
    Row{"vae", {"vae"}},
    Row{"text_encoders", {"text_encoders", "clip"}},
    Row{"diffusion_models", {"unet", "diffusion_models"}},
    Row{"clip_vision", {"clip_vision"}},
    Row{"style_models", {"style_models"}},
    Row{"embeddings", {"embeddings"}},
    Row{"diffusers", {"diffusers"}, "folder"},
    Row{"vae_approx", {"vae_approx"}},
    Row{"controlnet", {"controlnet", "t2i_adapter"}},
    Row{"gligen", {"gligen"}},
    Row{"upscale_models", {"upscale_models"}},
    Row{"custom_nodes", {}, ""},
    Row{"hypernetworks", {"hypernetworks"}},
    Row{"photomaker", {"photomaker"}},
    Row{"classifiers", {"classifiers"}, "none"},
    Row{"model_patches", {"model_patches"}},
    Row{"audio_encoders", {"audio_encoders"}},
};

std::vector<std::string> extensions_of(std::string_view text) {
  if (text.empty()) return {};
  if (text == "none") return {""};  // files without a suffix
  std::vector<std::string> extensions;
  for (const std::string_view one : split(text, ' ')) extensions.emplace_back(one);
  return extensions;
}

std::filesystem::path normal(const std::filesystem::path& path) {
  std::filesystem::path result = std::filesystem::absolute(path).lexically_normal();
  if (!result.has_filename()) result = result.parent_path();  // without a trailing slash
  return result;
}

}  // namespace

std::string_view current_kind(std::string_view kind) {
  if (kind == "unet") return "diffusion_models";
  if (kind == "clip") return "text_encoders";
  return kind;
}

ModelTable::ModelTable(const std::filesystem::path& base) {
  for (const Row& row : kRows) {
    folders.push_back(
        {.kind = std::string{row.kind}, .roots = {}, .extensions = extensions_of(row.extensions)});
    if (row.kind == "custom_nodes") add(row.kind, base / "custom_nodes");
    for (const std::string_view folder : row.folders) {
      if (!folder.empty()) add(row.kind, base / "models" / folder);
    }
  }
}

void ModelTable::add(std::string_view kind, const std::filesystem::path& folder, Rank rank) {
  const std::string_view current = current_kind(kind);
  auto entry = std::ranges::find(folders, current, &ModelFolder::kind);
  if (entry == folders.end())
    entry = folders.insert(folders.end(),
                           {.kind = std::string{current}, .roots = {}, .extensions = {}});
  std::vector<Root>& roots = entry->roots;
  const std::filesystem::path path = normal(folder);
  const auto same = std::ranges::find(roots, path, &Root::path);
  if (same == roots.end()) {
    roots.insert(rank == Rank::first ? roots.begin() : roots.end(), Root{path, Links::follow});
  } else if (rank == Rank::first) {
    std::rotate(roots.begin(), same, same + 1);
  }
}

}  // namespace comfy::paths
