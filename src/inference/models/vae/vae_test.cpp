// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "golden/golden_case.h"
#include "inference/models/vae/autoencoder_kl.h"
#include "inference/models/vae/autoencoders.h"
#include "inference/models/vae/tiled.h"
#include "inference/tensor/ops.h"
#include "keys/layouts.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace comfy::models::vae {
namespace {

constexpr double kTolerance = 1e-5;  // of the golden README, for the whole area

Weights weights_of(const golden::Case& recorded) {
  std::string scope = recorded.weights_prefix();
  if (scope.ends_with('.')) scope.pop_back();
  return Weights(checkpoint::open_source(recorded.weights_file())) / scope;
}

/// [B, 3, H, W] in -1..1 -> [B, H, W, 3] in 0..1, as the VAEDecode node gives it.
Tensor to_image(const Tensor& pixels) {
  return ((pixels + 1.0) / 2.0).clamp(0.0, 1.0).permute({0, 2, 3, 1});
}

/// [B, H, W, C] in 0..1 -> [B, 3, H, W] in -1..1, cut to multiples of 8 around the centre.
Tensor from_image(const Tensor& image) {
  const auto cut = [](const Tensor& x, std::int64_t dim) {
    const std::int64_t rest = x.size(dim) % 8;
    return x.narrow(dim, rest / 2, x.size(dim) - rest);
  };
  return cut(cut(image.narrow(3, 0, 3), 1), 2).permute({0, 3, 1, 2}) * 2.0 - 1.0;
}

/// What the tiled nodes make of their inputs.
Tiling tiling_of(const Json& info) {
  const std::int64_t size = info.at("tile_size").as_int();
  std::int64_t overlap = info.at("overlap").as_int();
  if (size < overlap * 4) overlap = size / 4;
  return {.width = size, .height = size, .overlap = overlap};
}

void expect_close(const Tensor& expected, const Tensor& actual, const std::string& what) {
  const golden::Comparison result = golden::compare(expected, actual, kTolerance);
  EXPECT_TRUE(result) << what << ": " << result.message;
}

void run_decode(const golden::Case& recorded, const Autoencoder& vae) {
  const bool tiled = recorded.info().find("tile_size") != nullptr;
  const Tensor latent = recorded["input.latent"];
  const Tensor pixels =
      tiled ? decode_tiled(vae, latent, tiling_of(recorded.info())) : vae.decode(latent);
  if (recorded.has("expected.raw")) expect_close(recorded["expected.raw"], pixels, "raw");
  expect_close(recorded["expected.image"], to_image(pixels), "image");
}

void run_encode(const golden::Case& recorded, const Autoencoder& vae) {
  const bool tiled = recorded.info().find("tile_size") != nullptr;
  const Tensor pixels = from_image(recorded["input.pixels"]);
  const Tensor latent = tiled ? encode_tiled(vae, pixels,
                                             {recorded.info().at("tile_size").as_int(),
                                              recorded.info().at("tile_size").as_int(),
                                              recorded.info().at("overlap").as_int()})
                              : vae.encode(pixels);
  expect_close(recorded["expected.latent"], latent, "latent");
  if (recorded.has("expected.moments")) {
    expect_close(recorded["expected.moments"],
                 dynamic_cast<const AutoencoderKl&>(vae).moments(pixels), "moments");
  }
}

TEST(Autoencoder, AgreesWithEveryRecordedCase) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  const c10::InferenceMode inference;
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*shared / "golden" / "vae")) {
    const std::string name = entry.path().stem().string();
    const bool encodes = name.starts_with("encode_") && !name.starts_with("encode_for_inpaint");
    if (!encodes && !name.starts_with("decode_") && name != "taesd") continue;
    SCOPED_TRACE(name);
    const auto recorded = golden::Case::load(entry.path());
    const auto vae = build(weights_of(recorded));
    if (recorded.has("input.latent")) run_decode(recorded, *vae);
    if (recorded.has("input.pixels")) run_encode(recorded, *vae);
    ++cases;
  }
  EXPECT_EQ(cases, 15);
}

TEST(Autoencoder, AgreesInsideToo) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  const c10::InferenceMode inference;
  const auto recorded = golden::Case::load(*shared / "golden/vae/intermediates.safetensors");
  const Weights w = weights_of(recorded);
  const Tensor start = nn::Conv2d(w / "post_quant_conv")(recorded["input.latent"]);
  expect_close(recorded["expected.dec.post_quant"], start, "post_quant");
  const Tensor conv = nn::Conv2d(w / "decoder.conv_in")(start);
  expect_close(recorded["expected.dec.conv_in"], conv, "conv_in");
  const Tensor block = ResBlock(w / "decoder.mid.block_1")(conv);
  expect_close(recorded["expected.dec.mid_block_1"], block, "mid.block_1");
  const Tensor attended = PixelAttention(w / "decoder.mid.attn_1")(block);
  expect_close(recorded["expected.dec.mid_attn_1"], attended, "mid.attn_1");
}

TEST(Autoencoder, IsDescribedByItsShapes) {
  const auto kl = detect(Weights(keys::layout("sd15")) / "first_stage_model");
  ASSERT_TRUE(kl);
  EXPECT_EQ(kl->kind, Kind::kl);
  EXPECT_EQ(kl->latent_channels, 4);
  EXPECT_EQ(kl->downscale, 8);
  EXPECT_EQ(detect(Weights(keys::layout("sd3_medium")) / "first_stage_model")->latent_channels, 16);
  EXPECT_FALSE(detect(Weights(keys::layout("sd15")) / "model.diffusion_model"));
}

TEST(Autoencoder, TakesDiffusersNames) {
  const Weights converted(native_names(keys::layout("diffusers_vae_4ch")));
  const Weights native = Weights(keys::layout("sd15")) / "first_stage_model";
  for (const std::string& name : native.names()) EXPECT_TRUE(converted.has(name)) << name;
  EXPECT_EQ(converted.names().size(), native.names().size());
}

TEST(Autoencoder, RefusesAScopeWithoutOne) {
  EXPECT_THROW(build(Weights(checkpoint::dictionary_source({{"a", at::zeros({1})}}))), Error);
}

/// Repeats each latent pixel 8 times; so a blend of tiles must give the whole again.
class Repeat final : public Autoencoder {
 public:
  Tensor decode(const Tensor& latent) const override {
    return latent.narrow(1, 0, 3).repeat_interleave(8, 2).repeat_interleave(8, 3);
  }
  Tensor encode(const Tensor& pixels) const override { return at::avg_pool2d(pixels, 8); }
  std::int64_t latent_channels() const override { return 3; }
  std::int64_t downscale() const override { return 8; }
};

TEST(Tiling, BlendsToTheWholeAndReportsEveryTile) {
  const Tensor latent = at::arange(4 * 20 * 13, DType::Float).reshape({1, 4, 20, 13});
  std::vector<std::pair<std::int64_t, std::int64_t>> reports;
  const Tiling tiling{.width = 64, .height = 64, .overlap = 16};
  const Tensor pixels =
      decode_tiled(Repeat(), latent, tiling,
                   [&](std::int64_t done, std::int64_t all) { reports.emplace_back(done, all); });
  expect_close(Repeat().decode(latent), pixels, "pixels");
  ASSERT_FALSE(reports.empty());
  EXPECT_EQ(reports.front().first, 1);
  EXPECT_EQ(reports.back().first, reports.back().second);
  EXPECT_EQ(reports.size(), static_cast<std::size_t>(reports.back().second));
}

TEST(Tiling, RefusesTilesSmallerThanTheirOverlap) {
  const Tiling tiling{.width = 64, .height = 64, .overlap = 64};
  EXPECT_THROW(decode_tiled(Repeat(), at::zeros({1, 3, 20, 20}), tiling), Error);
}

}  // namespace
}  // namespace comfy::models::vae
