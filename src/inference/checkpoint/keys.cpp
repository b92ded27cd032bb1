// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/keys.h"

#include "foundation/base/error.h"
#include "foundation/base/hash.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace comfy::checkpoint {
namespace {

std::string_view take_component(std::string_view& name) {
  const std::size_t dot = name.find('.');
  const std::string_view component = name.substr(0, dot);
  name = dot == std::string_view::npos ? std::string_view{} : name.substr(dot + 1);
  return component;
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// What stands for "#" and "*", from left to right; nothing when the name does not fit.
std::optional<std::vector<std::string_view>> match(std::string_view pattern,
                                                   std::string_view name) {
  std::vector<std::string_view> captured;
  while (!pattern.empty()) {
    if (name.empty()) return {};
    if (pattern == "*") {
      captured.push_back(name);
      return captured;
    }
    const std::string_view wanted = take_component(pattern);
    const std::string_view found = take_component(name);
    const bool fits = wanted == "#" ? is_number(found) : wanted == found;
    if (!fits) return {};
    if (wanted == "#") captured.push_back(found);
  }
  if (!name.empty()) return {};
  return captured;
}

std::string fill(std::string_view pattern, const std::vector<std::string_view>& captured) {
  std::string name;
  std::size_t next = 0;
  while (!pattern.empty()) {
    const std::string_view component = take_component(pattern);
    const bool stands_for = component == "#" || component == "*";
    if (stands_for) COMFY_ASSERT(next < captured.size());
    if (!name.empty()) name += '.';
    name += stands_for ? captured[next++] : component;
  }
  return name;
}

std::optional<std::string> translate(std::string_view from, std::string_view to,
                                     std::string_view name) {
  const auto captured = match(from, name);
  if (!captured) return {};
  return fill(to, *captured);
}

// Most rows are plain names: those are looked up, only the others are tried one by one.
class RowIndex {
 public:
  explicit RowIndex(std::span<const KeyRow> rows) : rows_{rows} {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const bool plain = rows[i].theirs.find_first_of("#*") == std::string::npos;
      if (plain) {
        plain_.emplace(rows[i].theirs, i);
      } else {
        patterns_.push_back(i);
      }
    }
  }

  struct Match {
    std::string ours;
    const KeyRow* row;
  };

  // Every row that fits, in the order of the table.
  std::vector<Match> matches(std::string_view theirs) const {
    std::vector<std::size_t> candidates = patterns_;
    const auto [first, last] = plain_.equal_range(std::string{theirs});
    for (auto row = first; row != last; ++row) candidates.push_back(row->second);
    std::sort(candidates.begin(), candidates.end());
    std::vector<Match> found;
    for (const std::size_t i : candidates) {
      if (auto ours = translate(rows_[i].theirs, rows_[i].ours, theirs))
        found.push_back({std::move(*ours), &rows_[i]});
    }
    return found;
  }

 private:
  std::span<const KeyRow> rows_;
  std::unordered_multimap<std::string, std::size_t> plain_;
  std::vector<std::size_t> patterns_;
};

std::int64_t third_of(KeyChange change) {
  return change == KeyChange::first_third ? 0 : change == KeyChange::second_third ? 1 : 2;
}

Tensor changed(const Tensor& tensor, KeyChange change) {
  switch (change) {
    case KeyChange::none:
      return tensor;
    case KeyChange::transpose:
      return tensor.t().contiguous();
    case KeyChange::convolution:
      return tensor.unsqueeze(-1).unsqueeze(-1);
    case KeyChange::first_third:
    case KeyChange::second_third:
    case KeyChange::last_third: {
      const std::int64_t rows = tensor.size(0) / 3;
      return tensor.narrow(0, third_of(change) * rows, rows);
    }
  }
  return tensor;
}

Shape changed_shape(const TensorInfo& info, KeyChange change) {
  Shape shape = info.shape;
  const bool is_third = change != KeyChange::none && change != KeyChange::transpose &&
                        change != KeyChange::convolution;
  const bool fits = is_third ? !shape.empty() && shape[0] % 3 == 0
                             : change == KeyChange::none || shape.size() == 2;
  if (!fits) {
    throw Error(Error::Kind::invalid_input,
                fmt::format("expected {} as tensor \"{}\", found {} dimensions",
                            is_third ? "three equal parts" : "a matrix", info.name, shape.size()));
  }
  if (change == KeyChange::transpose) std::swap(shape[0], shape[1]);
  if (change == KeyChange::convolution) shape.insert(shape.end(), {1, 1});
  if (is_third) shape[0] /= 3;
  return shape;
}

struct Converted {
  std::size_t index;
  KeyChange change;
};

class ConvertedSource final : public TensorSource {
 public:
  ConvertedSource(SourcePtr source, std::vector<TensorInfo> tensors, std::vector<Converted> places,
                  std::string identity)
      : TensorSource{std::move(tensors), source->metadata(), std::move(identity)},
        source_{std::move(source)},
        places_{std::move(places)} {}

  Tensor read(std::size_t index) const override {
    return changed(source_->read(places_[index].index), places_[index].change);
  }
  void release(std::size_t index) const override { source_->release(places_[index].index); }

 private:
  SourcePtr source_;
  std::vector<Converted> places_;
};

std::string rows_identity(std::span<const KeyRow> rows, std::string_view scope) {
  Sha256 hash;
  hash.add(scope);
  for (const KeyRow& row : rows) {
    hash.add(fmt::format("\n{}\t{}\t{}", row.ours, row.theirs, static_cast<int>(row.change)));
  }
  return to_hex(hash.finish());
}

}  // namespace

std::optional<std::string> our_key(std::span<const KeyRow> rows, std::string_view theirs) {
  for (const KeyRow& row : rows) {
    if (auto ours = translate(row.theirs, row.ours, theirs)) return ours;
  }
  return {};
}

std::optional<std::string> their_key(std::span<const KeyRow> rows, std::string_view ours) {
  for (const KeyRow& row : rows) {
    if (auto theirs = translate(row.ours, row.theirs, ours)) return theirs;
  }
  return {};
}

SourcePtr converted_source(SourcePtr source, std::span<const KeyRow> rows, std::string_view scope) {
  const RowIndex index{rows};
  std::vector<TensorInfo> infos;
  std::vector<Converted> places;
  std::unordered_set<std::string> names;
  const auto add = [&](TensorInfo info, Converted place) {
    if (!names.insert(info.name).second) return;  // two spellings of one tensor: the first counts
    infos.push_back(std::move(info));
    places.push_back(place);
  };
  for (std::size_t i = 0; i < source->tensors().size(); ++i) {
    const TensorInfo& info = source->tensors()[i];
    if (!info.name.starts_with(scope)) {
      add(info, {i, KeyChange::none});
      continue;
    }
    for (const RowIndex::Match& match :
         index.matches(std::string_view{info.name}.substr(scope.size()))) {
      add({fmt::format("{}{}", scope, match.ours), info.dtype,
           changed_shape(info, match.row->change)},
          {i, match.row->change});
    }
  }
  std::string identity =
      fmt::format("converted:{}({})", rows_identity(rows, scope), source->identity());
  return std::make_shared<ConvertedSource>(std::move(source), std::move(infos), std::move(places),
                                           std::move(identity));
}

}  // namespace comfy::checkpoint
