// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/formats/zip.h"

#include "foundation/base/error.h"
#include "foundation/formats/crafted_files.h"

#include <gtest/gtest.h>

#include <random>

namespace comfy::formats {
namespace {

using crafted::as_bytes;
using crafted::raw;
using crafted::zip;
using crafted::ZipEnd;
using crafted::ZipFile;
using namespace std::string_literals;

std::string refusal(const std::string& file) {
  try {
    read_zip_directory(as_bytes(file));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::invalid_input);
    return error.message;
  }
  return "accepted";
}

// Two entries with their numbers in 64-bit records.
std::string zip64(std::uint64_t entries = 1, std::uint64_t size = 3, std::uint64_t place = 0) {
  const std::string local = "PK\x03\x04" + raw(std::uint16_t{45}) + raw(std::uint16_t{0}) +
                            raw(std::uint16_t{0}) + std::string(8, '\0') + raw(~std::uint32_t{0}) +
                            raw(~std::uint32_t{0}) + raw(std::uint16_t{1}) +
                            raw(std::uint16_t{20}) + "a" + raw(std::uint16_t{1}) +
                            raw(std::uint16_t{16}) + raw(size) + raw(size) + "xyz";
  const std::string directory =
      "PK\x01\x02" + raw(std::uint32_t{0}) + raw(std::uint32_t{0}) + std::string(8, '\0') +
      raw(~std::uint32_t{0}) + raw(~std::uint32_t{0}) + raw(std::uint16_t{1}) +
      raw(std::uint16_t{28}) + std::string(2 + 2 + 6, '\0') + raw(~std::uint32_t{0}) + "a" +
      raw(std::uint16_t{1}) + raw(std::uint16_t{24}) + raw(size) + raw(size) + raw(place);
  const std::string end64 = "PK\x06\x06" + raw(std::uint64_t{44}) + raw(std::uint32_t{0}) +
                            raw(std::uint64_t{0}) + raw(entries) + raw(entries) +
                            raw(std::uint64_t{directory.size()}) + raw(std::uint64_t{local.size()});
  const std::string locator = "PK\x06\x07" + raw(std::uint32_t{0}) +
                              raw(std::uint64_t{local.size() + directory.size()}) +
                              raw(std::uint32_t{1});
  const std::string end = "PK\x05\x06" + raw(std::uint32_t{0}) + raw(~std::uint32_t{0}) +
                          raw(~std::uint32_t{0}) + raw(~std::uint32_t{0}) + raw(std::uint16_t{0});
  return local + directory + end64 + locator + end;
}

TEST(Zip, ListsStoredEntriesWithTheirPlaces) {
  const std::string file = zip({{.name = "a/b", .data = "hello"}, {.name = "c", .data = ""}});
  const auto entries = read_zip_directory(as_bytes(file));
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "a/b");
  EXPECT_EQ(file.substr(entries[0].offset, entries[0].bytes), "hello");
  EXPECT_EQ(entries[1].bytes, 0u);
}

TEST(Zip, ReadsNumbersOf64Bits) {
  const std::string file = zip64();
  const auto entries = read_zip_directory(as_bytes(file));
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(file.substr(entries[0].offset, entries[0].bytes), "xyz");
}

TEST(Zip, ReadsEntriesWhoseSizesFollowThem) {
  const std::string file = zip({{.name = "a", .data = "hello", .flags = 8, .local_size = 0}});
  EXPECT_EQ(read_zip_directory(as_bytes(file)).at(0).bytes, 5u);
}

TEST(Zip, ReadsAnArchiveWithAComment) {
  const std::string file = zip({{.name = "a", .data = "hello"}}, {.comment = "some words"});
  EXPECT_EQ(read_zip_directory(as_bytes(file)).size(), 1u);
}

const std::string kGood = zip({{.name = "a", .data = "hello"}, {.name = "b", .data = "world"}});
const ZipFile kEntry{.name = "a", .data = "hello"};

struct Row {
  std::string file, says;
};

const std::vector<Row> kMalformed = {
    {"", "found an empty file"},
    {"PK\x03\x04", "too short"},
    {"hello, this is no archive at all", "expected a zip archive, found a text"},
    {kGood.substr(0, kGood.size() - 1), "no directory at its end"},
    {kGood.substr(0, kGood.size() / 2), "no directory at its end"},
    {kGood + "x", "no directory at its end"},
    {zip({kEntry}, {.comment = "abc", .comment_bytes = 2}), "no directory at its end"},
    {zip({kEntry}, {.entries = 2}), "one disk"},
    {zip({kEntry}, {.disk = 1}), "one disk"},
    {zip({kEntry}, {.directory_bytes = 1'000'000}), "directory lies outside"},
    {zip({kEntry}, {.directory_offset = 1'000'000}), "directory lies outside"},
    {zip({kEntry}, {.directory_offset = 0}), "damaged"},
    {zip({kEntry}, {.directory_bytes = 10}), "truncated"},
    {zip({kEntry}, {.directory_bytes = 0}), "truncated"},
    {zip({kEntry}, {.directory_bytes = 60, .between = "0123456789abcdef"}), "does not count"},
    {zip({kEntry}, {.directory_bytes = 0xffffffff}), "64-bit directory record is missing"},
    {zip({kEntry}, {.directory_offset = 0xffffffff}), "64-bit directory record is missing"},
    {zip({kEntry, {.name = "b", .data = "x", .method = 8}}), "\"b\" uses method 8"},
    {zip({kEntry, {.name = "b", .data = "x", .method = 93}}), "uses method 93"},
    {zip({kEntry, {.name = "b", .data = "x", .flags = 1}}), "\"b\" is encrypted"},
    {zip({kEntry, {.name = "b", .data = "x", .unpacked_size = 1000}}), "two different sizes"},
    {zip({kEntry, {.name = "b", .data = "x", .local_name = "c"}}), "contradicts the directory"},
    {zip({kEntry, {.name = "b", .data = "x", .local_name = "bb"}}), "contradicts the directory"},
    {zip({kEntry, {.name = "b", .data = "x", .local_size = 7}}), "contradicts the directory"},
    {zip({kEntry, {.name = "b", .data = "x", .local_size = 100, .size = 100}}),
     "lies outside the file"},
    {zip({kEntry, {.name = "b", .data = "x", .flags = 8, .size = 0xfffffff0}}),
     "lies outside the file"},
    {zip({kEntry, {.name = "b", .data = "x", .header_offset = 1'000'000}}),
     "lies outside the file"},
    {zip({kEntry, {.name = "b", .data = "x", .header_offset = 3}}), "has no header"},
    {zip({kEntry, {.name = "b", .data = "x", .header_offset = 0xffffffff}}),
     "lies outside the file"},
    {zip({kEntry, kEntry}), "two entries are called \"a\""},
    {zip({kEntry, {.name = "a", .header_offset = 0}}), "contradicts the directory"},
    {zip({{.name = "a", .data = "hello", .flags = 8},
          {.name = "a", .data = "", .size = 5, .header_offset = 0}}),
     "two entries are called"},
    {zip({{.name = "a", .data = zip({{.name = "b", .data = "x"}}).substr(0, 40)},
          {.name = "b", .data = "x", .header_offset = 31}}),
     "overlaps"},
    {zip({{.name = "a", .data = "hello", .flags = 8, .size = 20}, {.name = "b", .data = "world"}}),
     "overlaps"},
    {zip({{.name = "", .data = "x"}}), "name is empty"},
    {zip({{.name = "a\0b"s, .data = "x"}}), "name is empty or no text"},
    {zip({{.name = "\xff\xfe", .data = "x"}}), "name is empty or no text"},
    {zip64(2), "truncated"},
    {zip64(2'000'000), "at most 1000000 entries"},
    {zip64(1, 1'000), "lies outside the file"},
    {zip64(1, ~std::uint64_t{0}), "lies outside the file"},
    {zip64(1, 3, ~std::uint64_t{0}), "lies outside the file"},
    {zip64(1, 3, 5), "has no header"},
};

TEST(Zip, RefusesMalformedArchives) {
  EXPECT_GE(kMalformed.size(), 40u);
  for (const Row& row : kMalformed) {
    const std::string message = refusal(row.file);
    EXPECT_NE(message.find(row.says), std::string::npos)
        << "row " << &row - kMalformed.data() << ": " << message;
  }
}

TEST(Zip, SurvivesMutation) {
  std::mt19937 random{2};
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string file = round % 2 == 0
                           ? zip64()
                           : zip({{.name = "a", .data = "hello"}, {.name = "b", .data = "world"}});
    for (unsigned i = 0; i < 1 + random() % 3; ++i) {
      const std::size_t at = 4 + random() % (file.size() - 4);
      file[at] =
          random() % 2 == 0 ? static_cast<char>(random()) : static_cast<char>(random() % 3 - 1);
    }
    if (random() % 8 == 0) file.resize(random() % file.size());
    try {
      for (const ZipEntry& entry : read_zip_directory(as_bytes(file))) {
        ASSERT_LE(entry.offset + entry.bytes, file.size());
      }
      ++accepted;
    } catch (const Error& error) {
      ASSERT_FALSE(error.message.empty());
    }
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace comfy::formats
