// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/placement.h"

#include "foundation/base/strings.h"

#include <fmt/format.h>

#include <algorithm>

namespace comfy::jobs {
namespace {

/// The list behind a hash, and whether there is anything to compare with.
enum class Told { everything, nothing, list };
template <class Lists>
Told told(const Lists& lists, const std::string& hash, const Names*& list) {
  if (hash.empty()) return Told::everything;
  const auto found = lists.find(hash);
  if (found == lists.end()) return Told::nothing;
  list = found->second.get();
  return list == nullptr ? Told::everything : Told::list;
}

bool has_one(const Names& names, const std::vector<std::string>& of) {
  return std::ranges::any_of(of, [&](const std::string& name) { return names.contains(name); });
}

}  // namespace

void Placement::set_worker(const link::WorkerKey& worker, const std::string& classes_hash,
                           const std::string& models_hash) {
  const Kind kind{classes_hash, models_hash};
  const auto known = workers_.find(worker);
  if (known != workers_.end() && known->second == kind) return;
  if (known != workers_.end()) remove_worker(worker);
  workers_[worker] = kind;
  ++kinds_[kind];
}

void Placement::remove_worker(const link::WorkerKey& worker) {
  const auto known = workers_.find(worker);
  if (known == workers_.end()) return;
  const auto kind = kinds_.find(known->second);
  if (--kind->second == 0) kinds_.erase(kind);
  workers_.erase(known);
}

void Placement::learn(Lists& lists, const std::string& hash, List list) {
  lists[hash] = std::move(list);
  ++version_;
}

Names Placement::models() const {
  Names all;
  for (const auto& [hash, list] : models_)
    if (list) all.insert(list->begin(), list->end());
  return all;
}

bool Placement::forget_unused(const std::string& hash) {
  const auto sweep = [&](Lists& lists, auto member) {
    return std::erase_if(lists, [&](const auto& entry) {
      if (!hash.empty() && entry.first != hash) return false;
      return std::ranges::none_of(
          kinds_, [&](const auto& kind) { return kind.first.*member == entry.first; });
    });
  };
  const bool models_went = sweep(models_, &Kind::second) > 0;
  if (sweep(classes_, &Kind::first) > 0 || models_went) ++version_;
  return models_went;
}

NeedsPtr Placement::intern(graph::Requirements requirements) {
  if (interned_.size() > sweep_at_) {
    std::erase_if(interned_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = 2 * interned_.size() + 64;
  }
  std::weak_ptr<const Needs>& known = interned_[requirements];
  NeedsPtr needs = known.lock();
  if (!needs) {
    needs = std::make_shared<const Needs>(Needs{.requirements = std::move(requirements)});
    known = needs;
  }
  return needs;
}

bool Placement::fits(const Kind& kind, const Needs& needs) const {
  const auto& [classes, models] = needs.requirements;
  const Names* list = nullptr;
  const Told of_classes = told(classes_, kind.first, list);
  if (of_classes == Told::nothing) return classes.empty();
  if (of_classes == Told::list &&
      !std::ranges::all_of(classes, [&](const auto& one) { return list->contains(one); }))
    return false;
  const Told of_models = told(models_, kind.second, list);
  if (of_models == Told::nothing) return models.empty();
  return of_models == Told::everything ||
         std::ranges::all_of(models, [&](const auto& files) { return has_one(*list, files); });
}

bool Placement::kind_can_run(const Kind& kind, const NeedsPtr& needs) const {
  if (!needs) return true;
  if (needs->version != version_) {
    needs->fits.clear();
    needs->version = version_;
  }
  const auto known = needs->fits.find(kind);
  if (known != needs->fits.end()) return known->second;
  return needs->fits[kind] = fits(kind, *needs);
}

bool Placement::can_run(const link::WorkerKey& worker, const NeedsPtr& needs) const {
  const auto known = workers_.find(worker);
  return known != workers_.end() && kind_can_run(known->second, needs);
}

bool Placement::has_class(const link::WorkerKey& worker, const std::string& node_class) const {
  const auto known = workers_.find(worker);
  if (known == workers_.end()) return false;
  const Names* list = nullptr;
  const Told classes = told(classes_, known->second.first, list);
  return classes == Told::list ? list->contains(node_class) : classes == Told::everything;
}

bool Placement::all_can_run(const NeedsPtr& needs) const {
  return std::ranges::all_of(kinds_,
                             [&](const auto& kind) { return kind_can_run(kind.first, needs); });
}

bool Placement::any_can_run(const NeedsPtr& needs) const {
  return std::ranges::any_of(kinds_,
                             [&](const auto& kind) { return kind_can_run(kind.first, needs); });
}

std::size_t Placement::ready(const NeedsPtr& needs, const Names& loaded) {
  if (!needs || loaded.empty()) return 0;
  return static_cast<std::size_t>(std::ranges::count_if(
      needs->requirements.models, [&](const auto& files) { return has_one(loaded, files); }));
}

std::string Placement::missing(const NeedsPtr& needs) const {
  if (kinds_.empty() || !needs) return "no worker is there";
  const auto nowhere = [&](const graph::Requirements& one) {
    const Needs alone{.requirements = one};
    return std::ranges::none_of(kinds_, [&](const auto& kind) { return fits(kind.first, alone); });
  };
  std::vector<std::string> names;
  for (const std::string& one : needs->requirements.classes)
    if (nowhere({.classes = {one}})) names.push_back(fmt::format("the node class \"{}\"", one));
  for (const auto& files : needs->requirements.models)
    if (nowhere({.models = {files}})) names.push_back(fmt::format("the model \"{}\"", files[0]));
  if (names.empty()) return "each thing it needs is on some worker, and no worker has all of them";
  return "no worker has " + join(names, ", ");
}

}  // namespace comfy::jobs
