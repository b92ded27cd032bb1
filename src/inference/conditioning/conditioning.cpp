// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/conditioning.h"

#include "foundation/base/error.h"
#include "inference/tensor/ops.h"

namespace comfy::conditioning {

namespace {

constexpr std::int64_t kLatentPixel = 8;  // picture pixels, in the units of area nodes

const Entry& first_of(const Conditioning& from) {
  if (from.empty()) {
    throw Error{Error::Kind::invalid_input,
                "conditioning_from must hold at least one entry, got none"};
  }
  return from.front();
}

/// The first `length` tokens, filled up with zeros.
Tensor with_length(const Tensor& cond, std::int64_t length) {
  const Tensor cut = cond.slice(1, 0, length);
  const std::int64_t missing = length - cut.size(1);
  if (missing == 0) return cut;
  return at::cat({cut, cut.new_zeros({cut.size(0), missing, cut.size(2)})}, 1);
}

template <class Change>
Conditioning changed(Conditioning conditioning, const Change& change) {
  for (Entry& entry : conditioning) change(entry);
  return conditioning;
}

}  // namespace

double Entry::number(std::string_view name, double fallback) const {
  const auto found = fields.find(name);
  const double* value = found == fields.end() ? nullptr : std::get_if<double>(&found->second);
  return value ? *value : fallback;
}

Tensor Entry::tensor(std::string_view name) const {
  const auto found = fields.find(name);
  const Tensor* value = found == fields.end() ? nullptr : std::get_if<Tensor>(&found->second);
  return value ? *value : Tensor{};
}

Conditioning combine(const Conditioning& first, const Conditioning& second) {
  Conditioning both = first;
  both.insert(both.end(), second.begin(), second.end());
  return both;
}

Conditioning concat(const Conditioning& to, const Conditioning& from) {
  const Tensor appended = first_of(from).cond;
  return changed(to, [&](Entry& entry) { entry.cond = at::cat({entry.cond, appended}, 1); });
}

Conditioning average(const Conditioning& to, const Conditioning& from, double strength) {
  const Entry& other = first_of(from);
  const auto blend = [strength](const Tensor& a, const Tensor& b) {
    return a * strength + b * (1.0 - strength);
  };
  return changed(to, [&](Entry& entry) {
    entry.cond = blend(entry.cond, with_length(other.cond, entry.cond.size(1)));
    if (!other.pooled.defined()) return;
    entry.pooled = blend(entry.pooled.defined() ? entry.pooled : other.pooled, other.pooled);
  });
}

Conditioning set_area(Conditioning conditioning, const PixelArea& area, double strength) {
  const AbsoluteArea latent{.size = {area.height / kLatentPixel, area.width / kLatentPixel},
                            .offset = {area.y / kLatentPixel, area.x / kLatentPixel}};
  return changed(std::move(conditioning), [&](Entry& entry) {
    entry.area = latent;
    entry.strength = strength;
    entry.mask_bounds = MaskBounds::whole;
  });
}

Conditioning set_area(Conditioning conditioning, const RelativeArea& area, double strength) {
  return changed(std::move(conditioning), [&](Entry& entry) {
    entry.area = area;
    entry.strength = strength;
    entry.mask_bounds = MaskBounds::whole;
  });
}

Conditioning set_area_strength(Conditioning conditioning, double strength) {
  return changed(std::move(conditioning), [&](Entry& entry) { entry.strength = strength; });
}

Conditioning set_mask(Conditioning conditioning, const Tensor& mask, double strength,
                      MaskBounds bounds) {
  return changed(std::move(conditioning), [&](Entry& entry) {
    entry.mask = mask.dim() < 3 ? mask.unsqueeze(0) : mask;
    entry.mask_strength = strength;
    entry.mask_bounds = bounds;
  });
}

Conditioning set_timestep_range(Conditioning conditioning, double start, double end) {
  return changed(std::move(conditioning), [&](Entry& entry) {
    entry.start_percent = start;
    entry.end_percent = end;
  });
}

Conditioning zero_out(Conditioning conditioning) {
  return changed(std::move(conditioning), [](Entry& entry) {
    entry.cond = at::zeros_like(entry.cond);
    if (entry.pooled.defined()) entry.pooled = at::zeros_like(entry.pooled);
  });
}

Conditioning set_field(Conditioning conditioning, const std::string& name, const Field& value) {
  return changed(std::move(conditioning),
                 [&](Entry& entry) { entry.fields.insert_or_assign(name, value); });
}

}  // namespace comfy::conditioning
