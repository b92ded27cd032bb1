// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/files/upload_place.h"

#include "foundation/base/error.h"
#include "frontend/server/files/client_files.h"

#include <fmt/format.h>

#include <optional>
#include <string>

namespace comfy::server {
namespace {

bool holds_the_same(const paths::Root& root, const paths::ClientPath& path,
                    std::string_view content) {
  const auto entry = root.status(path);
  if (!entry || entry->is_folder || entry->size != content.size()) return false;
  const auto file = root.find(path);
  return file && paths::read_all(*file, content.size() + 1) == content;
}

/// The name for the n-th try: "a.png", "a (1).png", "a (2).png".
paths::ClientPath numbered(const paths::ClientPath& name, unsigned number) {
  if (number == 0) return name;
  const SplitName split = split_suffix(name.name());
  return name.renamed(fmt::format("{} ({}){}", split.stem, number, split.suffix));
}

}  // namespace

void check_free_space(const paths::Root& root, std::size_t size, std::uint64_t reserve) {
  root.make_folder({});
  const std::uint64_t free = root.free_bytes();
  if (free >= reserve && free - reserve >= size) return;
  throw Error{
      Error::Kind::unavailable,
      fmt::format("the disk must keep {} bytes free, {} are left for {} more", reserve, free, size),
      "disk_full"};
}

paths::ClientPath store_upload(const UploadPlace& place, std::string_view upload,
                               std::string_view written) {
  if (place.existing == paths::Existing::replace) {
    paths::NewFile file = place.root.create(place.folder / place.name);
    file.write(written);
    file.publish(paths::Existing::replace);
    return place.name;
  }
  std::optional<paths::NewFile> file;
  for (unsigned number = 0;; ++number) {
    const paths::ClientPath name = numbered(place.name, number);
    const paths::ClientPath path = place.folder / name;
    if (holds_the_same(place.root, path, upload)) return name;
    if (place.root.status(path)) continue;
    if (!file) {
      file.emplace(place.root.create(path));
      file->write(written);
    }
    file->rename_to(std::string{path.name()});
    // another upload may have taken the name meanwhile; it may even be the same picture
    if (file->publish(paths::Existing::keep)) return name;
    if (holds_the_same(place.root, path, upload)) return name;
  }
}

}  // namespace comfy::server
