// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/json.h"
#include "inference/models/unet/config.h"

#include <fmt/format.h>

namespace comfy::models::unet {
namespace {

std::int64_t depth_at(const Weights& w, std::string_view block) {
  return w.count(fmt::format("{}.1.transformer_blocks", block));
}

/// Walks the input blocks level by level; output blocks mirror them.
void read_levels(const Weights& w, Config& config) {
  const std::int64_t blocks = w.count("input_blocks");
  std::int64_t in_level = 0;
  std::int64_t rows = config.model_channels;
  const auto mirrored = [&](std::int64_t i) {
    return depth_at(w, fmt::format("output_blocks.{}", blocks - i - 1));
  };
  const auto close_level = [&] {
    config.res_blocks.push_back(in_level);
    config.channel_mult.push_back(rows / config.model_channels);
    in_level = 0;
  };
  for (std::int64_t i = 0; i < blocks; ++i) {
    const std::string block = fmt::format("input_blocks.{}", i);
    const std::string rows_name = block + ".0.out_layers.3.weight";
    if (w.has(block + ".0.op.weight")) {
      close_level();
      config.transformer_depth_output.push_back(mirrored(i));
    } else if (w.has(rows_name)) {
      ++in_level;
      rows = w.dim(rows_name, 0);
      config.transformer_depth.push_back(depth_at(w, block));
      config.transformer_depth_output.push_back(mirrored(i));
    } else if (i == 0) {
      config.transformer_depth_output.push_back(mirrored(i));
    }
  }
  close_level();
  // The first input block is a bare convolution: its mirror belongs to the first level, as ComfyUI
  // lists it.
  if (w.has("middle_block.1.proj_in.weight")) {
    config.transformer_depth_middle = w.count("middle_block.1.transformer_blocks");
  } else {
    config.transformer_depth_middle = w.has("middle_block.0.in_layers.0.weight") ? -1 : -2;
  }
}

/// The scope of the first transformer met, or nothing.
std::optional<std::string> first_transformer(const Weights& w) {
  for (std::int64_t i = 0; i < w.count("input_blocks"); ++i) {
    std::string scope = fmt::format("input_blocks.{}.1", i);
    if (w.has(scope + ".proj_in.weight")) return scope;
  }
  if (w.has("middle_block.1.proj_in.weight")) return "middle_block.1";
  return {};
}

Layout layout_of(const Weights& w, const Config& config, const std::string& transformer) {
  if (w.has_scope(transformer + ".time_stack")) return Layout::video;
  if (w.has("label_emb.weight")) return Layout::upscaler;
  const bool is_linear = w.shape(transformer + ".proj_in.weight").size() == 2;
  if (config.vector_channels == 0) return is_linear ? Layout::sd2 : Layout::sd1;
  if (config.transformer_depth.front() > 0) return Layout::unclip;
  return config.transformer_depth.back() > 0 ? Layout::sdxl : Layout::refiner;
}

void read_heads(const Weights& w, Config& config) {
  const bool is_fixed = config.layout == Layout::sd1 || config.layout == Layout::upscaler;
  config.heads = is_fixed ? 8 : 0;
  const std::string text = w.metadata("comfy.config");
  if (text.empty()) return;
  const Json json = parse_json(text);
  config.head_channels = json.int_or("unet_head_channels", config.head_channels);
  if (json.find("unet_head_channels") != nullptr) config.heads = 0;
  config.heads = json.int_or("unet_heads", config.heads);
  if (config.heads < 0 || config.head_channels < 1) {
    throw Error(
        Error::Kind::invalid_input,
        fmt::format(
            "comfy.config: unet_heads and unet_head_channels must be positive, got {} and {}",
            config.heads, config.head_channels));
  }
}

}  // namespace

std::optional<Config> detect(const Weights& w) {
  if (!w.has("input_blocks.0.0.weight") || w.shape("input_blocks.0.0.weight").size() != 4)
    return {};
  Config config{.model_channels = w.dim("input_blocks.0.0.weight", 0),
                .in_channels = w.dim("input_blocks.0.0.weight", 1)};
  if (w.has("out.2.weight")) config.out_channels = w.dim("out.2.weight", 0);
  if (w.has("label_emb.0.0.weight")) config.vector_channels = w.dim("label_emb.0.0.weight", 1);
  read_levels(w, config);
  if (config.transformer_depth.empty()) return {};
  if (const auto transformer = first_transformer(w)) {
    config.context_dim = w.dim(*transformer + ".transformer_blocks.0.attn2.to_k.weight", 1);
    config.layout = layout_of(w, config, *transformer);
  }
  read_heads(w, config);
  return config;
}

}  // namespace comfy::models::unet
