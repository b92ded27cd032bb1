// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/source.h"

#include "foundation/base/error.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <unordered_set>

namespace comfy::checkpoint {
namespace {

class DictionarySource final : public TensorSource {
 public:
  DictionarySource(NamedTensors tensors, Metadata metadata, std::string identity)
      : TensorSource{infos(tensors), std::move(metadata), std::move(identity)},
        values_{std::move(tensors)} {}

  Tensor read(std::size_t index) const override { return values_[index].second; }

 private:
  static std::vector<TensorInfo> infos(const NamedTensors& tensors) {
    std::vector<TensorInfo> result;
    for (const auto& [name, tensor] : tensors) {
      result.push_back({name, tensor.scalar_type(), tensor.sizes().vec()});
    }
    return result;
  }

  NamedTensors values_;
};

/// One tensor of another source.
struct Borrowed {
  SourcePtr source;
  std::size_t index;
};

class BorrowingSource final : public TensorSource {
 public:
  BorrowingSource(std::vector<TensorInfo> tensors, std::vector<Borrowed> places, Metadata metadata,
                  std::string identity)
      : TensorSource{std::move(tensors), std::move(metadata), std::move(identity)},
        places_{std::move(places)} {}

  Tensor read(std::size_t index) const override {
    return places_[index].source->read(places_[index].index);
  }
  void release(std::size_t index) const override {
    places_[index].source->release(places_[index].index);
  }

 private:
  std::vector<Borrowed> places_;
};

}  // namespace

TensorSource::TensorSource(std::vector<TensorInfo> tensors, Metadata metadata, std::string identity)
    : tensors_{std::move(tensors)},
      by_name_(tensors_.size()),
      metadata_{std::move(metadata)},
      identity_{std::move(identity)} {
  std::iota(by_name_.begin(), by_name_.end(), std::size_t{0});
  std::sort(by_name_.begin(), by_name_.end(),
            [&](std::size_t a, std::size_t b) { return tensors_[a].name < tensors_[b].name; });
  const auto same = std::adjacent_find(
      by_name_.begin(), by_name_.end(),
      [&](std::size_t a, std::size_t b) { return tensors_[a].name == tensors_[b].name; });
  if (same == by_name_.end()) return;
  throw Error(
      Error::Kind::invalid_input,
      fmt::format("expected each tensor once, two are called \"{}\"", tensors_[*same].name));
}

std::optional<std::size_t> TensorSource::find(std::string_view name) const {
  const auto found = std::lower_bound(
      by_name_.begin(), by_name_.end(), name,
      [&](std::size_t index, std::string_view wanted) { return tensors_[index].name < wanted; });
  if (found == by_name_.end() || tensors_[*found].name != name) return {};
  return *found;
}

std::vector<std::size_t> TensorSource::with_prefix(std::string_view prefix) const {
  const auto first = std::lower_bound(
      by_name_.begin(), by_name_.end(), prefix,
      [&](std::size_t index, std::string_view wanted) { return tensors_[index].name < wanted; });
  const auto last = std::find_if_not(first, by_name_.end(), [&](std::size_t index) {
    return tensors_[index].name.starts_with(prefix);
  });
  std::vector<std::size_t> found{first, last};
  std::sort(found.begin(), found.end());
  return found;
}

bool TensorSource::has_prefix(std::string_view prefix) const {
  const auto first = std::lower_bound(
      by_name_.begin(), by_name_.end(), prefix,
      [&](std::size_t index, std::string_view wanted) { return tensors_[index].name < wanted; });
  return first != by_name_.end() && tensors_[*first].name.starts_with(prefix);
}

void TensorSource::release(std::size_t) const {}

SourcePtr dictionary_source(NamedTensors tensors, Metadata metadata) {
  // Memory has no identity that outlives it: every dictionary gets a number of its own.
  static std::atomic<std::uint64_t> made = 0;
  return std::make_shared<DictionarySource>(std::move(tensors), std::move(metadata),
                                            fmt::format("memory:{}", ++made));
}

SourcePtr joined_source(std::vector<SourcePtr> sources) {
  std::vector<TensorInfo> infos;
  std::vector<Borrowed> places;
  Metadata metadata;
  std::unordered_set<std::string> names;
  std::string identity = "joined:";
  for (const SourcePtr& source : sources) {
    for (std::size_t i = 0; i < source->tensors().size(); ++i) {
      const TensorInfo& info = source->tensors()[i];
      if (!names.insert(info.name).second) continue;
      infos.push_back(info);
      places.push_back({source, i});
    }
    metadata.insert(source->metadata().begin(), source->metadata().end());
    identity += fmt::format("({})", source->identity());
  }
  return std::make_shared<BorrowingSource>(std::move(infos), std::move(places), std::move(metadata),
                                           std::move(identity));
}

SourcePtr renamed_source(SourcePtr source, std::string_view from, std::string_view to) {
  std::vector<TensorInfo> infos = source->tensors();
  std::vector<Borrowed> places;
  for (std::size_t i = 0; i < infos.size(); ++i) {
    std::string& name = infos[i].name;
    if (name.starts_with(from)) name = fmt::format("{}{}", to, name.substr(from.size()));
    places.push_back({source, i});
  }
  return std::make_shared<BorrowingSource>(
      std::move(infos), std::move(places), source->metadata(),
      fmt::format("renamed:{}>{}({})", from, to, source->identity()));
}

LoadedTensors load_tensors(const std::filesystem::path& path, formats::PickleFiles pickles) {
  const SourcePtr source = open_source(path, pickles);
  LoadedTensors loaded{.tensors = {}, .metadata = source->metadata()};
  for (std::size_t i = 0; i < source->tensors().size(); ++i) {
    loaded.tensors.emplace_back(source->tensors()[i].name, source->read(i).clone());
  }
  return loaded;
}

}  // namespace comfy::checkpoint
