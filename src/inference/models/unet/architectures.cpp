// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/unet/architectures.h"

#include "inference/models/unet/unet.h"
#include "inference/tensor/ops.h"

namespace comfy::models::unet {
namespace {

using sampling::BetaSchedule;
using sampling::Prediction;
using sampling::SamplingSettings;
using sampling::SigmaSpace;

/// Whether the tensors are an LDM UNet of that layout with so many input channels. An x4 upscaler,
/// Zero123 and Lotus have marks of their own and are asked apart.
bool is(const Weights& w, Layout layout, auto&& channels) {
  const auto config = detect(w);
  return config && config->layout == layout && channels(config->in_channels);
}

bool latent_or_inpaint(std::int64_t channels) { return channels != 8; }
bool latent_and_picture(std::int64_t channels) { return channels == 8; }
bool any_channels(std::int64_t) { return true; }

std::unique_ptr<DiffusionModel> build(const Weights& w) {
  return std::make_unique<UNet>(w, detect(w).value());
}

SamplingSettings eps(const Weights&, const Weights&) { return {}; }

/// 768-pixel SD2 models predict velocity. Their tensors have the names and shapes of the others;
/// the spread of one bias tells them apart, as in ComfyUI.
SamplingSettings eps_or_v(const Weights& network, const Weights&) {
  SamplingSettings settings;
  constexpr const char* kTelling = "output_blocks.11.1.transformer_blocks.0.norm1.bias";
  if (network.has(kTelling) && network.dim("input_blocks.0.0.weight", 1) == 4 &&
      network[kTelling].to(DType::Float).std(/*unbiased=*/false).item<double>() > 0.09) {
    settings.prediction = Prediction::v;
  }
  return settings;
}

/// SDXL's descendants are told by marks that their authors put into the file.
SamplingSettings sdxl_sampling(const Weights&, const Weights& file) {
  SamplingSettings settings;
  if (file.has("edm_mean") && file.has("edm_std")) {  // Playground 2.5
    settings.prediction = Prediction::edm;
    settings.space = SigmaSpace::continuous_edm;
    settings.sigma_data = 0.5;
    settings.sigma_min = 0.002;
    settings.sigma_max = 80.0;
  } else if (file.has("edm_vpred.sigma_max")) {  // CosXL
    settings.prediction = Prediction::v;
    settings.space = SigmaSpace::continuous_edm;
    settings.sigma_max = file["edm_vpred.sigma_max"].item<double>();
    if (file.has("edm_vpred.sigma_min")) {
      settings.sigma_min = file["edm_vpred.sigma_min"].item<double>();
    }
  } else if (file.has("v_pred")) {
    settings.prediction = Prediction::v;
    settings.zsnr = file.has("ztsnr");
  }
  return settings;
}

const LatentFormat* sdxl_latents(const Weights& file) {
  return file.has("edm_mean") && file.has("edm_std") ? &latents::kPlayground25 : &latents::kSdxl;
}

SamplingSettings upscaler_sampling(const Weights&, const Weights&) {
  return {.prediction = Prediction::v, .linear_start = 0.0001, .linear_end = 0.02};
}

SamplingSettings video_sampling(const Weights&, const Weights&) {
  return {.prediction = Prediction::v,
          .space = SigmaSpace::continuous_edm,
          .sigma_min = 0.002,
          .sigma_max = 700.0};
}

ConcatConditioning sd_concat(const Weights& network) {
  return network.dim("input_blocks.0.0.weight", 1) > 4 ? ConcatConditioning::inpaint
                                                       : ConcatConditioning::none;
}

ConcatConditioning picture_concat(const Weights&) { return ConcatConditioning::image; }

}  // namespace

const Architecture kSd15{
    .name = "SD15",
    .detect = [](const Weights& w) { return is(w, Layout::sd1, latent_or_inpaint); },
    .build = build,
    .latent = &latents::kSd15,
    .sampling = eps,
    .text = TextFamily::sd1,
    .concat = sd_concat};

const Architecture kSd15InstructPix2Pix{
    .name = "SD15_instructpix2pix",
    .detect = [](const Weights& w) { return is(w, Layout::sd1, latent_and_picture); },
    .build = build,
    .latent = &latents::kSd15,
    .sampling = eps,
    .text = TextFamily::sd1,
    .concat = picture_concat};

const Architecture kSd20{
    .name = "SD20",
    .detect = [](const Weights& w) { return is(w, Layout::sd2, any_channels); },
    .build = build,
    .latent = &latents::kSd15,
    .sampling = eps_or_v,
    .text = TextFamily::sd2,
    .concat = sd_concat};

const Architecture kSd21Unclip{
    .name = "SD21Unclip",
    .detect = [](const Weights& w) { return is(w, Layout::unclip, any_channels); },
    .build = build,
    .latent = &latents::kSd15,
    .sampling = eps_or_v,
    .text = TextFamily::sd2,
    .vector = VectorConditioning::unclip};

const Architecture kSdxl{
    .name = "SDXL",
    .detect = [](const Weights& w) { return is(w, Layout::sdxl, latent_or_inpaint); },
    .build = build,
    .latent = &latents::kSdxl,
    .sampling = sdxl_sampling,
    .latent_of = sdxl_latents,
    .text = TextFamily::sdxl,
    .vector = VectorConditioning::sdxl,
    .concat = sd_concat,
    .memory_factor = 0.8};

const Architecture kSdxlInstructPix2Pix{
    .name = "SDXL_instructpix2pix",
    .detect = [](const Weights& w) { return is(w, Layout::sdxl, latent_and_picture); },
    .build = build,
    .latent = &latents::kSdxl,
    .sampling = sdxl_sampling,
    .text = TextFamily::sdxl,
    .vector = VectorConditioning::sdxl,
    .concat = picture_concat,
    .memory_factor = 0.8};

const Architecture kSdxlRefiner{
    .name = "SDXLRefiner",
    .detect = [](const Weights& w) { return is(w, Layout::refiner, any_channels); },
    .build = build,
    .latent = &latents::kSdxl,
    .sampling = sdxl_sampling,
    .text = TextFamily::sdxl_refiner,
    .vector = VectorConditioning::sdxl_refiner,
    .memory_factor = 1.0};

const Architecture kSdX4Upscaler{
    .name = "SD_X4Upscaler",
    .detect = [](const Weights& w) { return is(w, Layout::upscaler, any_channels); },
    .build = build,
    .latent = &latents::kSdX4,
    .sampling = upscaler_sampling,
    .text = TextFamily::sd2,
    .vector = VectorConditioning::noise_level,
    .concat = picture_concat};

const Architecture kSvd{
    .name = "SVD_img2vid",
    .detect = [](const Weights& w) { return is(w, Layout::video, any_channels); },
    .build = build,
    .latent = &latents::kSd15,
    .sampling = video_sampling,
    .vector = VectorConditioning::video,
    .concat = picture_concat};

}  // namespace comfy::models::unet
