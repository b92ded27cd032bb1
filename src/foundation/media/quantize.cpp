// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/quantize.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <unordered_map>
#include <utility>

namespace comfy::media {
namespace {

/// Different colours with one number count as one: Pillow compares these numbers.
std::uint32_t number_of(const Colour& colour, int shift) {
  const auto part = [&](std::size_t i) { return static_cast<std::uint32_t>(colour[i] >> shift); };
  return (part(0) * 463U) ^ ((part(1) << 8U) * 10069U) ^ ((part(2) << 16U) * 64997U);
}

struct Counted {
  Colour colour{};
  std::uint32_t count = 0;
};

using Histogram = std::unordered_map<std::uint32_t, Counted>;

/// The colours of a picture, their lowest bits dropped until there are few enough.
struct Colours {
  static constexpr std::size_t kMost = 65536;
  Histogram histogram;
  int shift = 0;

  void add(const Colour& colour, std::uint32_t count) {
    Counted& counted =
        histogram.try_emplace(number_of(colour, shift), Counted{colour, 0}).first->second;
    counted.count += count;
  }

  explicit Colours(const std::vector<Colour>& pixels) {
    for (const Colour& pixel : pixels) {
      add(pixel, 1);
      while (histogram.size() > kMost) {
        ++shift;
        for (const auto& [number, counted] : std::exchange(histogram, {}))
          add(counted.colour, counted.count);
      }
    }
  }
};

std::vector<Colour> pixels_of(const Picture& picture) {
  std::vector<Colour> pixels;
  pixels.reserve(picture.pixels.size() / 3);
  for (std::size_t i = 0; i + 2 < picture.pixels.size(); i += 3)
    pixels.push_back({picture.pixels[i], picture.pixels[i + 1], picture.pixels[i + 2]});
  return pixels;
}

/// Colours that lie together; one that was cut has its two halves in place of them.
struct Box {
  std::vector<Counted> colours;
  std::uint32_t pixels = 0;
  std::optional<std::pair<std::size_t, std::size_t>> halves = {};

  std::pair<int, int> range(std::size_t axis) const {
    const auto [low, high] = std::minmax_element(
        colours.begin(), colours.end(),
        [axis](const Counted& a, const Counted& b) { return a.colour[axis] < b.colour[axis]; });
    return {low->colour[axis], high->colour[axis]};
  }
  bool is_one_colour() const {
    for (std::size_t axis = 0; axis < 3; ++axis)
      if (const auto [low, high] = range(axis); low != high) return false;
    return true;
  }
  /// The axis of the largest range, as bright as it looks.
  std::size_t longest_axis() const {
    constexpr std::array<int, 3> kBrightness{77, 150, 29};
    std::size_t best = 0;
    int longest = -1;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const auto [low, high] = range(axis);
      const int length = (high - low) * kBrightness[axis];
      if (length > longest) best = axis;
      longest = std::max(longest, length);
    }
    return best;
  }
};

/// Boxes by how many pixels they hold. Which of two equal ones comes first decides about colours,
/// so this is Pillow's heap and not the standard library's.
class LargestFirst {
 public:
  explicit LargestFirst(const std::vector<Box>& boxes) : boxes_{boxes} {}

  bool empty() const { return heap_.size() == 1; }
  void add(std::size_t box) {
    heap_.push_back(box);
    std::size_t k = heap_.size() - 1;
    for (; k != 1 && size(box) > size(heap_[k / 2]); k /= 2) heap_[k] = heap_[k / 2];
    heap_[k] = box;
  }
  std::size_t take() {
    const std::size_t largest = heap_[1];
    const std::size_t moved = heap_.back();
    heap_.pop_back();
    const std::size_t count = heap_.size() - 1;
    if (count == 0) return largest;
    std::size_t k = 1;
    while (k * 2 <= count) {
      std::size_t child = k * 2;
      if (child < count && size(heap_[child]) < size(heap_[child + 1])) ++child;
      if (size(moved) > size(heap_[child])) break;
      heap_[k] = heap_[child];
      k = child;
    }
    heap_[k] = moved;
    return largest;
  }

 private:
  std::uint32_t size(std::size_t box) const { return boxes_[box].pixels; }
  const std::vector<Box>& boxes_;
  std::vector<std::size_t> heap_{0};  // from 1 on
};

/// Where a box is cut: colours from there on, in falling order, are the right half.
std::size_t cut_of(const Box& box, std::size_t axis) {
  std::uint32_t left = 0;
  std::size_t cut = 0;
  while (cut < box.colours.size()) {
    left += box.colours[cut++].count;
    if (left * 2 > box.pixels) break;
  }
  const auto value = [&](std::size_t i) { return box.colours[i].colour[axis]; };
  while (cut < box.colours.size() && value(cut) == value(cut - 1)) ++cut;
  if (cut < box.colours.size()) return cut;
  // All would be left: the lowest value alone goes to the right.
  while (cut > 0 && value(cut - 1) == value(box.colours.size() - 1)) --cut;
  return cut;
}

void split(std::vector<Box>& boxes, std::size_t which) {
  const std::size_t axis = boxes[which].longest_axis();
  std::stable_sort(
      boxes[which].colours.begin(), boxes[which].colours.end(),
      [axis](const Counted& a, const Counted& b) { return a.colour[axis] > b.colour[axis]; });
  const auto cut = static_cast<std::ptrdiff_t>(cut_of(boxes[which], axis));
  const std::vector<Counted> all = std::move(boxes[which].colours);
  boxes[which].colours.clear();
  const auto half = [](auto begin, auto end) {
    Box box{.colours = {begin, end}};
    for (const Counted& counted : box.colours) box.pixels += counted.count;
    return box;
  };
  boxes[which].halves = {boxes.size(), boxes.size() + 1};
  boxes.push_back(half(all.begin(), all.begin() + cut));
  boxes.push_back(half(all.begin() + cut, all.end()));
}

/// The boxes that were not cut, from left to right.
void collect(const std::vector<Box>& boxes, std::size_t which, std::vector<std::size_t>& leaves) {
  const Box& box = boxes[which];
  if (box.halves) {
    collect(boxes, box.halves->first, leaves);
    collect(boxes, box.halves->second, leaves);
  } else if (!box.colours.empty()) {
    leaves.push_back(which);
  }
}

/// Which of the palette each colour is mapped to, found when it is first asked for.
class Nearest {
 public:
  explicit Nearest(const std::vector<Colour>& palette)
      : palette_{palette}, known_(kSlots * kSlots * kSlots, kUnknown) {
    for (std::size_t i = 0; i < palette.size(); ++i) exact_.try_emplace(packed(palette[i]), i);
  }

  std::size_t operator()(const Colour& colour) {
    if (const auto same = exact_.find(packed(colour)); same != exact_.end()) return same->second;
    const auto slot = [&](std::size_t i) { return static_cast<std::size_t>(colour[i] >> 2); };
    std::int16_t& known = known_[slot(0) + kSlots * (slot(1) + kSlots * slot(2))];
    if (known == kUnknown) known = search(colour);
    return static_cast<std::size_t>(known);
  }

 private:
  static constexpr std::size_t kSlots = 64;
  static constexpr std::int16_t kUnknown = -1;

  static std::uint32_t packed(const Colour& colour) {
    return static_cast<std::uint32_t>(colour[0] << 16 | colour[1] << 8 | colour[2]);
  }
  std::int16_t search(const Colour& colour) const {
    constexpr int kSlotBits = 0xFC;
    std::size_t best = 0;
    int nearest = -1;
    for (std::size_t i = 0; i < palette_.size(); ++i) {
      int distance = 0;
      for (std::size_t c = 0; c < 3; ++c) {
        const int apart = (colour[c] & kSlotBits) - palette_[i][c];
        distance += apart * apart;
      }
      if (nearest >= 0 && distance >= nearest) continue;
      nearest = distance;
      best = i;
    }
    return static_cast<std::int16_t>(best);
  }

  const std::vector<Colour>& palette_;
  std::unordered_map<std::uint32_t, std::size_t> exact_;
  std::vector<std::int16_t> known_;
};

/// Floyd and Steinberg's diffusion along one row, in Pillow's integers.
class RowDiffusion {
 public:
  /// errors: of the row above, three for each pixel and three more; takes those of this row.
  explicit RowDiffusion(std::vector<int>& errors) : errors_{errors} {}

  std::uint8_t wanted(std::uint8_t value, std::size_t channel) const {
    return static_cast<std::uint8_t>(
        std::clamp(value + (carried_[channel] + errors_[at_ + 3 + channel]) / 16, 0, 255));
  }
  void took(int error, std::size_t channel) {
    errors_[at_ + channel] = error * 3 + below_[channel];
    below_[channel] = error * 5 + beside_[channel];
    beside_[channel] = error;
    carried_[channel] = error * 7;
  }
  void next_pixel() { at_ += 3; }
  /// Pillow keeps three numbers of the last channel where those of each channel belong.
  void end() {
    errors_[at_] = below_[2];
    errors_[at_ + 1] = beside_[2];
    errors_[at_ + 2] = beside_[2];
  }

 private:
  std::vector<int>& errors_;
  std::size_t at_ = 0;
  std::array<int, 3> carried_{}, below_{}, beside_{};
};

}  // namespace

std::vector<Colour> median_cut(const Picture& picture, int colours) {
  const std::vector<Colour> pixels = pixels_of(picture);
  const Colours counted{pixels};
  std::vector<Box> boxes(1);
  boxes[0].pixels = static_cast<std::uint32_t>(pixels.size());
  for (const auto& [number, one] : counted.histogram) {
    Colour scaled = one.colour;
    for (std::uint8_t& channel : scaled)
      channel = static_cast<std::uint8_t>(channel >> counted.shift);
    boxes[0].colours.push_back({scaled, one.count});
  }
  LargestFirst largest{boxes};
  largest.add(0);
  for (int made = 1; made < colours; ++made) {
    std::optional<std::size_t> which;
    while (!which && !largest.empty())
      if (const std::size_t taken = largest.take(); !boxes[taken].is_one_colour()) which = taken;
    if (!which) break;
    split(boxes, *which);
    largest.add(boxes[*which].halves->first);
    largest.add(boxes[*which].halves->second);
  }
  std::vector<std::size_t> leaves;
  collect(boxes, 0, leaves);
  std::unordered_map<std::uint32_t, std::size_t> leaf_of;
  for (std::size_t i = 0; i < leaves.size(); ++i)
    for (const Counted& one : boxes[leaves[i]].colours) leaf_of[number_of(one.colour, 0)] = i;
  std::vector<std::array<std::uint64_t, 4>> sums(leaves.size());
  for (const Colour& pixel : pixels) {
    auto& sum = sums[leaf_of.at(number_of(pixel, counted.shift))];
    for (std::size_t c = 0; c < 3; ++c) sum[c] += pixel[c];
    ++sum[3];
  }
  std::vector<Colour> palette;
  for (const auto& sum : sums) {
    Colour mean{};
    for (std::size_t c = 0; c < 3; ++c)
      mean[c] = static_cast<std::uint8_t>(0.5 + static_cast<double>(sum[c]) /
                                                    static_cast<double>(sum[3]));
    palette.push_back(mean);
  }
  return palette;
}

Picture in_palette(const Picture& picture, const std::vector<Colour>& palette, Dither dither) {
  Picture mapped = Picture::make(Mode::rgb, picture.width, picture.height);
  Nearest nearest{palette};
  std::vector<int> errors((static_cast<std::size_t>(picture.width) + 1) * 3, 0);
  for (int y = 0; y < picture.height; ++y) {
    RowDiffusion diffusion{errors};
    for (int x = 0; x < picture.width; ++x) {
      const std::uint8_t* from = picture.row(y) + static_cast<std::size_t>(x) * 3;
      Colour wanted{from[0], from[1], from[2]};
      if (dither == Dither::floyd_steinberg)
        for (std::size_t c = 0; c < 3; ++c) wanted[c] = diffusion.wanted(from[c], c);
      const Colour& taken = palette[nearest(wanted)];
      for (std::size_t c = 0; c < 3; ++c) {
        if (dither == Dither::floyd_steinberg) diffusion.took(wanted[c] - taken[c], c);
        mapped.row(y)[static_cast<std::size_t>(x) * 3 + c] = taken[c];
      }
      diffusion.next_pixel();
    }
    diffusion.end();
  }
  return mapped;
}

}  // namespace comfy::media
