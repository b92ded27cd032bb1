// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/clock.h"
#include "foundation/graph/catalogue.h"
#include "foundation/graph/file_choices.h"
#include "foundation/paths/folders.h"
#include "frontend/server/response.h"

#include <atomic>
#include <chrono>
#include <cstdint>
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
/// renewed only where the files that a class lists have changed.
///
/// Safe from several threads. Calls marked "blocking" may look at folders: use the blocking pool.
class CatalogueStore {
 public:
  explicit CatalogueStore(const paths::Folders& folders) : folders_{folders} {}

  /// Adds the classes of catalogue.json. Throws Error(not_found) or Error(invalid_input) naming it.
  void load(const std::filesystem::path& file);
  using Names = std::shared_ptr<const std::set<std::string>>;
  /// The classes of the catalogue of that hash, which a worker has; null unless it is known.
  Names classes(const std::string& hash);
  /// The model files that workers have, beside those in this server's folders:
  /// "checkpoints/a.safetensors".
  void set_worker_models(Names names);
  /// A worker's catalogue: its classes take the place of those with their ids.
  void receive(const std::string& hash, const Json& definitions);
  /// Takes up what workers told an earlier process, and keeps what they tell from now on in `file`.
  /// Nothing is taken up that was written under another `key` (other programs, other plug-ins), or
  /// that no worker has had for a week.
  void remember(const std::filesystem::path& file, const std::string& key, const Clock& clock);

  std::shared_ptr<const graph::Catalogue> catalogue() const;
  /// What file choices stand for right now, for one user's folders. Its functions block.
  graph::FileChoices choices(std::string user) const;

  struct Info {
    SharedBytes bytes;
    std::string etag;  ///< quoted
  };
  enum class Coding : std::uint8_t { plain, gzip };
  /// Blocking. GET /object_info; its packed form is made once for each state and has its own tag.
  Info object_info(const std::string& user, Coding coding = Coding::plain);
  /// Blocking. GET /object_info/{class}: {class: info}, or {} when unknown.
  SharedBytes object_info_of(const std::string& user, std::string_view node_class);
  /// How many classes were written as JSON so far.
  std::uint64_t serialised() const { return serialised_; }

 private:
  /// A listing that some class shows, and what it was like when the class was written.
  struct Mark {
    bool of_models = true;  ///< of a model folder; else of input files
    std::string kind;
    std::uint64_t generation = 0;         ///< of the models
    std::shared_ptr<const void> listing;  ///< of the input folder, or of the workers' models

    bool operator==(const Mark&) const = default;
  };
  struct Entry {
    const graph::NodeDefinition* definition = nullptr;
    std::vector<std::size_t> marks;  ///< places in Snapshot::marks
    std::string bytes;
  };
  struct Snapshot {
    std::mutex mutex;  ///< of everything below
    std::shared_ptr<const graph::Catalogue> catalogue;
    std::vector<Entry> entries;
    std::unordered_map<std::string_view, std::size_t> index;
    std::vector<Mark> marks;
    Info whole;
    Info packed;
  };
  /// A worker's catalogue as it is kept on disk.
  struct Kept {
    std::chrono::milliseconds seen{};  ///< when a worker last had it
    Json definitions = {};
  };
  void take_up(const std::string& hash, const Json& definitions);
  void keep(const std::string& hash, const Json& definitions);
  void write_kept();

  std::shared_ptr<Snapshot> snapshot_of(const std::string& user);
  /// Brings a locked snapshot up to date.
  void renew(Snapshot& snapshot, const std::string& user);
  static void take(Snapshot& snapshot, std::shared_ptr<const graph::Catalogue> catalogue);
  Names worker_models() const;
  std::vector<std::string> model_names(const std::string& kind) const;
  Mark current(const Mark& mark, const std::string& user) const;

  const paths::Folders& folders_;
  mutable std::mutex mutex_;  ///< of everything below
  std::shared_ptr<const graph::Catalogue> catalogue_ = std::make_shared<graph::Catalogue>();
  std::map<std::string, Names> hashes_;  ///< and the classes of each
  Names worker_models_;                  ///< or null
  std::filesystem::path kept_file_;      ///< empty: nothing is kept
  std::string kept_key_;
  const Clock* clock_ = nullptr;
  std::map<std::string, Kept> kept_;                            ///< by hash
  std::map<std::string, std::shared_ptr<Snapshot>> snapshots_;  ///< by user
  std::atomic<std::uint64_t> serialised_{0};
};

}  // namespace comfy::server
