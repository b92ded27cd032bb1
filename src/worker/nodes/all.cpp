// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/nodes/all.h"

#include "worker/nodes/audio/register.h"
#include "worker/nodes/conditioning/register.h"
#include "worker/nodes/image/register.h"
#include "worker/nodes/latent/register.h"
#include "worker/nodes/loaders/register.h"
#include "worker/nodes/mask/register.h"
#include "worker/nodes/model_patches/register.h"
#include "worker/nodes/sampling/register.h"
#include "worker/nodes/text/register.h"

namespace comfy::nodes {

void register_all_nodes(engine::Registry& registry) {
  register_samplers(registry);
  register_custom_sampling(registry);
  register_sigmas(registry);
  register_loaders(registry);
  register_text_encoding(registry);
  register_autoencoding(registry);
  register_basic_latents(registry);
  register_latent_batches(registry);
  register_latent_scaling(registry);
  register_image_files(registry);
  register_image_scaling(registry);
  register_basic_images(registry);
  register_conditioning_edits(registry);
  register_image_joining(registry);
  register_latent_transforms(registry);
  register_latent_arithmetic(registry);
  register_post_processing(registry);
  register_masked_composites(registry);
  register_masks(registry);
  register_mask_edits(registry);
  register_compositing(registry);
  register_rebatching(registry);
  register_image_transforms(registry);
  register_morphology(registry);
  register_empty_latents(registry);
  register_strings(registry);
  register_primitives(registry);
  register_regular_expressions(registry);
  register_part_loaders(registry);
  register_solvers(registry);
  register_published_schedules(registry);
  register_guided_edits(registry);
  register_control(registry);
  register_parameterizations(registry);
  register_guidance(registry);
  register_projected_guidance(registry);
  register_attention_guidance(registry);
  register_block_patches(registry);
  register_attention_multiply(registry);
  register_hypernetworks(registry);
  register_merging(registry);
  register_latent_operations(registry);
  register_latent_files(registry);
  register_animations(registry);
  register_edge_detection(registry);
  register_quantization(registry);
  register_audio_editing(registry);
}

}  // namespace comfy::nodes
