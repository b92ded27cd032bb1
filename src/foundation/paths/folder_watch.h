// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/file_descriptor.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace comfy::paths {

/// Tells whether folders have changed without looking into them: the kernel says so (inotify).
///
/// Events are read when somebody asks, so whatever ended before the question is in the answer.
/// Folders whose changes raise no events (network file systems, or no watches left) are looked at
/// every two seconds, by their times. Safe from several threads; outlives its scopes.
class FolderWatch {
 public:
  enum class Way : std::uint8_t { events, polling };
  /// `poll_every` is how often times are looked at, where events do not tell everything.
  explicit FolderWatch(Way way = Way::events,
                       std::chrono::milliseconds poll_every = std::chrono::seconds{2});
  ~FolderWatch();
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;

  /// The folders that one listing was made from. One thread at a time.
  class Scope {
   public:
    explicit Scope(FolderWatch& watch);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    /// Adds a folder. Call it before its names are read, or a change in between is missed. One
    /// that does not exist counts as changed when it appears. A `root` may be replaced as a whole,
    /// by renaming a folder above it; so it is looked at now and then in any case.
    enum class Place : std::uint8_t { root, below };
    void add(const std::string& path, Place place);
    /// Whether none of the folders has changed since it was added.
    bool is_unchanged();

   private:
    friend class FolderWatch;
    struct State;
    FolderWatch& watch_;
    std::shared_ptr<State> state_;
  };

 private:
  /// Who wants to hear of a folder's changes: of all, or of one name that may appear.
  struct Interest {
    std::weak_ptr<Scope::State> scope;
    std::string only;
  };

  bool listen(const std::string& path, const std::shared_ptr<Scope::State>& scope,
              const std::string& only);
  void await(const std::string& absent, const std::shared_ptr<Scope::State>& scope);
  void forget(const Scope::State& scope);
  void read_events();
  void on_event(int watch, std::uint32_t mask, std::string_view name);

  std::chrono::milliseconds poll_every_;
  FileDescriptor events_;  ///< none when times are polled
  std::mutex mutex_;       ///< of everything below
  std::map<int, std::vector<Interest>> interests_;
};

}  // namespace comfy::paths
