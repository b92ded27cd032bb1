// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/keys.h"

#include <fmt/format.h>

#include <array>
#include <unordered_map>

namespace comfy::checkpoint {
namespace {

struct Spelling {
  std::string_view native, diffusers;
};

constexpr std::array kTop{
    Spelling{"time_embed.0.", "time_embedding.linear_1."},
    Spelling{"time_embed.2.", "time_embedding.linear_2."},
    Spelling{"label_emb.0.0.", "class_embedding.linear_1."},
    Spelling{"label_emb.0.2.", "class_embedding.linear_2."},
    Spelling{"label_emb.0.0.", "add_embedding.linear_1."},
    Spelling{"label_emb.0.2.", "add_embedding.linear_2."},
    Spelling{"input_blocks.0.0.", "conv_in."},
    Spelling{"out.0.", "conv_norm_out."},
    Spelling{"out.2.", "conv_out."},
};

constexpr std::array kResBlock{
    Spelling{"in_layers.0.", "norm1."},          Spelling{"in_layers.2.", "conv1."},
    Spelling{"emb_layers.1.", "time_emb_proj."}, Spelling{"out_layers.0.", "norm2."},
    Spelling{"out_layers.3.", "conv2."},         Spelling{"skip_connection.", "conv_shortcut."},
};

// Inside a transformer both spell alike; what video networks add has no name in this table.
constexpr std::array<std::string_view, 4> kTransformer{"norm.", "proj_in.", "proj_out.",
                                                       "transformer_blocks."};

std::optional<std::string> respell(std::span<const Spelling> spellings, std::string_view rest) {
  for (const Spelling& spelling : spellings) {
    if (rest.starts_with(spelling.native)) {
      return fmt::format("{}{}", spelling.diffusers, rest.substr(spelling.native.size()));
    }
  }
  return {};
}

// Where a native block stands among diffusers' blocks.
struct Place {
  int level = 0, index = 0;
};

// Native blocks are numbered through; diffusers counts levels, and blocks within a level.
class Blocks {
 public:
  explicit Blocks(std::span<const std::string> names) {
    for (const std::string& name : names) note(name);
    Place place;
    // The first block is the convolution in front.
    for (int block = 1; inputs_.contains(block); ++block) {
      down_[block] = place;
      ++place.index;
      if (inputs_[block].resamples) place = {place.level + 1, 0};
    }
    place = {};
    for (int block = 0; outputs_.contains(block); ++block) {
      up_[block] = place;
      ++place.index;
      if (outputs_[block].resamples) place = {place.level + 1, 0};
    }
  }

  std::optional<std::string> diffusers(std::string_view name) const;

 private:
  struct Block {
    bool resamples = false;  // goes to the next level behind it
  };

  // "input_blocks.4.1.proj_in.weight" in its parts.
  struct Parts {
    std::string_view side;
    int block = 0, slot = 0;
    std::string_view rest;
  };
  static std::optional<Parts> split(std::string_view name, std::string_view side);
  static std::optional<int> take_number(std::string_view& text);

  void note(std::string_view name) {
    if (const auto parts = split(name, "input_blocks.")) {
      inputs_[parts->block].resamples |= parts->rest.starts_with("op.");
    } else if (const auto output = split(name, "output_blocks.")) {
      outputs_[output->block].resamples |= output->rest.starts_with("conv.");
    }
  }

  std::unordered_map<int, Block> inputs_, outputs_;
  std::unordered_map<int, Place> down_, up_;
};

std::optional<int> Blocks::take_number(std::string_view& text) {
  const std::size_t dot = text.find('.');
  if (dot == 0 || dot > 4) return {};
  int number = 0;
  for (const char digit : text.substr(0, dot)) {
    if (digit < '0' || digit > '9') return {};
    number = number * 10 + (digit - '0');
  }
  text.remove_prefix(dot + 1);
  return number;
}

std::optional<Blocks::Parts> Blocks::split(std::string_view name, std::string_view side) {
  if (!name.starts_with(side)) return {};
  Parts parts{.side = side, .rest = name.substr(side.size())};
  const auto block = take_number(parts.rest);
  const auto slot = block ? take_number(parts.rest) : std::nullopt;
  if (!slot) return {};
  parts.block = *block;
  parts.slot = *slot;
  return parts;
}

std::optional<std::string> member(std::string_view block, int index, int slot,
                                  std::string_view rest) {
  if (const auto inner = respell(kResBlock, rest))
    return fmt::format("{}.resnets.{}.{}", block, index, *inner);
  for (const std::string_view part : kTransformer) {
    if (slot > 0 && rest.starts_with(part))
      return fmt::format("{}.attentions.{}.{}", block, index, rest);
  }
  return {};
}

std::optional<std::string> Blocks::diffusers(std::string_view name) const {
  if (const auto parts = split(name, "input_blocks."); parts && down_.contains(parts->block)) {
    const Place place = down_.at(parts->block);
    const std::string block = fmt::format("down_blocks.{}", place.level);
    if (parts->rest.starts_with("op.")) {
      return fmt::format("{}.downsamplers.0.conv.{}", block, parts->rest.substr(3));
    }
    return member(block, place.index, parts->slot, parts->rest);
  }
  if (const auto parts = split(name, "output_blocks."); parts && up_.contains(parts->block)) {
    const Place place = up_.at(parts->block);
    const std::string block = fmt::format("up_blocks.{}", place.level);
    if (parts->rest.starts_with("conv."))
      return fmt::format("{}.upsamplers.0.{}", block, parts->rest);
    return member(block, place.index, parts->slot, parts->rest);
  }
  std::string_view rest = name;
  if (!rest.starts_with("middle_block.")) return {};
  rest.remove_prefix(std::string_view{"middle_block."}.size());
  const auto slot = take_number(rest);
  if (!slot) return {};
  // ResBlock, transformer, ResBlock.
  return member("mid_block", *slot / 2, *slot, rest);
}

}  // namespace

std::vector<KeyRow> diffusers_unet_keys(std::span<const std::string> names) {
  const Blocks blocks{names};
  std::vector<KeyRow> rows;
  for (const std::string& name : names) {
    for (const Spelling& top : kTop) {
      if (!name.starts_with(top.native)) continue;
      rows.push_back({name, fmt::format("{}{}", top.diffusers, name.substr(top.native.size()))});
    }
    if (auto theirs = blocks.diffusers(name)) rows.push_back({name, std::move(*theirs)});
  }
  return rows;
}

}  // namespace comfy::checkpoint
