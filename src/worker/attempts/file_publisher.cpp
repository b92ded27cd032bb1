// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/attempts/file_publisher.h"

#include "foundation/base/error.h"
#include "foundation/base/fail_point.h"
#include "foundation/base/hash.h"
#include "foundation/paths/save_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace comfy::attempts {
namespace {

using engine::PublishRequest;

paths::Area area_of(PublishRequest::Root root) {
  return root == PublishRequest::Root::output ? paths::Area::output : paths::Area::temp;
}

std::tm local_time(const Clock& clock) {
  const std::time_t seconds = static_cast<std::time_t>(clock.wall().count() / 1000);
  std::tm time{};
  localtime_r(&seconds, &time);
  return time;
}

engine::PublishedFile described(const paths::ClientPath& path, PublishRequest::Root root) {
  return {.filename = std::string{path.name()},
          .subfolder = path.folder().text(),
          .type = paths::area_name(area_of(root))};
}

}  // namespace

std::string user_of(const std::string& owner) { return owner.empty() ? "default" : owner; }

FilePublisher::FilePublisher(Parts parts, std::string prompt_id, std::string owner)
    : parts_{std::move(parts)}, prompt_id_{std::move(prompt_id)}, user_{user_of(owner)} {}

paths::Root FilePublisher::root_of(PublishRequest::Root root) const {
  return parts_.folders.area(area_of(root), user_);
}

std::string FilePublisher::key_of(const PublishRequest& request) {
  const std::string place = fmt::format("{}/{}", request.node_id, request.list_index);
  return fmt::format("{}/{}", place, items_[place]++);
}

engine::PublishedFile FilePublisher::publish(PublishRequest request) {
  const std::lock_guard lock{mutex_};
  const paths::Root root = root_of(request.root);
  const bool kept = request.root == PublishRequest::Root::output;
  if (kept && !ledger_) ledger_.emplace(root.path(), prompt_id_);
  const std::string digest = kept ? to_hex(sha256(request.bytes)) : std::string{};
  const std::string key = key_of(request);
  const paths::SaveName name = paths::find_save_name(root, request.prefix, request.width,
                                                     request.height, local_time(parts_.clock));
  parts_.pass_fence();
  if (kept)
    if (const auto again = publish_again(root, key, request.bytes, digest))
      return described(*again, request.root);

  std::string_view extension = request.extension;
  if (extension.starts_with('.')) extension.remove_prefix(1);
  const auto batch = static_cast<unsigned>(std::max(0, request.batch_number.value_or(0)));
  const auto path_of = [&](unsigned counter) {
    return name.folder / paths::ClientPath::parse(name.filename(counter, batch, extension));
  };
  unsigned counter = name.counter;
  paths::ClientPath path = path_of(counter);
  paths::NewFile file = root.create(path);
  file.write(request.bytes);
  while (true) {
    if (kept) ledger_->add(key, path.text(), digest);
    fail_point("ledger");
    parts_.pass_fence();
    if (file.publish(paths::Existing::keep)) break;
    path = path_of(++counter);
    file.rename_to(std::string{path.name()});
  }
  fail_point("link");
  return described(path, request.root);
}

std::optional<paths::ClientPath> FilePublisher::publish_again(const paths::Root& root,
                                                              const std::string& key,
                                                              const std::string& bytes,
                                                              const std::string& digest) {
  const Ledger::Entry* earlier = ledger_->find(key);
  if (earlier == nullptr) return {};
  const auto path = paths::ClientPath::parse(earlier->path);
  const std::optional<FileDescriptor> there = root.find(path);
  if (!there) return {};
  const std::string found =
      to_hex(sha256(paths::read_all(*there, std::numeric_limits<std::size_t>::max())));
  if (std::find(earlier->digests.begin(), earlier->digests.end(), found) == earlier->digests.end())
    return {};  // somebody else's
  if (found == digest) return path;
  ledger_->add(key, path.text(), digest);
  paths::NewFile file = root.create(path);
  file.write(bytes);
  parts_.pass_fence();
  file.publish(paths::Existing::replace);
  return path;
}

void FilePublisher::forget(const paths::Folders& folders, const std::string& prompt_id,
                           const std::string& owner) {
  Ledger::remove(folders.area(paths::Area::output, user_of(owner)).path(), prompt_id);
}

}  // namespace comfy::attempts
