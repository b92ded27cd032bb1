// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/formats/safetensors.h"

#include "foundation/base/error.h"
#include "foundation/base/file_descriptor.h"
#include "foundation/formats/crafted_files.h"
#include "foundation/formats/mapped_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

namespace comfy::formats {
namespace {

using crafted::as_bytes;
using crafted::raw;
using crafted::safetensors;
using namespace std::string_literals;

constexpr const char* kTwo =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"F16","shape":[],"data_offsets":[24,26]}})";

std::string refusal(const std::string& file) {
  try {
    read_safetensors(as_bytes(file));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::invalid_input);
    return error.message;
  }
  return "accepted";
}

TEST(Safetensors, ReadsNamesTypesShapesAndPlaces) {
  const std::string file = safetensors(kTwo, 26);
  const TensorTable table = read_safetensors(as_bytes(file));
  ASSERT_EQ(table.tensors.size(), 2u);
  EXPECT_EQ(table.tensors[0].name, "a");
  EXPECT_EQ(table.tensors[0].type, ElementType::f32);
  EXPECT_EQ(table.tensors[0].shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(table.tensors[0].offset, file.size() - 26);
  EXPECT_EQ(table.tensors[0].bytes, 24u);
  EXPECT_EQ(table.tensors[1].name, "b");
  EXPECT_TRUE(table.tensors[1].shape.empty());
  EXPECT_EQ(table.tensors[1].offset, file.size() - 2);
  EXPECT_EQ(table.metadata.at("format"), "pt");
}

TEST(Safetensors, KnowsEveryType) {
  const std::vector<std::pair<const char*, int>> types = {
      {"BOOL", 8},    {"U8", 8},          {"I8", 8},          {"F8_E4M3", 8}, {"F8_E5M2", 8},
      {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},
      {"F16", 16},    {"BF16", 16},       {"I32", 32},        {"U32", 32},    {"F32", 32},
      {"C64", 64},    {"F64", 64},        {"I64", 64},        {"U64", 64},    {"F4", 4},
      {"F6_E2M3", 6}, {"F6_E3M2", 6}};
  for (const auto& [name, bits] : types) {
    const int bytes = 4 * bits / 8;
    const std::string header = R"({"x":{"dtype":")"s + name +
                               R"(","shape":[4],"data_offsets":[0,)" + std::to_string(bytes) +
                               "]}}";
    const std::string file = safetensors(header, static_cast<std::size_t>(bytes));
    const TensorTable table = read_safetensors(as_bytes(file));
    EXPECT_EQ(element_name(table.tensors.at(0).type), name);
    EXPECT_EQ(element_bits(table.tensors.at(0).type), static_cast<std::uint64_t>(bits));
  }
}

TEST(Safetensors, AcceptsWhatTheFormatAllows) {
  for (
      const auto& [header, bytes] : std::vector<std::pair<std::string, std::size_t>>{
          {"{}", 0},
          {R"({"__metadata__":{}}      )", 0},
          {R"({"__metadata__":null})", 0},
          {R"({"e":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]}})", 0},
          {R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
           3},
          {R"({"z":{"dtype":"U8","shape":[0],"data_offsets":[2,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
           2},
          {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"note":1}})", 2},
          {R"({"ä.ö":{"dtype":"U8","shape":[1,1,1,1,1,1,1,2],"data_offsets":[0,2]}})", 2}}) {
    EXPECT_EQ(refusal(safetensors(header, bytes)), "accepted") << header;
  }
}

struct Malformed {
  std::string file;
  std::string says;
};

std::string entry(const std::string& body) { return R"({"x":{)" + body + "}}"; }
std::string shaped(const std::string& type, const std::string& shape, const std::string& range) {
  return entry(R"("dtype":)" + type + R"(,"shape":)" + shape + R"(,"data_offsets":)" + range);
}
std::string pair(const std::string& first, const std::string& second) {
  return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
         R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
}

std::vector<Malformed> malformed_headers() {
  return {
      {safetensors("{", 0), "malformed header"},
      {safetensors("{}x", 0), "malformed header"},
      {safetensors("{\"a\":}", 0), "malformed header"},
      {safetensors("{\"\xff\":1}", 0), "malformed header"},
      {safetensors("{\"\\ud800\":1}", 0), "malformed header"},
      {safetensors("{,}", 0), "malformed header"},
      {safetensors("{\"a\":{\"dtype\":\"U8\"", 0), "malformed header"},
      {safetensors("{\0}"s, 0), "malformed header"},
      {safetensors("{}\0"s, 0), "malformed header"},
      {safetensors("{}\0x"s, 0), "malformed header"},
      {safetensors(R"({"a":[[[[[[[[1]]]]]]]]})", 0), "malformed header"},
      {safetensors(
           R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
           2),
       "malformed header"},
      {safetensors(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
       "malformed header"},
      {safetensors(R"({"__metadata__":{},"__metadata__":{}})", 0), "malformed header"},
      {safetensors(R"({"__metadata__":1})", 0), "expected an object of metadata, found integer"},
      {safetensors(R"({"__metadata__":"x"})", 0), "expected an object of metadata"},
      {safetensors(R"({"__metadata__":[]})", 0), "expected an object of metadata"},
      {safetensors(R"({"__metadata__":{"a":1}})", 0), "expected text as metadata \"a\""},
      {safetensors(R"({"__metadata__":{"a":null}})", 0), "expected text as metadata \"a\""},
      {safetensors(R"({"__metadata__":{"a":{}}})", 0), "expected text as metadata \"a\""},
      {safetensors(R"({"x":1})", 0), "expected an object for tensor \"x\", found integer"},
      {safetensors(R"({"x":null})", 0), "expected an object for tensor \"x\""},
      {safetensors(R"({"x":"F32"})", 0), "expected an object for tensor \"x\""},
      {safetensors(R"({"x":[]})", 0), "expected an object for tensor \"x\""},
      {safetensors(entry(""), 0), "has no \"dtype\""},
      {safetensors(entry(R"("dtype":"U8","data_offsets":[0,1])"), 1), "has no \"shape\""},
      {safetensors(entry(R"("dtype":"U8","shape":[1])"), 1), "has no \"data_offsets\""},
      {safetensors(shaped("\"F31\"", "[1]", "[0,4]"), 4), "unknown dtype \"F31\""},
      {safetensors(shaped("\"f32\"", "[1]", "[0,4]"), 4), "unknown dtype"},
      {safetensors(shaped("\"\"", "[1]", "[0,4]"), 4), "unknown dtype"},
      {safetensors(shaped("4", "[1]", "[0,4]"), 4), "unknown dtype 4"},
      {safetensors(shaped("null", "[1]", "[0,4]"), 4), "unknown dtype null"},
      {safetensors(shaped("\"U8\"", "4", "[0,4]"), 4), "expected a list as \"shape\""},
      {safetensors(shaped("\"U8\"", "null", "[0,4]"), 4), "expected a list as \"shape\""},
      {safetensors(shaped("\"U8\"", "{}", "[0,4]"), 4), "expected a list as \"shape\""},
      {safetensors(shaped("\"U8\"", "[-4]", "[0,4]"), 4), "as \"shape\" of tensor \"x\", found -4"},
      {safetensors(shaped("\"U8\"", "[4.0]", "[0,4]"), 4), "expected whole numbers"},
      {safetensors(shaped("\"U8\"", "[\"4\"]", "[0,4]"), 4), "expected whole numbers"},
      {safetensors(shaped("\"U8\"", "[true]", "[0,1]"), 1), "expected whole numbers"},
      {safetensors(shaped("\"U8\"", "[NaN]", "[0,1]"), 1), "expected whole numbers"},
      {safetensors(shaped("\"U8\"", "[18446744073709551615]", "[0,1]"), 1),
       "expected whole numbers"},
      {safetensors(shaped("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1), "at most 8 dimensions"},
      {safetensors(shaped("\"U8\"", "[4]", "[0]"), 4), "two growing data_offsets"},
      {safetensors(shaped("\"U8\"", "[4]", "[]"), 4), "two growing data_offsets"},
      {safetensors(shaped("\"U8\"", "[4]", "[0,2,4]"), 4), "two growing data_offsets"},
      {safetensors(shaped("\"U8\"", "[4]", "[4,0]"), 4), "two growing data_offsets"},
      {safetensors(shaped("\"U8\"", "[4]", "4"), 4), "expected a list as \"data_offsets\""},
      {safetensors(shaped("\"U8\"", "[4]", "[-4,0]"), 4), "expected whole numbers"},
      {safetensors(shaped("\"U8\"", "[4]", "[0,18446744073709551615]"), 4),
       "expected whole numbers"},
      {safetensors(shaped("\"U8\"", "[4]", "[0.0,4.0]"), 4), "expected whole numbers"},
  };
}

std::vector<Malformed> malformed_sizes() {
  const std::string good = safetensors(kTwo, 26);
  return {
      {safetensors(shaped("\"U8\"", "[5]", "[0,4]"), 4), "does not take the 4 bytes"},
      {safetensors(shaped("\"F32\"", "[4]", "[0,4]"), 4), "does not take the 4 bytes"},
      {safetensors(shaped("\"F32\"", "[0]", "[0,4]"), 4), "does not take the 4 bytes"},
      {safetensors(shaped("\"F4\"", "[3]", "[0,1]"), 1), "does not take the 1 bytes"},
      {safetensors(shaped("\"F6_E2M3\"", "[1]", "[0,1]"), 1), "does not take the 1 bytes"},
      // Products that come out right in 64 bits only.
      {safetensors(shaped("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0),
       "does not take the 0 bytes"},
      {safetensors(shaped("\"F64\"", "[2305843009213693952]", "[0,0]"), 0),
       "does not take the 0 bytes"},
      {safetensors(shaped("\"U8\"", "[9223372036854775807,2]", "[0,4]"), 4),
       "does not take the 4 bytes"},
      {safetensors(
           shaped("\"U8\"", "[9223372036854775807,9223372036854775807,9223372036854775807,4]",
                  "[0,4]"),
           4),
       "does not take"},
      {safetensors(shaped("\"U8\"", "[4]", "[9223372036854775800,9223372036854775804]"), 4),
       "begins at"},
      {safetensors(pair("[0,4]", "[5,9]"), 9), "a gap"},
      {safetensors(pair("[1,5]", "[5,9]"), 9), "a gap"},
      {safetensors(pair("[0,4]", "[3,7]"), 7), "overlaps"},
      {safetensors(pair("[0,4]", "[0,4]"), 4), "overlaps"},
      {safetensors(pair("[0,4]", "[0,4]"), 8), "overlaps"},
      {safetensors(pair("[0,4]", "[4,8]"), 7), "truncated: tensor \"b\" ends at 8"},
      {safetensors(pair("[0,4]", "[4,8]"), 0), "truncated"},
      {safetensors(pair("[0,4]", "[4,8]"), 9), "1 bytes behind the last tensor"},
      {safetensors("{}", 1), "1 bytes behind the last tensor"},
      {good.substr(0, good.size() - 1), "truncated"},
      {good + "x", "behind the last tensor"},
      {good.substr(0, 60), "truncated: the header takes"},
      {raw(std::uint64_t{1000}) + "{}", "truncated: the header takes 1000 bytes, 2 are left"},
      {raw(std::uint64_t{100'000'001}) + "{}", "header of at most 100000000 bytes"},
      {raw(~std::uint64_t{0}) + "{}", "header of at most"},
      {raw(std::uint64_t{0}) + "{}", "malformed header"},
      {"", "expected a safetensors file, found an empty file"},
      {"x", "expected a safetensors file, found a text"},
      {raw(std::uint64_t{2}), "expected a safetensors file"},
      {raw(std::uint64_t{2}) + "[]", "expected a safetensors file"},
      {raw(std::uint64_t{3}) + " {}", "expected a safetensors file"},
      {crafted::zip({{.name = "a"}}), "expected a safetensors file, found a zip archive"},
      {crafted::pickle("}"), "expected a safetensors file, found a pickle"},
      {"GGUF\3\0\0\0\0\0\0\0"s, "expected a safetensors file, found a GGUF file"},
      {"\x89PNG\r\n\x1a\n-------", "expected a safetensors file, found a PNG picture"},
      {"<!DOCTYPE html><html>", "found a web page"},
      {"version https://git-lfs.github.com/spec/v1\n", "found a Git LFS pointer"},
      {R"({"error": "Invalid username or password."})", "found a JSON text"},
  };
}

TEST(Safetensors, RefusesMalformedHeadersSayingWhatIsWrong) {
  for (const Malformed& row : malformed_headers()) {
    const std::string message = refusal(row.file);
    EXPECT_NE(message.find(row.says), std::string::npos) << row.file << "\n  said: " << message;
  }
}

TEST(Safetensors, RefusesWrongSizesAndOtherFiles) {
  for (const Malformed& row : malformed_sizes()) {
    const std::string message = refusal(row.file);
    EXPECT_NE(message.find(row.says), std::string::npos) << row.file << "\n  said: " << message;
  }
}

TEST(Safetensors, RefusesMoreTensorsThanAMillion) {
  std::string header = "{";
  for (int i = 0; i < 1'000'002; ++i) {
    header += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
  }
  EXPECT_NE(refusal(safetensors(header + "}", 0)).find("at most 1000000 tensors"),
            std::string::npos);
}

// Whatever a mutation makes of a file: a table whose every tensor lies inside the file, or an
// Error.
TEST(Safetensors, SurvivesMutation) {
  const std::string good = safetensors(kTwo, 26);
  std::mt19937 random{1};
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string file = good;
    const int changes = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < changes; ++i) {
      const std::size_t at = random() % file.size();
      switch (random() % 4) {
        case 0:
          file[at] = static_cast<char>(random());
          break;
        case 1:
          file[at] = "0123456789[]{},:\""[random() % 17];
          break;
        case 2:
          file.erase(at, 1 + random() % 4);
          break;
        default:
          file.insert(at, 1, file[random() % file.size()]);
      }
      if (file.empty()) file = " ";
    }
    try {
      const TensorTable table = read_safetensors(as_bytes(file));
      ++accepted;
      for (const TensorEntry& tensor : table.tensors) {
        ASSERT_LE(tensor.offset + tensor.bytes, file.size());
        ASSERT_EQ(tensor_bytes(tensor.shape, tensor.type), tensor.bytes);
      }
    } catch (const Error& error) {
      ASSERT_FALSE(error.message.empty());
    }
  }
  EXPECT_GT(accepted, 100);
  EXPECT_LT(accepted, 10'000);
}

TEST(Safetensors, WritesAFrontThatItReads) {
  TensorTable table;
  table.metadata["prompt"] = "{\"ä\": 1}";
  table.tensors.push_back(
      {.name = "a", .type = ElementType::bf16, .shape = {3}, .offset = 0, .bytes = 6});
  table.tensors.push_back(
      {.name = "b", .type = ElementType::u8, .shape = {}, .offset = 6, .bytes = 1});
  const std::string front = safetensors_front(table);
  EXPECT_EQ(front.size() % 8, 0u);
  const std::string file = front + std::string(7, 'x');
  const TensorTable read = read_safetensors(as_bytes(file));
  EXPECT_EQ(read.metadata, table.metadata);
  ASSERT_EQ(read.tensors.size(), 2u);
  EXPECT_EQ(read.tensors[0].type, ElementType::bf16);
  EXPECT_EQ(read.tensors[0].offset, front.size());
  EXPECT_EQ(read.tensors[1].name, "b");
}

class MetadataOf : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::temp_directory_path() / ("comfy_metadata_" + std::to_string(getpid()));
  }
  void TearDown() override { std::filesystem::remove(path_); }

  FileDescriptor write(const std::string& content) {
    std::ofstream{path_, std::ios::binary} << content;
    return FileDescriptor{open(path_.c_str(), O_RDONLY | O_CLOEXEC)};
  }

  std::filesystem::path path_;
};

TEST_F(MetadataOf, GivesTheMemberAsItStands) {
  const FileDescriptor file = write(safetensors(kTwo, 26));
  const auto metadata = safetensors_metadata(file.get());
  ASSERT_TRUE(metadata);
  EXPECT_EQ(to_json(*metadata), R"({"format": "pt"})");
}

TEST_F(MetadataOf, IsNothingWithoutTheMember) {
  const FileDescriptor file = write(safetensors("{}", 0));
  EXPECT_FALSE(safetensors_metadata(file.get()));
}

TEST_F(MetadataOf, ReadsTheHeaderOnly) {
  const FileDescriptor file = write(safetensors(kTwo, 0));  // no data behind it
  EXPECT_TRUE(safetensors_metadata(file.get()));
}

TEST_F(MetadataOf, RefusesALongHeaderAndOtherFiles) {
  const FileDescriptor file = write(safetensors(kTwo, 26));
  try {
    safetensors_metadata(file.get(), 10);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::too_large);
  }
  const FileDescriptor short_file = write("abc");
  EXPECT_THROW(safetensors_metadata(short_file.get()), Error);
  const FileDescriptor cut = write(safetensors(kTwo, 0).substr(0, 40));
  EXPECT_THROW(safetensors_metadata(cut.get()), Error);
  const FileDescriptor text = write("........{not json");
  EXPECT_THROW(safetensors_metadata(text.get()), Error);
}

using MappedFileTest = MetadataOf;

TEST_F(MappedFileTest, ShowsTheBytesOfAFile) {
  write("hello");
  const auto file = MappedFile::open(path_);
  EXPECT_EQ(file->bytes().size(), 5u);
  EXPECT_EQ(file->bytes()[1], std::byte{'e'});
  EXPECT_EQ(file->identity(), file_identity(path_));
  file->will_need(file->bytes());
  file->done_with(file->bytes());
  EXPECT_EQ(file->bytes()[4], std::byte{'o'});
}

TEST_F(MappedFileTest, ShowsAnEmptyFile) {
  write("");
  EXPECT_TRUE(MappedFile::open(path_)->bytes().empty());
}

TEST_F(MappedFileTest, NoticesThatTheFileWasShortened) {
  write(std::string(100'000, 'x'));
  const auto file = MappedFile::open(path_);
  EXPECT_NO_THROW(file->check_unchanged());
  std::filesystem::resize_file(path_, 10);
  EXPECT_THROW(file->check_unchanged(), Error);
  EXPECT_NE(file->identity(), file_identity(path_));
}

TEST_F(MappedFileTest, RefusesWhatIsNoFile) {
  EXPECT_THROW(MappedFile::open("/"), Error);
  try {
    MappedFile::open(path_.string() + "_absent");
    FAIL() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::not_found);
    EXPECT_NE(error.message.find("_absent"), std::string::npos);
  }
  EXPECT_EQ(file_identity(path_.string() + "_absent"), "");
}

}  // namespace
}  // namespace comfy::formats
