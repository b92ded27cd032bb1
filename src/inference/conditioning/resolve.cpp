// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/resolve.h"

#include "inference/conditioning/batch.h"
#include "inference/tensor/ops.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace comfy::conditioning {

namespace {

constexpr std::int64_t kSmallestSide = 8;  // of an area that a mask's bounds give

std::optional<AbsoluteArea> absolute(const Area& area, const Shape& sizes) {
  if (const auto* pixels = std::get_if<AbsoluteArea>(&area)) return *pixels;
  const auto* parts = std::get_if<RelativeArea>(&area);
  if (!parts) return {};
  AbsoluteArea result;
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
    const auto whole = static_cast<double>(sizes[axis]);
    result.size.push_back(std::max<std::int64_t>(1, std::llrint(parts->size[axis] * whole)));
    result.offset.push_back(std::llrint(parts->offset[axis] * whole));
  }
  return result;
}

/// The smallest area that holds the mask, no side under kSmallestSide.
AbsoluteArea bounds_of(const Tensor& mask) {
  const Tensor places = std::get<0>(mask.abs().max(0)).nonzero();  // [N, 2]
  if (places.size(0) == 0) return {{kSmallestSide, kSmallestSide}, {0, 0}};
  AbsoluteArea area;
  for (std::int64_t axis = 0; axis < 2; ++axis) {
    const auto low = places.select(1, axis).min().item<std::int64_t>();
    const auto high = places.select(1, axis).max().item<std::int64_t>();
    area.size.push_back(std::max(kSmallestSide, high - low + 1));
    area.offset.push_back(low);
  }
  return area;
}

/// With dimensions in front that it covers wholly, as an area of a picture in a video.
AbsoluteArea with_dimensions(AbsoluteArea area, std::size_t count) {
  while (area.size.size() < count) {
    area.size.insert(area.size.begin(), std::numeric_limits<std::int32_t>::max());
    area.offset.insert(area.offset.begin(), 0);
  }
  return area;
}

bool lies_inside(const AbsoluteArea& inner, const AbsoluteArea& outer) {
  const AbsoluteArea a = with_dimensions(inner, outer.size.size());
  const AbsoluteArea b = with_dimensions(outer, inner.size.size());
  for (std::size_t axis = 0; axis < a.size.size(); ++axis) {
    if (a.offset[axis] < b.offset[axis]) return false;
    if (a.size[axis] + a.offset[axis] > b.size[axis] + b.offset[axis]) return false;
  }
  return true;
}

std::int64_t volume(const AbsoluteArea& area) {
  return std::accumulate(area.size.begin(), area.size.end(), std::int64_t{1}, std::multiplies<>{});
}

/// The entry with the smallest area around `area`; one without an area is the largest.
const ResolvedEntry* smallest_around(const ResolvedConditioning& list, const AbsoluteArea& area) {
  const ResolvedEntry* smallest = nullptr;
  for (const ResolvedEntry& entry : list) {
    if (!entry.area) {
      if (!smallest) smallest = &entry;
      continue;
    }
    if (!lies_inside(area, *entry.area)) continue;
    if (!smallest || !smallest->area || volume(*smallest->area) > volume(*entry.area))
      smallest = &entry;
  }
  return smallest;
}

/// Gives `list` an entry of this one's area, with the text of what covers it there.
void cover_area_of(const ResolvedEntry& other, ResolvedConditioning& list) {
  if (!other.area) return;
  const ResolvedEntry* around = smallest_around(list, *other.area);
  if (!around || (around->area && *around->area == *other.area)) return;
  ResolvedEntry copy = other;
  copy.inputs = around->inputs;
  list.push_back(std::move(copy));
}

/// Spreads the positive side's ControlNets over the negative entries without an area.
void copy_controls(const ResolvedConditioning& positive, ResolvedConditioning& negative) {
  std::vector<std::shared_ptr<const Control>> controls;
  for (const ResolvedEntry& entry : positive) {
    if (entry.control && entry.control_applies_to_uncond && !entry.area)
      controls.push_back(entry.control);
  }
  std::vector<std::size_t> without;
  for (std::size_t i = 0; i < negative.size(); ++i) {
    if (negative[i].area) continue;
    if (negative[i].control) return;  // it has its own
    without.push_back(i);
  }
  if (without.empty()) return;
  for (std::size_t i = 0; i < controls.size(); ++i) {
    ResolvedEntry copy = negative[without[i % without.size()]];
    copy.control = controls[i];
    if (i < without.size()) {
      negative[without[i]] = std::move(copy);
    } else {
      negative.push_back(std::move(copy));
    }
  }
}

ResolvedEntry resolved(const models::Model& model, const sampling::ModelSampling& sampling,
                       const Entry& entry, Side side, const RunShape& run) {
  const Shape sizes(run.latent.begin() + 2, run.latent.end());
  ResolvedEntry result{.inputs = model_inputs(model, entry, side, run),
                       .area = absolute(entry.area, sizes),
                       .strength = entry.strength,
                       .mask_strength = entry.mask_strength,
                       .control = entry.control,
                       .control_applies_to_uncond = entry.control_applies_to_uncond};
  if (entry.start_percent) result.start_sigma = sampling.percent_to_sigma(*entry.start_percent);
  if (entry.end_percent) result.end_sigma = sampling.percent_to_sigma(*entry.end_percent);
  if (entry.mask.defined()) {
    const Tensor mask = entry.mask.dim() == 2 ? entry.mask.unsqueeze(0) : entry.mask;
    result.mask = resized_mask(mask, sizes[sizes.size() - 2], sizes.back());
    if (entry.mask_bounds == MaskBounds::bounding_box) result.area = bounds_of(result.mask);
  }
  return result;
}

}  // namespace

std::vector<ResolvedConditioning> resolve(const models::Model& model,
                                          const sampling::ModelSampling& sampling,
                                          const std::vector<Conditioning>& lists,
                                          const RunShape& run) {
  std::vector<ResolvedConditioning> result(lists.size());
  for (std::size_t k = 0; k < lists.size(); ++k) {
    const Side side = k == 0 ? Side::positive : Side::negative;
    for (const Entry& entry : lists[k])
      result[k].push_back(resolved(model, sampling, entry, side, run));
  }
  for (std::size_t k = 0; k < result.size(); ++k) {
    for (std::size_t i = 0; i < result[k].size(); ++i) {
      for (std::size_t other = 0; other < result.size(); ++other) {
        if (other != k) cover_area_of(ResolvedEntry{result[k][i]}, result[other]);
      }
    }
  }
  for (std::size_t k = 1; k < result.size(); ++k) copy_controls(result[0], result[k]);
  return result;
}

}  // namespace comfy::conditioning
