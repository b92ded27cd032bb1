// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/area.h"
#include "golden/image_io_area.h"
#include "golden/lora_area.h"
#include "golden/network_areas.h"
#include "golden/sampling_areas.h"
#include "golden/text_areas.h"
#include "golden/workflow_area.h"

namespace comfy::golden {
namespace {

std::optional<Outcome> run_vae_or_node(const std::filesystem::path& file) {
  auto outcome = run_vae(file);
  return outcome ? outcome : run_inpaint_encoding(file);
}

std::optional<Outcome> run_full(const std::filesystem::path& file) {
  auto outcome = run_sd15_full(file);
  return outcome ? outcome : run_full_sampling(file, full_size_checkpoint().value());
}

std::optional<Outcome> run_schedules_or_nodes(const std::filesystem::path& file) {
  return file.stem() == "nodes" ? run_sigma_nodes(file) : run_schedules(file);
}

constexpr Area kAreas[] = {
    {"clip", run_clip},         {"e2e", run_e2e},
    {"image_io", run_image_io}, {"lora", run_lora, true},
    {"nodes", run_nodes},       {"noise", run_noise},
    {"samplers", run_samplers}, {"schedules", run_schedules_or_nodes},
    {"sd15_full", run_full},    {"tokenizer", run_tokenizer},
    {"unet", run_unet},         {"vae", run_vae_or_node},
};

}  // namespace

std::span<const Area> areas() { return kAreas; }

}  // namespace comfy::golden
