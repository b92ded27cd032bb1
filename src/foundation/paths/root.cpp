// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/root.h"

#include "foundation/paths/system_call.h"
#include "foundation/paths/walk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>

namespace comfy::paths {
namespace {

// O_NONBLOCK: a pipe that somebody left in a folder must not hold up the one who opens it.
constexpr int kReadFile = O_RDONLY | O_NONBLOCK | O_NOCTTY;
constexpr int kReadFolder = O_RDONLY | O_DIRECTORY;

bool lies_below(std::string_view path, std::string_view folder) {
  if (folder.empty() || !path.starts_with(folder)) return false;
  return path.size() == folder.size() || folder.back() == '/' || path[folder.size()] == '/';
}

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Error no_such_file(const ClientPath& path) {
  return Error(Error::Kind::not_found, fmt::format("no file '{}'", path.text()));
}

Error no_such_folder(const ClientPath& path) {
  return Error(Error::Kind::not_found, fmt::format("no folder '{}'", path.text()));
}

}  // namespace

std::string_view Entry::name() const {
  const std::string_view text{path};
  const auto slash = text.rfind('/');
  return slash == text.npos ? text : text.substr(slash + 1);
}

struct Root::State {
  std::filesystem::path folder;
  Links links = Links::refuse;
  std::atomic<Resolver> resolver{Resolver::kernel};
  std::mutex mutex;
  std::vector<std::string> targets;  ///< of the links below the folder; guarded by mutex

  FileDescriptor handle() const {
    return FileDescriptor{::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  }

  /// Opens below the root by the rules of `links`; empty when absent or refused.
  FileDescriptor open(const ClientPath& path, int flags) {
    const FileDescriptor root = handle();
    if (!root) return {};
    const std::string text = path.empty() ? "." : path.text();
    if (links == Links::refuse) return open_beneath(root.get(), text, flags, resolver);
    FileDescriptor file = open_through_links(root.get(), text, flags, resolver);
    if (file && !is_listed(real_path(file.get()), real_path(root.get()))) file.reset();
    return file;
  }

  bool is_listed(const std::string& real, const std::string& root) {
    if (lies_below(real, root)) return true;
    const auto behind_a_link = [&](const std::string& target) { return lies_below(real, target); };
    const std::lock_guard lock{mutex};
    if (std::ranges::any_of(targets, behind_a_link)) return true;
    const FileDescriptor again{::open(folder.c_str(), kReadFolder | O_CLOEXEC)};
    if (!again) return false;
    WalkOptions all{.links = Links::follow, .hidden = Hidden::show};
    targets = walk_folder(again.get(), all).link_targets;
    return std::ranges::any_of(targets, behind_a_link);
  }

  /// One level of make_folder: the child of that name, made when it is missing.
  FileDescriptor step_into(int from, const std::string& name) const {
    const int flags = kReadFolder | O_CLOEXEC | (links == Links::refuse ? O_NOFOLLOW : 0);
    if (::mkdirat(from, name.c_str(), 0777) != 0 && errno != EEXIST)
      throw system_error(fmt::format("making the folder '{}'", name), errno);
    FileDescriptor child{::openat(from, name.c_str(), flags)};
    if (child) return child;
    if (errno == ENOTDIR || errno == ELOOP)
      throw Error(Error::Kind::conflict, fmt::format("'{}' is a file, not a folder", name));
    throw system_error(fmt::format("opening the folder '{}'", name), errno);
  }
};

Root::Root(const std::filesystem::path& folder, Links links) : state_{std::make_shared<State>()} {
  state_->folder = std::filesystem::absolute(folder).lexically_normal();
  state_->links = links;
}

const std::filesystem::path& Root::path() const { return state_->folder; }
Links Root::links() const { return state_->links; }
void Root::walk_components_only() { state_->resolver = Resolver::components; }

std::optional<FileDescriptor> Root::find(const ClientPath& path) const {
  if (path.empty()) return {};
  FileDescriptor file = state_->open(path, kReadFile);
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  return file;
}

FileDescriptor Root::open(const ClientPath& path) const {
  auto file = find(path);
  if (!file) throw no_such_file(path);
  return std::move(*file);
}

std::optional<Entry> Root::status(const ClientPath& path) const {
  const FileDescriptor file = state_->open(path, O_PATH);
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0) return {};
  const bool is_folder = S_ISDIR(info.st_mode);
  if (!is_folder && !S_ISREG(info.st_mode)) return {};
  return Entry{.path = path.text(),
               .is_folder = is_folder,
               .size = is_folder ? 0 : static_cast<std::uint64_t>(info.st_size),
               .modified_ns = nanoseconds(info.st_mtim),
               .created_ns = nanoseconds(info.st_ctim)};
}

FileDescriptor Root::open_folder(const ClientPath& path) const {
  FileDescriptor folder = state_->open(path, kReadFolder);
  if (!folder) throw no_such_folder(path);
  return folder;
}

FileDescriptor Root::make_folder(const ClientPath& path) const {
  std::error_code failure;
  std::filesystem::create_directories(state_->folder, failure);
  FileDescriptor current{::open(state_->folder.c_str(), kReadFolder | O_CLOEXEC)};
  if (!current) throw system_error("opening a root folder", errno);
  const std::string root = real_path(current.get());
  for (const std::string& part : path.parts()) {
    current = state_->step_into(current.get(), part);
    // checked at each step, so that nothing is made outside the listed places
    if (state_->links == Links::follow && !state_->is_listed(real_path(current.get()), root))
      throw no_such_folder(path);
  }
  return current;
}

std::vector<Entry> Root::list(const ClientPath& folder, Depth depth) const {
  const FileDescriptor open = open_folder(folder);
  return walk_folder(open.get(), {.depth = depth, .links = state_->links}).entries;
}

NewFile Root::create(const ClientPath& path) const {
  COMFY_ASSERT(!path.empty());
  return {make_folder(path.folder()), std::string{path.name()}};
}

void Root::remove(const ClientPath& path) const {
  const auto entry = status(path);
  if (!entry) throw no_such_file(path);
  if (entry->is_folder)
    throw Error(Error::Kind::invalid_input, fmt::format("'{}' is a folder", path.text()));
  const FileDescriptor folder = open_folder(path.folder());
  if (::unlinkat(folder.get(), std::string{path.name()}.c_str(), 0) != 0)
    throw system_error(fmt::format("removing '{}'", path.text()), errno);
}

void Root::move(const ClientPath& from, const ClientPath& to, Existing existing) const {
  const auto entry = status(from);
  if (!entry || entry->is_folder) throw no_such_file(from);
  const FileDescriptor source = open_folder(from.folder());
  const FileDescriptor target = make_folder(to.folder());
  const unsigned flags = existing == Existing::keep ? RENAME_NOREPLACE : 0;
  const std::string old_name{from.name()};
  const std::string new_name{to.name()};
  if (::renameat2(source.get(), old_name.c_str(), target.get(), new_name.c_str(), flags) == 0) {
    ::fsync(target.get());
    return;
  }
  if (errno == EEXIST)
    throw Error(Error::Kind::conflict, fmt::format("'{}' exists already", to.text()));
  throw system_error(fmt::format("moving '{}' to '{}'", from.text(), to.text()), errno);
}

std::uint64_t Root::free_bytes() const {
  struct statvfs info{};
  if (::statvfs(state_->folder.c_str(), &info) != 0)
    throw system_error("asking for free space", errno);
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

std::string read_all(const FileDescriptor& file, std::size_t limit) {
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) throw system_error("reading a file", errno);
  const auto size = static_cast<std::size_t>(std::max<off_t>(info.st_size, 0));
  const auto too_long = [&](std::size_t found) {
    return Error(Error::Kind::too_large,
                 fmt::format("file must not exceed {} bytes, got {}", limit, found));
  };
  if (size > limit) throw too_long(size);
  std::string text(size + 1, '\0');  // one more, to notice the end without growing
  std::size_t filled = 0;
  while (true) {
    if (filled == text.size()) text.resize(text.size() * 2);
    const auto got =
        ::pread(file.get(), text.data() + filled, text.size() - filled, static_cast<off_t>(filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error("reading a file", errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
    if (filled > limit) throw too_long(filled);
  }
  text.resize(filled);
  return text;
}

}  // namespace comfy::paths
