// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/lora.h"

#include "foundation/base/error.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <array>
#include <unordered_set>

namespace comfy::checkpoint {
namespace {

/// How a low-rank pair is spelled behind a module's name.
struct LowRankStyle {
  std::string_view up, down, mid;
};

constexpr std::array kLowRankStyles{
    LowRankStyle{".lora_up.weight", ".lora_down.weight", ".lora_mid.weight"},
    LowRankStyle{"_lora.up.weight", "_lora.down.weight", {}},
    LowRankStyle{".lora_B.weight", ".lora_A.weight", {}},
    LowRankStyle{".lora.up.weight", ".lora.down.weight", {}},
    LowRankStyle{".lora_B", ".lora_A", {}},
    LowRankStyle{".lora_linear_layer.up.weight", ".lora_linear_layer.down.weight", {}},
    LowRankStyle{".lora_B.default.weight", ".lora_A.default.weight", {}},
};

// The tensors of a LoRA file, with a note of which have been taken.
class LoraFile {
 public:
  explicit LoraFile(const TensorSource& source)
      : source_{source}, taken_(source.tensors().size()) {}

  bool has(const std::string& name) const { return source_.find(name).has_value(); }

  // Empty when there is none.
  Tensor take(const std::string& name) {
    const auto index = source_.find(name);
    if (!index) return {};
    taken_[*index] = true;
    return source_.read(*index);
  }

  Tensor need(const std::string& name, const std::string& because_of) {
    Tensor tensor = take(name);
    if (tensor.defined()) return tensor;
    throw Error(Error::Kind::invalid_input,
                fmt::format("expected a tensor \"{}\" beside \"{}\" in the LoRA, found none", name,
                            because_of));
  }

  std::optional<double> take_number(const std::string& name) {
    const Tensor tensor = take(name);
    if (!tensor.defined()) return {};
    if (tensor.numel() != 1) {
      throw Error(Error::Kind::invalid_input,
                  fmt::format("expected one number as \"{}\", found {}", name, tensor.numel()));
    }
    return tensor.item<double>();
  }

  std::vector<std::string> left() const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < taken_.size(); ++i) {
      if (!taken_[i]) names.push_back(source_.tensors()[i].name);
    }
    return names;
  }

  const std::string& identity() const { return source_.identity(); }

 private:
  const TensorSource& source_;
  std::vector<bool> taken_;
};

// What every kind of adapter may have besides its own tensors.
struct Extras {
  std::optional<double> alpha;
  Tensor dora_scale;
};

std::optional<Adapter> read_low_rank(LoraFile& file, const std::string& x, const Extras& extras) {
  for (const LowRankStyle& style : kLowRankStyles) {
    const std::string up = fmt::format("{}{}", x, style.up);
    if (!file.has(up)) continue;
    LowRank adapter{.up = file.take(up),
                    .down = file.need(fmt::format("{}{}", x, style.down), up),
                    .mid = {},
                    .alpha = extras.alpha,
                    .dora_scale = extras.dora_scale,
                    .reshape = {}};
    if (!style.mid.empty()) adapter.mid = file.take(fmt::format("{}{}", x, style.mid));
    const Tensor shape = file.take(x + ".reshape_weight");
    if (shape.defined()) {
      const Tensor sizes = shape.to(at::kLong).flatten().contiguous();
      adapter.reshape.assign(sizes.const_data_ptr<std::int64_t>(),
                             sizes.const_data_ptr<std::int64_t>() + sizes.numel());
    }
    return adapter;
  }
  return {};
}

std::optional<Adapter> read_hadamard(LoraFile& file, const std::string& x, const Extras& extras) {
  const std::string first = x + ".hada_w1_a";
  if (!file.has(first)) return {};
  Hadamard adapter{.w1a = file.take(first),
                   .w1b = file.need(x + ".hada_w1_b", first),
                   .w2a = file.need(x + ".hada_w2_a", first),
                   .w2b = file.need(x + ".hada_w2_b", first),
                   .t1 = file.take(x + ".hada_t1"),
                   .t2 = {},
                   .alpha = extras.alpha,
                   .dora_scale = extras.dora_scale};
  if (adapter.t1.defined()) adapter.t2 = file.need(x + ".hada_t2", x + ".hada_t1");
  return adapter;
}

std::optional<Adapter> read_kronecker(LoraFile& file, const std::string& x, const Extras& extras) {
  Kronecker adapter{.w1 = file.take(x + ".lokr_w1"),
                    .w2 = file.take(x + ".lokr_w2"),
                    .w1a = file.take(x + ".lokr_w1_a"),
                    .w1b = file.take(x + ".lokr_w1_b"),
                    .w2a = file.take(x + ".lokr_w2_a"),
                    .w2b = file.take(x + ".lokr_w2_b"),
                    .t2 = file.take(x + ".lokr_t2"),
                    .alpha = extras.alpha,
                    .dora_scale = extras.dora_scale};
  if (!adapter.w1.defined() && !adapter.w2.defined() && !adapter.w1a.defined() &&
      !adapter.w2a.defined())
    return {};
  const auto complete = [&](const Tensor& whole, const Tensor& a, const Tensor& b,
                            const char* side) {
    if (whole.defined() || (a.defined() && b.defined())) return;
    throw Error(Error::Kind::invalid_input,
                fmt::format("expected tensors \"{0}.{1}\", or \"{0}.{1}_a\" and \"{0}.{1}_b\", in "
                            "the LoRA, found neither",
                            x, side));
  };
  complete(adapter.w1, adapter.w1a, adapter.w1b, "lokr_w1");
  complete(adapter.w2, adapter.w2a, adapter.w2b, "lokr_w2");
  return adapter;
}

std::optional<Adapter> read_glora(LoraFile& file, const std::string& x, const Extras& extras) {
  const std::string first = x + ".a1.weight";
  if (!file.has(first)) return {};
  return Glora{.a1 = file.take(first),
               .a2 = file.need(x + ".a2.weight", first),
               .b1 = file.need(x + ".b1.weight", first),
               .b2 = file.need(x + ".b2.weight", first),
               .alpha = extras.alpha,
               .dora_scale = extras.dora_scale};
}

// Three dimensions are plain blocks, four a butterfly's.
std::optional<Adapter> read_rotation(LoraFile& file, const std::string& x, const Extras& extras) {
  const Tensor blocks = file.take(x + ".oft_blocks");
  if (!blocks.defined()) return {};
  const Tensor rescale = file.take(x + ".rescale");
  if (blocks.dim() == 3)
    return Rotation{.blocks = blocks, .alpha = extras.alpha, .dora_scale = extras.dora_scale};
  if (blocks.dim() == 4) {
    return Butterfly{.blocks = blocks,
                     .rescale = rescale,
                     .alpha = extras.alpha,
                     .dora_scale = extras.dora_scale};
  }
  throw Error(
      Error::Kind::invalid_input,
      fmt::format("expected 3 or 4 dimensions of \"{}.oft_blocks\", found {}", x, blocks.dim()));
}

constexpr std::array kReaders{read_low_rank, read_hadamard, read_kronecker, read_glora,
                              read_rotation};

// Suffixes behind a module's name; a key without any of them in the file need not be tried.
constexpr std::array<std::string_view, 10> kOtherSuffixes{
    ".hada_w1_a", ".lokr_w1",    ".lokr_w2", ".lokr_w1_a", ".lokr_w2_a",
    ".a1.weight", ".oft_blocks", ".w_norm",  ".b_norm",    ".diff"};
constexpr std::array<std::string_view, 2> kPlainSuffixes{".diff_b", ".set_weight"};

std::unordered_set<std::string> modules_of(const TensorSource& file) {
  std::unordered_set<std::string> modules;
  const auto note = [&](std::string_view name, std::string_view suffix) {
    if (name.ends_with(suffix)) modules.emplace(name.substr(0, name.size() - suffix.size()));
  };
  for (const TensorInfo& tensor : file.tensors()) {
    for (const LowRankStyle& style : kLowRankStyles) note(tensor.name, style.up);
    for (const std::string_view suffix : kOtherSuffixes) note(tensor.name, suffix);
    for (const std::string_view suffix : kPlainSuffixes) note(tensor.name, suffix);
  }
  return modules;
}

// Collects patches; a second one for the same place takes the first one's.
class Collector {
 public:
  explicit Collector(std::string identity) : identity_{std::move(identity)} {}

  void add(const LoraTarget& target, const std::string& x, Adapter adapter) {
    const TensorPart part = target.part.value_or(TensorPart{-1, 0, 0});
    const std::string place =
        fmt::format("{}|{}|{}|{}", target.tensor, part.dim, part.start, part.length);
    Patch patch{.tensor = target.tensor,
                .part = target.part,
                .adapter = std::make_shared<const Adapter>(std::move(adapter)),
                .adapter_key = fmt::format("{}/{}", identity_, x)};
    const auto [found, is_new] = by_place_.try_emplace(place, patches_.size());
    if (is_new) {
      patches_.push_back(std::move(patch));
    } else {
      patches_[found->second] = std::move(patch);
    }
  }

  std::vector<Patch> take() { return std::move(patches_); }

 private:
  std::string identity_;
  std::vector<Patch> patches_;
  std::unordered_map<std::string, std::size_t> by_place_;
};

// Biases have no names of their own in LoRA files.
std::optional<LoraTarget> bias_of(const LoraTarget& target) {
  constexpr std::string_view kWeight = ".weight";
  if (!target.tensor.ends_with(kWeight)) return {};
  return LoraTarget{
      .tensor = target.tensor.substr(0, target.tensor.size() - kWeight.size()) + ".bias",
      .part = target.part};
}

void read_plain_changes(LoraFile& file, const std::string& x, const LoraTarget& target,
                        Collector& patches) {
  const auto bias = bias_of(target);
  for (const char* suffix : {".w_norm", ".diff"}) {
    if (Tensor value = file.take(x + suffix); value.defined())
      patches.add(target, x + suffix, Difference{.value = value});
  }
  for (const char* suffix : {".b_norm", ".diff_b"}) {
    if (!bias) continue;
    if (Tensor value = file.take(x + suffix); value.defined())
      patches.add(*bias, x + suffix, Difference{.value = value});
  }
  if (Tensor value = file.take(x + ".set_weight"); value.defined()) {
    patches.add(target, x + ".set_weight", Replacement{.value = value});
  }
}

}  // namespace

Lora load_lora(const SourcePtr& source, const LoraKeys& keys) {
  LoraFile file{*source};
  Collector patches{source->identity()};
  const std::unordered_set<std::string> modules = modules_of(*source);
  for (const auto& [x, target] : keys.rows()) {
    if (!modules.contains(x)) continue;
    const Extras extras{.alpha = file.take_number(x + ".alpha"),
                        .dora_scale = file.take(x + ".dora_scale")};
    for (const auto& read : kReaders) {
      if (auto adapter = read(file, x, extras)) patches.add(target, x, std::move(*adapter));
    }
    read_plain_changes(file, x, target, patches);
  }
  return {.patches = patches.take(), .unused = file.left()};
}

std::vector<Patch> scaled(const Lora& lora, double strength, const Weights& scope) {
  const std::string prefix = scope.scope().empty() ? std::string{} : scope.scope() + ".";
  std::vector<Patch> result;
  for (const Patch& patch : lora.patches) {
    if (!patch.tensor.starts_with(prefix) || !scope.source()->find(patch.tensor)) continue;
    result.push_back(patch);
    result.back().strength = strength;
  }
  return result;
}

Weights with_lora(const Weights& weights, const Lora& lora, double strength) {
  return weights.with(
      std::make_shared<const PatchSet>(weights.patches(), scaled(lora, strength, weights)));
}

}  // namespace comfy::checkpoint
