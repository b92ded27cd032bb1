// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/conditioning/control.h"
#include "inference/tensor/tensor.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace comfy::conditioning {

/// A part of the picture in latent pixels: height and width (video: frames, height, width) and
/// where it begins.
struct AbsoluteArea {
  std::vector<std::int64_t> size;
  std::vector<std::int64_t> offset;
  bool operator==(const AbsoluteArea&) const = default;
};

/// The same in parts of the whole, 0..1.
struct RelativeArea {
  std::vector<double> size;
  std::vector<double> offset;
  bool operator==(const RelativeArea&) const = default;
};

using Area = std::variant<std::monostate, AbsoluteArea, RelativeArea>;

/// Whether a mask also limits the area that the network sees to the mask's bounding box.
enum class MaskBounds { whole, bounding_box };

/// A named extra of an entry that only some models read ("width", "guidance", "unclip_conditioning"
/// ...).
using Field = std::variant<double, std::string, Tensor, std::vector<Tensor>>;

/// One prompt, where and when it holds, and how much.
struct Entry {
  Tensor cond;         ///< [B, L, D]
  Tensor pooled = {};  ///< [B, P]; empty when the encoder has none
  Area area = {};
  double strength = 1.0;
  Tensor mask = {};  ///< [H, W] or [B, H, W], any size; 1 = holds here
  double mask_strength = 1.0;
  MaskBounds mask_bounds = MaskBounds::whole;
  std::optional<double> start_percent = {};  ///< part of sampling before which it does not hold
  std::optional<double> end_percent = {};    ///< part of sampling after which it does not hold
  Tensor concat_latent_image = {};  ///< what inpainting and editing models see beside the sample
  Tensor concat_mask = {};          ///< [B, 1, H, W], 1 = paint anew
  std::shared_ptr<const Control> control = {};
  bool control_applies_to_uncond = false;  ///< old ControlNets are copied to the negative side
  std::map<std::string, Field, std::less<>> fields = {};

  /// The field as that type, or `fallback` when it is absent or of another type.
  double number(std::string_view name, double fallback) const;
  Tensor tensor(std::string_view name) const;
};

/// What travels on CONDITIONING sockets: entries whose predictions are blended.
using Conditioning = std::vector<Entry>;

/// Both lists, one after the other.
Conditioning combine(const Conditioning& first, const Conditioning& second);
/// Every entry of `to` with the first entry of `from` appended along the tokens.
/// Throws Error(invalid_input) when `from` is empty.
Conditioning concat(const Conditioning& to, const Conditioning& from);
/// Every entry of `to` blended with the first entry of `from`; strength is the part of `to`.
/// Shorter texts are padded with zeros, longer `from` texts are cut. Throws as concat.
Conditioning average(const Conditioning& to, const Conditioning& from, double strength);
/// width, height, x and y in pixels of the picture.
struct PixelArea {
  std::int64_t width = 64, height = 64, x = 0, y = 0;
};
Conditioning set_area(Conditioning conditioning, const PixelArea& area, double strength);
/// size: height and width, offset: y and x, as parts of the whole (video: frames first).
Conditioning set_area(Conditioning conditioning, const RelativeArea& area, double strength);
Conditioning set_area_strength(Conditioning conditioning, double strength);
Conditioning set_mask(Conditioning conditioning, const Tensor& mask, double strength,
                      MaskBounds bounds);
Conditioning set_timestep_range(Conditioning conditioning, double start, double end);
/// Zeros in place of text and pooled encoding.
Conditioning zero_out(Conditioning conditioning);
/// Sets a named field on every entry.
Conditioning set_field(Conditioning conditioning, const std::string& name, const Field& value);

}  // namespace comfy::conditioning
