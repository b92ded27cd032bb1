// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/graph/catalogue.h"
#include "foundation/graph/file_choices.h"
#include "foundation/paths/folders.h"
#include "frontend/server/response.h"

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace comfy::server {

/// The node definitions the server knows, and /object_info kept as bytes: per class and in whole,
/// renewed only where a listing of files came out different.
///
/// Safe from several threads. Calls marked "blocking" look at folders: use the blocking pool.
class CatalogueStore {
 public:
  explicit CatalogueStore(const paths::Folders& folders) : folders_{folders} {}

  /// Adds the classes of catalogue.json. Throws Error(not_found) or Error(invalid_input) naming it.
  void load(const std::filesystem::path& file);
  /// Whether a catalogue of that hash is part of what is known.
  bool knows(const std::string& hash) const;
  /// A worker's catalogue: its classes take the place of those with their ids.
  void receive(const std::string& hash, const Json& definitions);

  std::shared_ptr<const graph::Catalogue> catalogue() const;
  /// What file choices stand for right now, for one user's folders. Its functions block.
  graph::FileChoices choices(std::string user) const;

  struct Info {
    SharedBytes bytes;
    std::string etag;
  };
  /// Blocking. GET /object_info.
  Info object_info(const std::string& user);
  /// Blocking. GET /object_info/{class}: {class: info}, or {} when unknown.
  SharedBytes object_info_of(const std::string& user, std::string_view node_class);

 private:
  /// The files that some class lists, as one string that changes with them.
  using Marks = std::map<std::string, std::string>;
  struct Entry {
    const graph::NodeDefinition* definition = nullptr;
    std::set<std::string> marks;
    std::string bytes;
  };
  struct Snapshot {
    std::shared_ptr<const graph::Catalogue> catalogue;
    std::vector<Entry> entries;
    std::unordered_map<std::string_view, std::size_t> index;
    Marks marks;
    Info whole;
  };
  Snapshot& renewed(const std::string& user);
  static Snapshot snapshot_of(std::shared_ptr<const graph::Catalogue> catalogue);
  Marks current_marks(const Snapshot& snapshot, const std::string& user) const;
  void serialise(Snapshot& snapshot, const Marks& marks, const std::string& user) const;

  const paths::Folders& folders_;
  mutable std::mutex mutex_;  ///< of everything below
  std::shared_ptr<const graph::Catalogue> catalogue_ = std::make_shared<graph::Catalogue>();
  std::set<std::string> hashes_;
  std::map<std::string, Snapshot> snapshots_;  ///< by user
};

}  // namespace comfy::server
