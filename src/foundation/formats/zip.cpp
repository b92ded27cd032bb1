// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/formats/zip.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "foundation/formats/byte_reader.h"
#include "foundation/formats/file_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace comfy::formats {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kDirectoryEntry = 0x02014b50;
constexpr std::uint32_t kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50;
constexpr std::uint32_t kEnd64Locator = 0x07064b50;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64LocatorBytes = 20;
constexpr std::uint16_t kExtra64 = 0x0001;
constexpr std::uint16_t kEncrypted = 0x0001;
constexpr std::uint16_t kSizesFollow = 0x0008;
constexpr std::uint32_t kIn64 = 0xffffffff;
constexpr std::uint64_t kMaxEntries = 1'000'000;

[[noreturn]] void refuse(std::string message) {
  throw Error(Error::Kind::invalid_input, "zip archive: " + std::move(message));
}

struct OnEnd {
  void operator()() const { refuse("truncated: a record reaches behind its end"); }
};
using Reader = ByteReader<OnEnd>;

struct Directory {
  std::uint64_t offset = 0, bytes = 0, entries = 0;
  std::uint64_t end = 0;  // where what lies behind it begins
};

// The record at the very end, found backwards because a comment may follow it.
std::size_t find_end(std::span<const std::byte> file) {
  if (file.size() < kEndBytes) refuse("too short to hold a directory");
  const std::size_t last = file.size() - kEndBytes;
  const std::size_t first = last > 0xffff ? last - 0xffff : 0;
  for (std::size_t at = last + 1; at-- > first;) {
    Reader reader{file, at, {}};
    if (reader.number<std::uint32_t>() != kEnd) continue;
    reader.skip(16);
    if (reader.number<std::uint16_t>() == reader.left()) return at;
  }
  refuse("no directory at its end: truncated?");
}

Directory read_end64(std::span<const std::byte> file, std::size_t end) {
  if (end < kEnd64LocatorBytes) refuse("the 64-bit directory record is missing");
  Reader locator{file, end - kEnd64LocatorBytes, {}};
  if (locator.number<std::uint32_t>() != kEnd64Locator)
    refuse("the 64-bit directory record is missing");
  if (locator.number<std::uint32_t>() != 0) refuse("expected one disk, found several");
  const auto place = locator.number<std::uint64_t>();
  if (place > end - kEnd64LocatorBytes) refuse("the 64-bit directory record lies behind the end");
  Reader reader{file, static_cast<std::size_t>(place), {}};
  if (reader.number<std::uint32_t>() != kEnd64) refuse("the 64-bit directory record is damaged");
  reader.skip(8 + 2 + 2);  // its size, versions
  const auto disk = reader.number<std::uint32_t>();
  const auto start_disk = reader.number<std::uint32_t>();
  if (disk != 0 || start_disk != 0) refuse("expected one disk, found several");
  Directory directory;
  const auto here = reader.number<std::uint64_t>();
  directory.entries = reader.number<std::uint64_t>();
  directory.bytes = reader.number<std::uint64_t>();
  directory.offset = reader.number<std::uint64_t>();
  directory.end = place;
  if (here != directory.entries) refuse("expected one disk, found several");
  return directory;
}

Directory find_directory(std::span<const std::byte> file) {
  const std::size_t end = find_end(file);
  Reader reader{file, end + 4, {}};
  const auto disk = reader.number<std::uint16_t>();
  const auto start_disk = reader.number<std::uint16_t>();
  const auto here = reader.number<std::uint16_t>();
  Directory directory;
  directory.entries = reader.number<std::uint16_t>();
  directory.bytes = reader.number<std::uint32_t>();
  directory.offset = reader.number<std::uint32_t>();
  directory.end = end;
  const bool in64 =
      directory.entries == 0xffff || directory.bytes == kIn64 || directory.offset == kIn64;
  if (in64) {
    directory = read_end64(file, end);
  } else if (disk != 0 || start_disk != 0 || here != directory.entries) {
    refuse("expected one disk, found several");
  }
  if (directory.offset > directory.end || directory.bytes > directory.end - directory.offset) {
    refuse("the directory lies outside the file");
  }
  if (directory.entries > kMaxEntries) {
    refuse(fmt::format("expected at most {} entries, found {}", kMaxEntries, directory.entries));
  }
  return directory;
}

struct Sizes {
  std::uint64_t unpacked = 0, packed = 0, header = 0;
};

// Numbers that do not fit 32 bits stand in an extra record, in this order, only those that did not.
void read_sizes64(std::string_view extra, Sizes& sizes) {
  Reader reader{{reinterpret_cast<const std::byte*>(extra.data()), extra.size()}, 0, {}};
  while (reader.left() >= 4) {
    const auto kind = reader.number<std::uint16_t>();
    const std::string_view body = reader.text(reader.number<std::uint16_t>());
    if (kind != kExtra64) continue;
    Reader numbers{{reinterpret_cast<const std::byte*>(body.data()), body.size()}, 0, {}};
    for (std::uint64_t* size : {&sizes.unpacked, &sizes.packed, &sizes.header}) {
      if (*size == kIn64) *size = numbers.number<std::uint64_t>();
    }
    return;
  }
}

struct Listed {
  ZipEntry entry;
  std::uint64_t header = 0;  // where its local header begins
  std::uint16_t flags = 0;
};

Listed read_entry(Reader& reader) {
  if (reader.number<std::uint32_t>() != kDirectoryEntry) refuse("the directory is damaged");
  Listed listed;
  reader.skip(4);  // versions
  listed.flags = reader.number<std::uint16_t>();
  const auto method = reader.number<std::uint16_t>();
  reader.skip(8);  // time, date, checksum
  Sizes sizes;
  sizes.packed = reader.number<std::uint32_t>();
  sizes.unpacked = reader.number<std::uint32_t>();
  const auto name_bytes = reader.number<std::uint16_t>();
  const auto extra_bytes = reader.number<std::uint16_t>();
  const auto comment_bytes = reader.number<std::uint16_t>();
  const auto disk = reader.number<std::uint16_t>();
  reader.skip(6);  // attributes
  sizes.header = reader.number<std::uint32_t>();
  listed.entry.name = reader.text(name_bytes);
  read_sizes64(reader.text(extra_bytes), sizes);
  reader.skip(comment_bytes);
  const std::string& name = listed.entry.name;
  if (!is_utf8(name) || name.empty() || name.find('\0') != std::string::npos) {
    refuse("an entry's name is empty or no text");
  }
  if ((listed.flags & kEncrypted) != 0) refuse(fmt::format("the entry \"{}\" is encrypted", name));
  if (method != 0) {
    refuse(fmt::format("expected entries stored without compression, \"{}\" uses method {}", name,
                       method));
  }
  if (sizes.packed != sizes.unpacked)
    refuse(fmt::format("the entry \"{}\" has two different sizes", name));
  if (disk != 0) refuse("expected one disk, found several");
  listed.entry.bytes = sizes.packed;
  listed.header = sizes.header;
  return listed;
}

// The local header repeats the directory; its name and extra field say where the data begins.
void locate(std::span<const std::byte> file, const Directory& directory, Listed& listed) {
  const std::string& name = listed.entry.name;
  if (listed.header >= directory.offset)
    refuse(fmt::format("the entry \"{}\" lies outside the file", name));
  Reader reader{file.first(static_cast<std::size_t>(directory.offset)),
                static_cast<std::size_t>(listed.header),
                {}};
  if (reader.number<std::uint32_t>() != kLocalHeader)
    refuse(fmt::format("the entry \"{}\" has no header", name));
  reader.skip(2);
  const auto flags = reader.number<std::uint16_t>();
  const auto method = reader.number<std::uint16_t>();
  reader.skip(8);
  Sizes sizes;
  sizes.packed = reader.number<std::uint32_t>();
  sizes.unpacked = reader.number<std::uint32_t>();
  const auto name_bytes = reader.number<std::uint16_t>();
  const auto extra_bytes = reader.number<std::uint16_t>();
  const std::string_view local_name = reader.text(name_bytes);
  read_sizes64(reader.text(extra_bytes), sizes);
  const bool sizes_here = (flags & kSizesFollow) == 0;
  if (local_name != name || method != 0 || (flags & kEncrypted) != 0 ||
      (sizes_here &&
       (sizes.packed != listed.entry.bytes || sizes.unpacked != listed.entry.bytes))) {
    refuse(fmt::format("the header of the entry \"{}\" contradicts the directory", name));
  }
  listed.entry.offset = reader.position();
  if (listed.entry.bytes > reader.left()) {
    refuse(fmt::format("the entry \"{}\" of {} bytes lies outside the file", name,
                       listed.entry.bytes));
  }
}

void check_overlaps(const std::vector<Listed>& all) {
  std::vector<const Listed*> in_order;
  for (const Listed& listed : all) in_order.push_back(&listed);
  std::sort(in_order.begin(), in_order.end(),
            [](const Listed* a, const Listed* b) { return a->header < b->header; });
  std::uint64_t end = 0;
  for (const Listed* listed : in_order) {
    if (listed->header < end)
      refuse(fmt::format("the entry \"{}\" overlaps another", listed->entry.name));
    end = listed->entry.offset + listed->entry.bytes;
  }
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(std::span<const std::byte> file) {
  if (file_kind(file) != FileKind::zip) {
    throw Error(Error::Kind::invalid_input,
                fmt::format("expected a zip archive, found {}", describe(file_kind(file))));
  }
  const Directory directory = find_directory(file);
  Reader reader{file.first(static_cast<std::size_t>(directory.offset + directory.bytes)),
                static_cast<std::size_t>(directory.offset),
                {}};
  std::vector<Listed> all;
  std::unordered_set<std::string> names;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    all.push_back(read_entry(reader));
    locate(file, directory, all.back());
    if (!names.insert(all.back().entry.name).second) {
      refuse(fmt::format("two entries are called \"{}\"", all.back().entry.name));
    }
  }
  if (!reader.at_end()) refuse("the directory has entries that it does not count");
  check_overlaps(all);
  std::vector<ZipEntry> entries;
  for (Listed& listed : all) entries.push_back(std::move(listed.entry));
  return entries;
}

}  // namespace comfy::formats
