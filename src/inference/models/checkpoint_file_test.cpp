// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/checkpoint_file.h"

#include "foundation/base/error.h"
#include "inference/models/unet/diffusers_names.h"
#include "inference/tensor/ops.h"
#include "keys/layouts.h"

#include <gtest/gtest.h>

namespace comfy::models {
namespace {

Error error_of(auto&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return Error(Error::Kind::internal, "nothing was thrown");
}

TEST(CheckpointFile, FindsAllPartsOfStableDiffusion15) {
  const Checkpoint parts = open_checkpoint(keys::layout("sd15"));
  ASSERT_FALSE(parts.model.empty());
  EXPECT_EQ(parts.model.architecture().name, "SD15");
  ASSERT_FALSE(parts.vae.empty());
  EXPECT_EQ(parts.vae.latent_channels(), 4);
  EXPECT_EQ(parts.vae.downscale(), 8);
  ASSERT_FALSE(parts.clip.empty());
  EXPECT_EQ(parts.clip.family(), TextFamily::sd1);
}

TEST(CheckpointFile, LeavesMissingPartsEmpty) {
  const auto network = keys::layout("diffusers_unet_sd15");
  const auto bare =
      checkpoint::renamed_source(unet::native_names(network), "", "model.diffusion_model.");
  const Checkpoint parts = open_checkpoint(bare);
  EXPECT_FALSE(parts.model.empty());
  EXPECT_TRUE(parts.vae.empty());
  EXPECT_TRUE(parts.clip.empty());
}

TEST(CheckpointFile, SaysWhatAFileIsInstead) {
  const Error lora = error_of([] { open_checkpoint(keys::layout("lora_sd15_kohya")); });
  EXPECT_EQ(lora.kind, Error::Kind::invalid_input);
  EXPECT_EQ(lora.message, "a checkpoint with a diffusion network expected, the file holds a LoRA");
  EXPECT_EQ(error_of([] { open_checkpoint(keys::layout("controlnet_sd15_ldm")); }).message,
            "a checkpoint with a diffusion network expected, the file holds a ControlNet");
  EXPECT_EQ(error_of([] { open_vae(keys::layout("text_encoder_clip_l")); }).message,
            "an autoencoder (VAE) expected, the file holds a text encoder");
}

TEST(CheckpointFile, CallsAnotherFamilyUnsupported) {
  const Error flux = error_of([] { open_checkpoint(keys::layout("flux_dev")); });
  EXPECT_EQ(flux.kind, Error::Kind::unsupported);
  EXPECT_NE(flux.message.find("Flux"), std::string::npos) << flux.message;
}

TEST(CheckpointFile, OpensBareAndForeignNetworks) {
  const auto bare = checkpoint::renamed_source(keys::layout("sd15"), "model.diffusion_model.", "");
  EXPECT_EQ(open_diffusion_model(bare).architecture().name, "SD15");
  EXPECT_EQ(open_diffusion_model(keys::layout("sd15")).architecture().name, "SD15");
  EXPECT_EQ(open_diffusion_model(keys::layout("diffusers_unet_sdxl")).architecture().name, "SDXL");
}

TEST(CheckpointFile, OpensAutoencodersUnderEveryUsualScope) {
  EXPECT_EQ(open_vae(keys::layout("sd15")).latent_channels(), 4);
  EXPECT_EQ(open_vae(keys::layout("diffusers_vae_4ch")).downscale(), 8);
}

}  // namespace
}  // namespace comfy::models
