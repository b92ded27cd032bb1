// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/listing_cache.h"

#include "foundation/base/error.h"
#include "foundation/paths/walk.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace comfy::paths {
namespace {

using Scope = FolderWatch::Scope;

constexpr std::size_t kSlotsKept = 1'024;

bool same_entries(const ModelList& a, const ModelList& b) {
  return std::ranges::equal(a.entries, b.entries, [](const ModelEntry& x, const ModelEntry& y) {
    return x.name == y.name && x.root == y.root;
  });
}

/// Adds what a walk enters below `root` to the scope.
std::function<void(const std::string&)> adder(Scope& scope, std::string root) {
  return [&scope, root = std::move(root)](const std::string& path) {
    scope.add(path.empty() ? root : root + "/" + path,
              path.empty() ? Scope::Place::root : Scope::Place::below);
  };
}

}  // namespace

struct ListingCache::Slot {
  std::mutex mutex;
  std::optional<Scope> scope;
  std::shared_ptr<const ModelList> models;  ///< of a slot of models
  Entries entries;                          ///< of a slot of one folder
};

ListingCache::ListingCache(FolderWatch::Way way) : watch_{way} {}
ListingCache::~ListingCache() = default;

std::shared_ptr<ListingCache::Slot> ListingCache::slot_of(const std::string& key) {
  const std::lock_guard lock{mutex_};
  if (slots_.size() > kSlotsKept) slots_.clear();
  std::shared_ptr<Slot>& slot = slots_[key];
  if (!slot) slot = std::make_shared<Slot>();
  return slot;
}

ModelList ListingCache::scan(Slot& slot, const ModelFolder& folder) {
  ModelList found;
  ++scans_;
  slot.scope.emplace(watch_);
  for (std::size_t i = 0; const Root* root = folder.find_root(i); ++i) {
    if (i == folder.roots.size() && !found.entries.empty()) break;  // the spare is not needed
    const std::string path = root->path().string();
    const FileDescriptor open{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!open) {
      slot.scope->add(path, Scope::Place::root);
      continue;
    }
    WalkResult walk = walk_folder(
        open.get(),
        {.links = root->links(), .hidden = Hidden::show, .on_folder = adder(*slot.scope, path)});
    for (Entry& entry : walk.entries) {
      if (entry.is_folder || !folder.accepts(entry.path)) continue;
      found.entries.push_back(
          {std::move(entry.path), i, entry.size, entry.modified_ns, entry.created_ns});
    }
  }
  std::ranges::stable_sort(found.entries, {}, &ModelEntry::name);
  const auto repeated = std::ranges::unique(found.entries, {}, &ModelEntry::name);
  found.entries.erase(repeated.begin(), repeated.end());
  return found;
}

std::shared_ptr<const ModelList> ListingCache::list(const ModelFolder& folder) {
  const auto slot = slot_of(folder.kind);
  const std::lock_guard lock{slot->mutex};
  if (slot->models && slot->scope->is_unchanged()) return slot->models;
  ModelList found = scan(*slot, folder);
  const bool changed = !slot->models || !same_entries(*slot->models, found);
  found.generation = changed ? ++generation_ : slot->models->generation;
  slot->models = std::make_shared<const ModelList>(std::move(found));
  return slot->models;
}

Entries ListingCache::list(const Root& root, const ClientPath& folder, Depth depth) {
  const std::string path = (root.path() / folder.text()).string();
  const auto slot = slot_of(path + (depth == Depth::shallow ? "/" : "/**"));
  const std::lock_guard lock{slot->mutex};
  if (slot->entries && slot->scope->is_unchanged()) return slot->entries;
  ++scans_;
  slot->scope.emplace(watch_);
  std::vector<Entry> found;
  try {
    const FileDescriptor open = root.open_folder(folder);
    found =
        walk_folder(open.get(),
                    {.depth = depth, .links = root.links(), .on_folder = adder(*slot->scope, path)})
            .entries;
  } catch (const Error& error) {
    if (error.kind != Error::Kind::not_found) throw;  // the folder need not exist
    slot->scope->add(path, Scope::Place::root);
  }
  slot->entries = std::make_shared<const std::vector<Entry>>(std::move(found));
  return slot->entries;
}

void ListingCache::forget() {
  const std::lock_guard lock{mutex_};
  slots_.clear();
}

}  // namespace comfy::paths
