// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/folder_watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

namespace comfy::paths {
namespace {

namespace fs = std::filesystem;
using Time = std::chrono::steady_clock::time_point;

constexpr std::uint32_t kChanges = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                   IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

/// File systems on which other machines, or a program of their own, change files without an event:
/// NFS, SMB, CIFS, FUSE, 9P, VirtualBox, Ceph, Lustre, AFS (numbers of statfs(2)).
constexpr std::array<std::uint32_t, 10> kSilent{0x6969,     0x517B,     0xFE534D42, 0xFF534D42,
                                                0x65735546, 0x01021997, 0x786F4256, 0x00C36400,
                                                0x0BD00BD0, 0x5346414F};

bool raises_events(const std::string& path) {
  struct statfs info{};
  if (::statfs(path.c_str(), &info) != 0) return false;
  return std::ranges::find(kSilent, static_cast<std::uint32_t>(info.f_type)) == kSilent.end();
}

/// What tells that a folder is another one, or has other names in it.
struct Stamp {
  bool present = false;
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t modified_ns = 0;

  bool operator==(const Stamp&) const = default;
};

Stamp stamp_of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return {};
  return {true, info.st_dev, info.st_ino,
          std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Folder times move in steps of the kernel's tick: one changed this shortly before it was read may
// change once more without its time showing it.
constexpr std::int64_t kTick = 50'000'000;

}  // namespace

struct FolderWatch::Scope::State {
  struct Folder {
    std::string path;
    Place place = Place::below;
    Stamp stamp;
  };
  std::atomic<bool> changed{false};
  bool polled = false;  ///< events do not tell everything about these folders
  bool settled = true;  ///< every folder was quiet for a while before it was added
  Time polled_at{};
  std::vector<Folder> folders;
  std::vector<int> watches;
};

FolderWatch::FolderWatch(Way way, std::chrono::milliseconds poll_every) : poll_every_{poll_every} {
  if (way == Way::events) events_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
}

FolderWatch::~FolderWatch() = default;

FolderWatch::Scope::Scope(FolderWatch& watch) : watch_{watch}, state_{std::make_shared<State>()} {
  state_->polled_at = std::chrono::steady_clock::now();
}

FolderWatch::Scope::~Scope() { watch_.forget(*state_); }

void FolderWatch::Scope::add(const std::string& path, Place place) {
  const Stamp stamp = stamp_of(path);
  if (!stamp.present) {
    watch_.await(path, state_);
  } else if (!watch_.listen(path, state_, {}) || !raises_events(path)) {
    state_->polled = true;
  }
  state_->settled = state_->settled && stamp.modified_ns < now_ns() - kTick;
  state_->folders.push_back({path, place, stamp});
}

bool FolderWatch::Scope::is_unchanged() {
  State& state = *state_;
  watch_.read_events();
  if (state.changed) return false;
  const Time now = std::chrono::steady_clock::now();
  if (now - state.polled_at < watch_.poll_every_) return true;
  state.polled_at = now;
  const auto is_same = [&state](const State::Folder& folder) {
    if (!state.polled && folder.place == Place::below) return true;
    return stamp_of(folder.path) == folder.stamp;
  };
  const bool same = (!state.polled || state.settled) && std::ranges::all_of(state.folders, is_same);
  if (!same) state.changed = true;
  return same;
}

bool FolderWatch::listen(const std::string& path, const std::shared_ptr<Scope::State>& scope,
                         const std::string& only) {
  if (!events_) return false;
  const std::lock_guard lock{mutex_};
  const int watch =
      ::inotify_add_watch(events_.get(), path.c_str(), kChanges | IN_ONLYDIR | IN_MASK_ADD);
  if (watch < 0) return false;  // gone meanwhile, or the kernel gives no more watches
  interests_[watch].push_back({scope, only});
  scope->watches.push_back(watch);
  return true;
}

/// Listens at the nearest folder above that exists for the name that would lead further down.
void FolderWatch::await(const std::string& absent, const std::shared_ptr<Scope::State>& scope) {
  fs::path above = fs::path{absent}.parent_path();
  fs::path missing = fs::path{absent}.filename();
  std::error_code ignored;
  while (above != above.parent_path() && !fs::is_directory(above, ignored)) {
    missing = above.filename();
    above = above.parent_path();
  }
  if (!listen(above.string(), scope, missing.string())) scope->polled = true;
  // It may have appeared before anybody listened.
  if (fs::exists(above / missing, ignored)) scope->changed = true;
}

void FolderWatch::forget(const Scope::State& scope) {
  const std::lock_guard lock{mutex_};
  for (const int watch : scope.watches) {
    const auto found = interests_.find(watch);
    if (found == interests_.end()) continue;
    std::erase_if(found->second, [&scope](const Interest& interest) {
      const auto other = interest.scope.lock();
      return !other || other.get() == &scope;
    });
    if (!found->second.empty()) continue;
    ::inotify_rm_watch(events_.get(), watch);
    interests_.erase(found);
  }
}

void FolderWatch::read_events() {
  if (!events_) return;
  const std::lock_guard lock{mutex_};
  alignas(inotify_event) std::array<char, 16 * 1024> buffer;
  while (true) {
    const ssize_t got = ::read(events_.get(), buffer.data(), buffer.size());
    if (got <= 0) return;
    for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = buffer.data() + at + sizeof event;
      on_event(event.wd, event.mask, {name, ::strnlen(name, event.len)});
      at += sizeof event + event.len;
    }
  }
}

void FolderWatch::on_event(int watch, std::uint32_t mask, std::string_view name) {
  const auto tell = [name](const std::vector<Interest>& interests, bool all) {
    for (const Interest& interest : interests) {
      const auto scope = interest.scope.lock();
      if (scope && (all || interest.only.empty() || interest.only == name)) scope->changed = true;
    }
  };
  if ((mask & IN_Q_OVERFLOW) != 0) {
    for (const auto& [id, interests] : interests_) tell(interests, true);
    return;
  }
  const auto found = interests_.find(watch);
  if (found == interests_.end()) return;
  const bool itself = (mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0;
  tell(found->second, itself);
  if ((mask & IN_IGNORED) != 0) interests_.erase(found);
}

}  // namespace comfy::paths
