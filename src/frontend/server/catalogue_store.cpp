// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/catalogue_store.h"

#include "foundation/base/error.h"
#include "foundation/base/hash.h"
#include "foundation/graph/object_info.h"
#include "frontend/access/private_file.h"
#include "frontend/server/gzip.h"
#include "frontend/server/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <span>
#include <sstream>

namespace comfy::server {
namespace {

constexpr std::size_t kUsersKept = 16;
constexpr int kPacking = 6;
constexpr std::size_t kMostKept = 256U << 20;
constexpr std::chrono::hours kKeptFor{7 * 24};
constexpr std::chrono::hours kSeenAgain{24};

/// The tag of these bytes, without its quotes.
std::string tag_of(std::string_view bytes) {
  const Digest digest = sha256(bytes);
  return to_hex(std::span{digest}.first(16));
}

}  // namespace

void CatalogueStore::load(const std::filesystem::path& file) {
  std::ifstream stream{file, std::ios::binary};
  if (!stream) {
    throw Error{Error::Kind::not_found,
                fmt::format("the node definitions must lie in \"{}\"", file.string())};
  }
  std::ostringstream text;
  text << stream.rdbuf();
  const Json json = parse_json(text.str());
  const std::string hash = graph::Catalogue::from_json(json).hash();
  take_up(hash, json);
}

void CatalogueStore::remember(const std::filesystem::path& file, const std::string& key,
                              const Clock& clock) {
  {
    const std::lock_guard lock{mutex_};
    kept_file_ = file;
    kept_key_ = key;
    clock_ = &clock;
  }
  try {
    const auto text = access::read_private_file(file, kMostKept);
    if (!text) return;
    const Json json = parse_json(*text, {.max_depth = 1024});
    if (json.at("key").as_string() != key) return;
    for (const Json& one : json.at("catalogues").as_array()) {
      const std::chrono::milliseconds seen{one.at("seen").as_int()};
      if (clock.wall() - seen > kKeptFor) continue;
      const std::string& hash = one.at("hash").as_string();
      take_up(hash, one.at("definitions"));
      const std::lock_guard lock{mutex_};
      kept_[hash] = {seen, one.at("definitions")};
    }
  } catch (const Error& error) {
    log.warn("what workers had told is not taken up again: {}", error.message);
  }
}

void CatalogueStore::receive(const std::string& hash, const Json& definitions) {
  take_up(hash, definitions);
  keep(hash, definitions);
}

void CatalogueStore::keep(const std::string& hash, const Json& definitions) {
  const std::lock_guard lock{mutex_};
  if (kept_file_.empty()) return;
  kept_[hash] = {clock_->wall(), definitions};
  write_kept();
}

/// With the mutex held.
void CatalogueStore::write_kept() {
  Json::Array catalogues;
  for (const auto& [hash, kept] : kept_)
    if (clock_->wall() - kept.seen <= kKeptFor)
      catalogues.push_back(Json::Object{{"hash", hash},
                                        {"seen", std::int64_t{kept.seen.count()}},
                                        {"definitions", kept.definitions}});
  try {
    access::write_private_file(
        kept_file_,
        to_compact_json(Json::Object{{"key", kept_key_}, {"catalogues", std::move(catalogues)}}));
  } catch (const Error& error) {
    log.warn("what workers tell is not kept over a restart: {}", error.message);
  }
}

CatalogueStore::Names CatalogueStore::classes(const std::string& hash) {
  const std::lock_guard lock{mutex_};
  const auto kept = kept_.find(hash);
  if (kept != kept_.end() && clock_->wall() - kept->second.seen > kSeenAgain) {
    kept->second.seen = clock_->wall();
    write_kept();
  }
  const auto found = hashes_.find(hash);
  return found == hashes_.end() ? nullptr : found->second;
}

void CatalogueStore::set_worker_models(Names names) {
  const std::lock_guard lock{mutex_};
  const bool same = names && worker_models_ ? *names == *worker_models_ : names == worker_models_;
  if (!same) worker_models_ = std::move(names);
}

CatalogueStore::Names CatalogueStore::worker_models() const {
  const std::lock_guard lock{mutex_};
  return worker_models_;
}

/// The union of what this server and what its workers find, sorted.
std::vector<std::string> CatalogueStore::model_names(const std::string& kind) const {
  std::vector<std::string> own;
  if (folders_.find_model_folder(kind) != nullptr) own = folders_.models(kind)->names();
  const Names theirs = worker_models();
  if (!theirs) return own;
  const std::string prefix = kind + "/";
  std::vector<std::string> names;
  for (auto name = theirs->lower_bound(prefix); name != theirs->end() && name->starts_with(prefix);
       ++name)
    names.push_back(name->substr(prefix.size()));
  std::vector<std::string> all;
  std::ranges::set_union(own, names, std::back_inserter(all));
  return all;
}

void CatalogueStore::take_up(const std::string& hash, const Json& definitions) {
  const graph::Catalogue fresh = graph::Catalogue::from_json(definitions);
  std::set<std::string> classes;
  for (const graph::NodeDefinition& definition : fresh) classes.insert(definition.id);
  const std::lock_guard lock{mutex_};
  auto merged = std::make_shared<graph::Catalogue>(*catalogue_);
  for (const graph::NodeDefinition& definition : fresh) merged->replace(definition);
  catalogue_ = std::move(merged);
  hashes_[hash] = std::make_shared<const std::set<std::string>>(std::move(classes));
  log.info("{} node classes known", catalogue_->size());
}

std::shared_ptr<const graph::Catalogue> CatalogueStore::catalogue() const {
  const std::lock_guard lock{mutex_};
  return catalogue_;
}

graph::FileChoices CatalogueStore::choices(std::string user) const {
  const paths::Folders* folders = &folders_;
  graph::FileChoices choices;
  choices.models = [this](const std::string& kind) { return model_names(kind); };
  choices.inputs = [folders, user](const std::string& kind) {
    return folders->input_files(kind, user);
  };
  choices.input_exists = [folders, user](const std::string& name) {
    return folders->annotated_exists(name, paths::Area::input, user);
  };
  return choices;
}

CatalogueStore::Info CatalogueStore::object_info(const std::string& user, Coding coding) {
  const auto snapshot = snapshot_of(user);
  const std::lock_guard lock{snapshot->mutex};
  renew(*snapshot, user);
  if (coding == Coding::plain) return snapshot->whole;
  if (!snapshot->packed.bytes) {
    std::string etag = snapshot->whole.etag;
    etag.insert(etag.size() - 1, "-gz");
    snapshot->packed = {std::make_shared<const std::string>(gzip(*snapshot->whole.bytes, kPacking)),
                        etag};
  }
  return snapshot->packed;
}

SharedBytes CatalogueStore::object_info_of(const std::string& user, std::string_view node_class) {
  const auto snapshot = snapshot_of(user);
  const std::lock_guard lock{snapshot->mutex};
  renew(*snapshot, user);
  const auto found = snapshot->index.find(node_class);
  if (found == snapshot->index.end()) return std::make_shared<const std::string>("{}");
  return std::make_shared<const std::string>(
      fmt::format("{{{}}}", snapshot->entries[found->second].bytes));
}

std::shared_ptr<CatalogueStore::Snapshot> CatalogueStore::snapshot_of(const std::string& user) {
  const std::lock_guard lock{mutex_};
  if (snapshots_.size() > kUsersKept) snapshots_.clear();
  std::shared_ptr<Snapshot>& snapshot = snapshots_[user];
  if (!snapshot) snapshot = std::make_shared<Snapshot>();
  return snapshot;
}

void CatalogueStore::take(Snapshot& snapshot, std::shared_ptr<const graph::Catalogue> catalogue) {
  snapshot.entries.clear();
  snapshot.index.clear();
  snapshot.marks.clear();
  snapshot.whole = snapshot.packed = {};
  const auto place_of = [&marks = snapshot.marks](bool of_models, const std::string& kind) {
    const auto found = std::ranges::find_if(
        marks, [&](const Mark& mark) { return mark.of_models == of_models && mark.kind == kind; });
    const auto place = static_cast<std::size_t>(found - marks.begin());
    if (found == marks.end())
      marks.push_back({.of_models = of_models, .kind = kind, .listing = {}});
    return place;
  };
  for (const graph::NodeDefinition& definition : *catalogue) {
    snapshot.index.emplace(definition.id, snapshot.entries.size());
    Entry& entry = snapshot.entries.emplace_back();
    entry.definition = &definition;
    for (const graph::InputDefinition& input : definition.inputs) {
      if (!input.files) continue;
      for (const std::string& folder : input.files->model_folders)
        entry.marks.push_back(place_of(true, folder));
      if (!input.files->input_kind.empty())
        entry.marks.push_back(place_of(false, input.files->input_kind));
    }
  }
  snapshot.catalogue = std::move(catalogue);
}

CatalogueStore::Mark CatalogueStore::current(const Mark& mark, const std::string& user) const {
  Mark now{.of_models = mark.of_models, .kind = mark.kind, .listing = {}};
  if (!mark.of_models) {
    now.listing = folders_.input_entries(mark.kind, user);
  } else {
    if (folders_.find_model_folder(mark.kind) != nullptr)
      now.generation = folders_.models(mark.kind)->generation;
    now.listing = worker_models();
  }
  return now;
}

void CatalogueStore::renew(Snapshot& snapshot, const std::string& user) {
  auto known = catalogue();
  if (snapshot.catalogue != known) take(snapshot, std::move(known));
  std::vector<bool> changed(snapshot.marks.size());
  for (std::size_t i = 0; i < snapshot.marks.size(); ++i) {
    Mark now = current(snapshot.marks[i], user);
    changed[i] = !(now == snapshot.marks[i]);
    snapshot.marks[i] = std::move(now);
  }
  const graph::FileChoices files = choices(user);
  bool is_new = !snapshot.whole.bytes;
  for (Entry& entry : snapshot.entries) {
    const auto is_changed = [&changed](std::size_t mark) { return changed[mark]; };
    if (!entry.bytes.empty() && std::ranges::none_of(entry.marks, is_changed)) continue;
    ++serialised_;
    std::string bytes = fmt::format("{}: {}", to_json(Json{entry.definition->id}),
                                    to_json(graph::object_info(*entry.definition, files)));
    is_new = is_new || bytes != entry.bytes;
    entry.bytes = std::move(bytes);
  }
  if (!is_new) return;
  std::string whole = "{";
  for (const Entry& entry : snapshot.entries) {
    if (whole.size() > 1) whole += ", ";
    whole += entry.bytes;
  }
  whole += "}";
  std::string etag = fmt::format("\"{}\"", tag_of(whole));
  snapshot.whole = {std::make_shared<const std::string>(std::move(whole)), std::move(etag)};
  snapshot.packed = {};
}

}  // namespace comfy::server
