// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/control/control_net.h"

#include "foundation/base/error.h"
#include "inference/checkpoint/keys.h"
#include "inference/models/checkpoint_file.h"
#include "inference/models/unet/diffusers_names.h"
#include "inference/models/unet/transformer.h"
#include "inference/nn/embedding.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace comfy::models::control {
namespace {

constexpr const char* kMark = "zero_convs.0.0.weight";
constexpr const char* kHint = "input_hint_block";

unet::Config config_of(const Weights& w) {
  const auto config = w.has(kMark) ? unet::detect(w) : std::nullopt;
  if (!config)
    throw Error(Error::Kind::invalid_input,
                fmt::format("a ControlNet expected under \"{}\", found none", w.scope()));
  return *config;
}

/// The convolutions over the hint; every third one halves the size, three times in all.
std::vector<nn::Conv2d> read_hint_convs(const Weights& w) {
  constexpr std::array<std::int64_t, 3> kHalving{4, 8, 12};
  std::vector<nn::Conv2d> convs;
  for (std::int64_t i = 0; w.has(fmt::format("{}.{}.weight", kHint, i)); i += 2) {
    const bool halves = std::find(kHalving.begin(), kHalving.end(), i) != kHalving.end();
    convs.emplace_back(w / kHint / i, nn::ConvOptions{.stride = halves ? 2 : 1, .padding = 1});
  }
  return convs;
}

std::vector<unet::Block> read_blocks(const Weights& w, const unet::Config& config) {
  std::vector<unet::Block> blocks;
  for (std::int64_t i = 0; i < w.count("input_blocks"); ++i)
    blocks.emplace_back(w / "input_blocks" / i, w.count(fmt::format("input_blocks.{}", i)), config);
  return blocks;
}

std::vector<nn::Conv2d> read_zero_convs(const Weights& w) {
  std::vector<nn::Conv2d> convs;
  for (std::int64_t i = 0; i < w.count("zero_convs"); ++i)
    convs.emplace_back(w / "zero_convs" / i / 0);
  return convs;
}

void check_width(std::string_view what, const Tensor& tensor, std::int64_t width) {
  if (width == 0 || (tensor.defined() && tensor.size(-1) == width)) return;
  throw Error(Error::Kind::invalid_input,
              fmt::format("this ControlNet expects a {} of width {}, got {}: it is for another "
                          "family of models",
                          what, width, tensor.defined() ? tensor.size(-1) : 0));
}

}  // namespace

ControlNet::ControlNet(const Weights& w)
    : config_{config_of(w)},
      compute_{w.precision().compute},
      time_in_{w / "time_embed.0"},
      time_out_{w / "time_embed.2"},
      hint_convs_{read_hint_convs(w)},
      input_blocks_{read_blocks(w, config_)},
      zero_convs_{read_zero_convs(w)},
      middle_block_{w / "middle_block", w.count("middle_block"), config_},
      middle_out_{w / "middle_block_out.0"} {
  if (config_.vector_channels > 0) {
    label_in_.emplace(w / "label_emb.0.0");
    label_out_.emplace(w / "label_emb.0.2");
  }
}

Tensor ControlNet::embedding(const ControlNetCall& call) const {
  const Tensor t = nn::sinusoidal_embedding(call.timestep, config_.model_channels).to(compute_);
  Tensor embedding = time_out_(at::silu(time_in_(t)));
  if (label_in_) embedding = embedding + (*label_out_)(at::silu((*label_in_)(call.y.to(compute_))));
  return at::silu(embedding);
}

Tensor ControlNet::hint_features(const Tensor& hint) const {
  Tensor h = hint.to(compute_).contiguous(at::MemoryFormat::ChannelsLast);
  for (std::size_t i = 0; i < hint_convs_.size(); ++i) {
    if (i > 0) h = at::silu(h);
    h = hint_convs_[i](h);
  }
  return h;
}

ControlResiduals ControlNet::operator()(const ControlNetCall& call) const {
  check_width("text encoding", call.context, config_.context_dim);
  check_width("pooled conditioning", call.y, config_.vector_channels);
  unet::BlockCall inner{.embedding = embedding(call), .context = call.context.to(compute_)};
  ControlResiduals residuals;
  Tensor h = call.x.to(compute_).contiguous(at::MemoryFormat::ChannelsLast);
  for (std::size_t i = 0; i < input_blocks_.size(); ++i) {
    h = input_blocks_[i](std::move(h), inner);
    if (i == 0) h = h + hint_features(call.hint);
    residuals.output.push_back(zero_convs_.at(i)(h));
  }
  h = middle_block_(std::move(h), inner);
  residuals.middle.push_back(middle_out_(h));
  return residuals;
}

namespace {

/// diffusers' names of what a UNet does not have.
std::vector<checkpoint::KeyRow> diffusers_rows(const checkpoint::TensorSource& file) {
  std::vector<checkpoint::KeyRow> rows;
  const auto add = [&](const std::string& ours, const std::string& theirs) {
    for (const char* part : {".weight", ".bias"})
      if (file.find(theirs + part)) rows.push_back({.ours = ours + part, .theirs = theirs + part});
  };
  constexpr int kMostBlocks = 64;
  for (int i = 0; i < kMostBlocks; ++i)
    add(fmt::format("zero_convs.{}.0", i), fmt::format("controlnet_down_blocks.{}", i));
  add("middle_block_out.0", "controlnet_mid_block");
  add("input_hint_block.0", "controlnet_cond_embedding.conv_in");
  int place = 2;
  for (int i = 0; file.find(fmt::format("controlnet_cond_embedding.blocks.{}.weight", i)); ++i)
    add(fmt::format("input_hint_block.{}", std::exchange(place, place + 2)),
        fmt::format("controlnet_cond_embedding.blocks.{}", i));
  add(fmt::format("input_hint_block.{}", place), "controlnet_cond_embedding.conv_out");
  return rows;
}

}  // namespace

Weights open_control_net(checkpoint::SourcePtr file) {
  if (file->find("lora_controlnet") || file->find("difference"))
    throw Error(Error::Kind::unsupported,
                "unsupported: ControlNets that are kept as a difference from their model");
  if (file->find("control_add_embedding.linear_1.bias") ||
      file->find("control_model.control_add_embedding.linear_1.bias"))
    throw Error(Error::Kind::unsupported, "unsupported: unions of several ControlNets in one");
  if (file->find("controlnet_cond_embedding.conv_in.weight"))
    file = checkpoint::joined_source(
        {unet::native_names(file), checkpoint::converted_source(file, diffusers_rows(*file))});
  const Weights top{file};
  for (const Weights& candidate : {top / "control_model", top})
    if (candidate.has(kMark)) return candidate;
  throw Error(Error::Kind::invalid_input,
              fmt::format("a ControlNet expected, the file holds {}", describe_file(*file)));
}

}  // namespace comfy::models::control
