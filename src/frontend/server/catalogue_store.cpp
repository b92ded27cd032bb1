// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/catalogue_store.h"

#include "foundation/base/error.h"
#include "foundation/base/hash.h"
#include "foundation/graph/object_info.h"
#include "frontend/server/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <span>
#include <sstream>

namespace comfy::server {
namespace {

constexpr std::size_t kUsersKept = 16;
constexpr std::string_view kModels = "models/";
constexpr std::string_view kInput = "input/";

std::set<std::string> marks_of(const graph::NodeDefinition& definition) {
  std::set<std::string> marks;
  for (const graph::InputDefinition& input : definition.inputs) {
    if (!input.files) continue;
    for (const std::string& folder : input.files->model_folders) {
      marks.insert(std::string{kModels} + folder);
    }
    if (!input.files->input_kind.empty()) {
      marks.insert(std::string{kInput} + input.files->input_kind);
    }
  }
  return marks;
}

std::vector<std::string> model_names(const paths::Folders& folders, const std::string& kind) {
  if (folders.find_model_folder(kind) == nullptr) return {};
  return folders.models(kind)->names();
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
  receive(hash, json);
}

bool CatalogueStore::knows(const std::string& hash) const {
  const std::lock_guard lock{mutex_};
  return hashes_.contains(hash);
}

void CatalogueStore::receive(const std::string& hash, const Json& definitions) {
  const graph::Catalogue fresh = graph::Catalogue::from_json(definitions);
  const std::lock_guard lock{mutex_};
  auto merged = std::make_shared<graph::Catalogue>(*catalogue_);
  for (const graph::NodeDefinition& definition : fresh) merged->replace(definition);
  catalogue_ = std::move(merged);
  hashes_.insert(hash);
  snapshots_.clear();
  log.info("{} node classes known", catalogue_->size());
}

std::shared_ptr<const graph::Catalogue> CatalogueStore::catalogue() const {
  const std::lock_guard lock{mutex_};
  return catalogue_;
}

graph::FileChoices CatalogueStore::choices(std::string user) const {
  const paths::Folders* folders = &folders_;
  graph::FileChoices choices;
  choices.models = [folders](const std::string& kind) { return model_names(*folders, kind); };
  choices.inputs = [folders, user](const std::string& kind) {
    return folders->input_files(kind, user);
  };
  choices.input_exists = [folders, user](const std::string& name) {
    return folders->annotated_exists(name, paths::Area::input, user);
  };
  return choices;
}

CatalogueStore::Info CatalogueStore::object_info(const std::string& user) {
  const std::lock_guard lock{mutex_};
  return renewed(user).whole;
}

SharedBytes CatalogueStore::object_info_of(const std::string& user, std::string_view node_class) {
  const std::lock_guard lock{mutex_};
  const Snapshot& snapshot = renewed(user);
  const auto found = snapshot.index.find(node_class);
  if (found == snapshot.index.end()) return std::make_shared<const std::string>("{}");
  return std::make_shared<const std::string>(
      fmt::format("{{{}}}", snapshot.entries[found->second].bytes));
}

CatalogueStore::Snapshot& CatalogueStore::renewed(const std::string& user) {
  if (snapshots_.size() > kUsersKept) snapshots_.clear();
  auto [place, is_new] = snapshots_.try_emplace(user);
  Snapshot& snapshot = place->second;
  if (is_new) snapshot = snapshot_of(catalogue_);
  Marks marks = current_marks(snapshot, user);
  if (is_new || marks != snapshot.marks) serialise(snapshot, marks, user);
  return snapshot;
}

CatalogueStore::Snapshot CatalogueStore::snapshot_of(
    std::shared_ptr<const graph::Catalogue> catalogue) {
  Snapshot snapshot;
  for (const graph::NodeDefinition& definition : *catalogue) {
    snapshot.index.emplace(definition.id, snapshot.entries.size());
    snapshot.entries.push_back({&definition, marks_of(definition), {}});
  }
  snapshot.catalogue = std::move(catalogue);
  return snapshot;
}

CatalogueStore::Marks CatalogueStore::current_marks(const Snapshot& snapshot,
                                                    const std::string& user) const {
  Marks marks;
  for (const Entry& entry : snapshot.entries) {
    for (const std::string& mark : entry.marks) marks.try_emplace(mark);
  }
  for (auto& [mark, state] : marks) {
    if (mark.starts_with(kInput)) {
      state = fmt::format("{}",
                          fmt::join(folders_.input_files(mark.substr(kInput.size()), user), "\n"));
    } else if (const std::string kind = mark.substr(kModels.size());
               folders_.find_model_folder(kind) != nullptr) {
      state = std::to_string(folders_.models(kind)->generation);
    }
  }
  return marks;
}

void CatalogueStore::serialise(Snapshot& snapshot, const Marks& marks,
                               const std::string& user) const {
  const graph::FileChoices files = choices(user);
  const auto changed = [&](const std::string& mark) {
    const auto old = snapshot.marks.find(mark);
    return old == snapshot.marks.end() || old->second != marks.at(mark);
  };
  std::string whole = "{";
  for (Entry& entry : snapshot.entries) {
    if (entry.bytes.empty() || std::ranges::any_of(entry.marks, changed)) {
      entry.bytes = fmt::format("{}: {}", to_json(Json{entry.definition->id}),
                                to_json(graph::object_info(*entry.definition, files)));
    }
    if (whole.size() > 1) whole += ", ";
    whole += entry.bytes;
  }
  whole += "}";
  const Digest digest = sha256(whole);
  snapshot.whole = {std::make_shared<const std::string>(std::move(whole)),
                    fmt::format("\"{}\"", to_hex(std::span{digest}.first(16)))};
  snapshot.marks = marks;
}

}  // namespace comfy::server
