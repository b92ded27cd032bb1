// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/walk.h"

#include "foundation/paths/system_call.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

namespace comfy::paths {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxEntries = 1'000'000;

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

class Walker {
 public:
  explicit Walker(const WalkOptions& options) : options_{options} {}

  /// `folder` is read through a descriptor of its own.
  void enter(int folder, const std::string& path);
  WalkResult result;

 private:
  using Identity = std::pair<dev_t, ino_t>;

  bool is_shown(std::string_view name) const {
    if (!is_client_name(name) || name == ".git" || name == ".comfy") return false;
    return options_.hidden == Hidden::show || name.front() != '.';
  }
  void add(int folder, const std::string& path, const std::string& name);

  WalkOptions options_;
  std::vector<Identity> above_;
};

void Walker::enter(int folder, const std::string& path) {
  struct stat info{};
  if (::fstat(folder, &info) != 0) return;
  const Identity identity{info.st_dev, info.st_ino};
  if (above_.size() >= kMaxDepth || std::ranges::find(above_, identity) != above_.end()) return;
  const int own = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return;
  const std::unique_ptr<DIR, CloseFolder> stream{::fdopendir(own)};
  if (!stream) {
    ::close(own);
    return;
  }
  above_.push_back(identity);
  if (options_.on_folder) options_.on_folder(path);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {
    if (is_shown(entry->d_name)) names.emplace_back(entry->d_name);
  }
  for (const std::string& name : names) add(folder, path, name);
  above_.pop_back();
}

void Walker::add(int folder, const std::string& path, const std::string& name) {
  struct stat info{};
  if (::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return;
  const bool is_link = S_ISLNK(info.st_mode);
  if (is_link) {
    if (options_.links == Links::refuse) return;
    if (::fstatat(folder, name.c_str(), &info, 0) != 0) return;
  }
  const bool is_folder = S_ISDIR(info.st_mode);
  if (!is_folder && !S_ISREG(info.st_mode)) return;
  if (result.entries.size() >= kMaxEntries) return;
  std::string full = path.empty() ? name : path + "/" + name;
  FileDescriptor open;
  if (is_link || (is_folder && options_.depth == Depth::recursive)) {
    const int link_flag = is_link ? 0 : O_NOFOLLOW;
    open.reset(::openat(folder, name.c_str(), O_PATH | O_CLOEXEC | link_flag));
    if (!open) return;
    if (is_link) result.link_targets.push_back(real_path(open.get()));
  }
  Entry entry{.path = full, .is_folder = is_folder};
  entry.size = is_folder ? 0 : static_cast<std::uint64_t>(info.st_size);
  entry.modified_ns = nanoseconds(info.st_mtim);
  entry.created_ns = nanoseconds(info.st_ctim);
  result.entries.push_back(std::move(entry));
  if (is_folder && options_.depth == Depth::recursive) enter(open.get(), full);
}

}  // namespace

WalkResult walk_folder(int folder, const WalkOptions& options) {
  Walker walker{options};
  walker.enter(folder, {});
  std::ranges::sort(walker.result.entries, {}, &Entry::path);
  return std::move(walker.result);
}

}  // namespace comfy::paths
