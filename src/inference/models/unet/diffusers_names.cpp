// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/unet/diffusers_names.h"

#include "foundation/base/strings.h"
#include "inference/checkpoint/keys.h"

#include <fmt/format.h>

#include <array>
#include <optional>

namespace comfy::models::unet {
namespace {

using Spelling = std::pair<std::string_view, std::string_view>;

constexpr Spelling kTop[] = {{"conv_in.", "input_blocks.0.0."},
                             {"conv_norm_out.", "out.0."},
                             {"conv_out.", "out.2."},
                             {"time_embedding.linear_1.", "time_embed.0."},
                             {"time_embedding.linear_2.", "time_embed.2."},
                             {"add_embedding.linear_1.", "label_emb.0.0."},
                             {"add_embedding.linear_2.", "label_emb.0.2."},
                             {"class_embedding.linear_1.", "label_emb.0.0."},
                             {"class_embedding.linear_2.", "label_emb.0.2."}};

constexpr Spelling kResBlock[] = {
    {"norm1.", "in_layers.0."},          {"conv1.", "in_layers.2."},
    {"time_emb_proj.", "emb_layers.1."}, {"norm2.", "out_layers.0."},
    {"conv2.", "out_layers.3."},         {"conv_shortcut.", "skip_connection."}};

std::optional<std::string> respelled(std::string_view name, std::span<const Spelling> spellings) {
  for (const auto& [theirs, ours] : spellings) {
    if (name.starts_with(theirs)) return fmt::format("{}{}", ours, name.substr(theirs.size()));
  }
  return {};
}

/// "down_blocks.1.resnets.0.norm1.weight" in its parts.
struct Place {
  std::int64_t level = 0;
  std::string_view list;  ///< "resnets", "attentions", "downsamplers", "upsamplers"
  std::int64_t index = 0;
  std::string_view rest;
};

std::optional<Place> parse(std::string_view name, std::string_view prefix, bool has_level) {
  if (!name.starts_with(prefix)) return {};
  Place place;
  const auto number = [&](std::string_view& text) -> std::optional<std::int64_t> {
    const std::size_t dot = text.find('.');
    if (dot == 0 || dot == std::string_view::npos ||
        text.substr(0, dot).find_first_not_of("0123456789") != std::string_view::npos) {
      return {};
    }
    const std::int64_t value = std::stoll(std::string(text.substr(0, dot)));
    text.remove_prefix(dot + 1);
    return value;
  };
  place.rest = name.substr(prefix.size());
  if (has_level) {
    const auto level = number(place.rest);
    if (!level) return {};
    place.level = *level;
  }
  const std::size_t dot = place.rest.find('.');
  if (dot == std::string_view::npos) return {};
  place.list = place.rest.substr(0, dot);
  place.rest.remove_prefix(dot + 1);
  const auto index = number(place.rest);
  if (!index) return {};
  place.index = *index;
  return place;
}

/// Renames tensors of a UNet whose levels have that many residual blocks on the way down.
class Names {
 public:
  explicit Names(const checkpoint::TensorSource& file) : file_{file} {
    while (file.has_prefix(fmt::format("down_blocks.0.resnets.{}.", blocks_))) ++blocks_;
  }

  std::optional<std::string> native(std::string_view name) const {
    if (const auto top = respelled(name, kTop)) return top;
    if (const auto down = parse(name, "down_blocks.", true)) {
      return inside(*down, 1 + (blocks_ + 1) * down->level + down->index, "input_blocks");
    }
    if (const auto up = parse(name, "up_blocks.", true)) {
      return inside(*up, (blocks_ + 1) * up->level + up->index, "output_blocks");
    }
    if (const auto middle = parse(name, "mid_block.", false)) return in_the_middle(*middle);
    return {};
  }

 private:
  std::optional<std::string> inside(const Place& place, std::int64_t block,
                                    std::string_view side) const {
    if (place.list == "attentions") return fmt::format("{}.{}.1.{}", side, block, place.rest);
    if (place.list == "resnets") {
      const auto part = respelled(place.rest, kResBlock);
      return part ? std::optional(fmt::format("{}.{}.0.{}", side, block, *part)) : std::nullopt;
    }
    constexpr std::string_view kConv = "conv.";
    if (!place.rest.starts_with(kConv)) return {};
    const std::string_view rest = place.rest.substr(kConv.size());
    if (place.list == "downsamplers") {
      return fmt::format("{}.{}.0.op.{}", side, (blocks_ + 1) * (place.level + 1), rest);
    }
    if (place.list != "upsamplers") return {};
    const bool has_attention =
        file_.has_prefix(fmt::format("up_blocks.{}.attentions.", place.level));
    return fmt::format("{}.{}.{}.conv.{}", side, (blocks_ + 1) * place.level + blocks_,
                       has_attention ? 2 : 1, rest);
  }

  static std::optional<std::string> in_the_middle(const Place& place) {
    if (place.list == "attentions") return fmt::format("middle_block.1.{}", place.rest);
    const auto part = respelled(place.rest, kResBlock);
    if (place.list != "resnets" || !part) return {};
    return fmt::format("middle_block.{}.{}", 2 * place.index, *part);
  }

  const checkpoint::TensorSource& file_;
  std::int64_t blocks_ = 0;
};

}  // namespace

bool has_diffusers_names(const checkpoint::TensorSource& file) {
  return file.find("conv_in.weight").has_value() && file.has_prefix("down_blocks.0.resnets.0.") &&
         file.has_prefix("up_blocks.0.resnets.0.") && file.has_prefix("time_embedding.");
}

checkpoint::SourcePtr native_names(checkpoint::SourcePtr file) {
  const Names names(*file);
  std::vector<checkpoint::KeyRow> rows;
  for (const auto& tensor : file->tensors()) {
    if (auto ours = names.native(tensor.name)) {
      rows.push_back({.ours = std::move(*ours), .theirs = tensor.name});
    }
  }
  return checkpoint::converted_source(std::move(file), rows);
}

}  // namespace comfy::models::unet
