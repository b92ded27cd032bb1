// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/formats/torch_file.h"

#include "foundation/base/error.h"
#include "foundation/formats/crafted_files.h"

#include <gtest/gtest.h>

#include <random>

namespace comfy::formats {
namespace {

using namespace crafted;
using namespace std::string_literals;

TensorTable read(const std::string& file) { return read_torch_file(as_bytes(file)); }

std::string refusal(const std::string& file) {
  try {
    read(file);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::invalid_input);
    return error.message;
  }
  return "accepted";
}

std::vector<std::string> names(const TensorTable& table) {
  std::vector<std::string> result;
  for (const TensorEntry& tensor : table.tensors) result.push_back(tensor.name);
  return result;
}

TEST(TorchFile, ReadsADictionaryOfTensors) {
  const std::string file = torch_zip(dictionary(
      {{text("w"), tensor()}, {text("b"), tensor({.first = 3, .shape = {3}, .strides = {1}})}}));
  const TensorTable table = read(file);
  ASSERT_EQ(names(table), (std::vector<std::string>{"w", "b"}));
  EXPECT_EQ(file.substr(table.tensors[0].offset, table.tensors[0].bytes), std::string(24, '\2'));
  EXPECT_TRUE(table.tensors[0].strides.empty());
  EXPECT_EQ(table.tensors[1].offset, table.tensors[0].offset + 12);
  EXPECT_EQ(table.tensors[1].bytes, 12u);
}

TEST(TorchFile, KeepsStridesOfATransposedTensor) {
  const TensorTable table = read(torch_zip(
      dictionary({{text("a"), tensor({.shape = {3, 2}, .strides = {1, 3}})}, {text("b"), "N"}})));
  EXPECT_EQ(table.tensors.at(0).strides, (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(table.tensors.at(0).bytes, 24u);
}

TEST(TorchFile, TakesTheStateDictionary) {
  const TensorTable table = read(torch_zip(dictionary(
      {{text("epoch"), integer(3)}, {text("state_dict"), dictionary({{text("w"), tensor()}})}})));
  EXPECT_EQ(names(table), std::vector<std::string>{"w"});
  EXPECT_TRUE(table.metadata.empty());
}

TEST(TorchFile, TakesTheOnlyMemberWhenItIsADictionary) {
  EXPECT_EQ(
      names(read(torch_zip(dictionary({{text("params"), dictionary({{text("w"), tensor()}})}})))),
      std::vector<std::string>{"w"});
  EXPECT_EQ(names(read(torch_zip(dictionary({{text("<cat>"), tensor()}})))),
            std::vector<std::string>{"<cat>"});
}

TEST(TorchFile, FlattensNestedDataAndKeepsPlainValues) {
  const TensorTable table = read(
      torch_zip(dictionary({{integer(320), list({dictionary({{text("linear.0.weight"), tensor()}}),
                                                 dictionary({{text("linear.0.bias"), tensor()}})})},
                            {text("activation_func"), text("relu")},
                            {text("is_layer_norm"), "\x89"},
                            {text("step"), integer(12)},
                            {text("rate"), "G\x3f\xf8\x00\x00\x00\x00\x00\x00"s},
                            {text("name"), "N"},
                            {global("torch", "float32"), tensor()}})));
  EXPECT_EQ(names(table),
            (std::vector<std::string>{"320.0.linear.0.weight", "320.1.linear.0.bias"}));
  EXPECT_EQ(table.metadata.at("activation_func"), "relu");
  EXPECT_EQ(table.metadata.at("is_layer_norm"), "false");
  EXPECT_EQ(table.metadata.at("step"), "12");
  EXPECT_EQ(table.metadata.at("rate"), "1.5");
  EXPECT_EQ(table.metadata.count("name"), 0u);
}

TEST(TorchFile, ReadsTheOldStream) {
  const std::string file = torch_stream(
      dictionary({{text("w"), tensor()},
                  {text("v"), tensor({.key = "k2", .count = 2, .shape = {2}, .strides = {1}})}}),
      {"k2", "0"}, raw(std::int64_t{2}) + "aaaabbbb" + raw(std::int64_t{6}) + std::string(24, 'c'));
  const TensorTable table = read(file);
  ASSERT_EQ(names(table), (std::vector<std::string>{"w", "v"}));
  EXPECT_EQ(file.substr(table.tensors[0].offset, 24), std::string(24, 'c'));
  EXPECT_EQ(file.substr(table.tensors[1].offset, 8), "aaaabbbb");
}

const std::string kOne = dictionary({{text("w"), tensor()}});
const std::string kMagic = pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"s);
const std::string kBytes = raw(std::int64_t{6}) + std::string(24, 'c');

std::string circle() { return "}q\1" + text("a") + "h\1s"; }

// Each list holds the one below it many times.
std::string wide() {
  std::string body = "]";
  for (int i = 0; i < 8; ++i) {
    body = "](" + body + "q" + static_cast<char>(10 + i);
    for (int j = 0; j < 20; ++j) body += "h"s + static_cast<char>(10 + i);
    body += "e";
  }
  return body;
}

struct Row {
  std::string file, says;
};

const std::vector<Row> kMalformed = {
    {"", "expected a model saved by torch, found an empty file"},
    {"hello", "found a text"},
    {safetensors("{}", 0), "found a safetensors file"},
    {zip({{.name = "a.txt", .data = "x"}}), "a zip archive of 1 files without data.pkl"},
    {zip({{.name = "a/b/data.pkl", .data = pickle("}")}}), "without data.pkl"},
    {zip({{.name = "a/data.pkl", .data = pickle("}")},
          {.name = "b/data.pkl", .data = pickle("}")}}),
     "two models"},
    {zip({{.name = "a/data.pkl", .data = pickle("}")}, {.name = "a/constants.pkl", .data = "x"}}),
     "TorchScript"},
    {zip({{.name = "a/data.pkl", .data = pickle("}")}, {.name = "a/byteorder", .data = "big"}}),
     "little-endian numbers, found \"big\""},
    {zip({{.name = "a/data.pkl", .data = pickle(kOne)}}),
     "lies in the storage \"0\", which is missing"},
    {zip({{.name = "a/data.pkl", .data = pickle(kOne)},
          {.name = "b/data/0", .data = std::string(24, 'x')}}),
     "which is missing"},
    {torch_zip(kOne, 23), "claims 24 bytes, its entry has 23"},
    {torch_zip(
         dictionary({{text("w"), tensor({.shape = {2, 4}, .strides = {4, 1}})}, {text("b"), "N"}})),
     "reaches outside its storage"},
    {torch_zip(dictionary({{text("w"), tensor({.first = 1})}, {text("b"), "N"}})),
     "reaches outside its storage"},
    {torch_zip(dictionary({{text("w"), tensor({.strides = {100, 1}})}, {text("b"), "N"}})),
     "reaches outside its storage"},
    {torch_zip(dictionary(
         {{text("w"), tensor({.shape = {2000, 3000}, .strides = {0, 0}})}, {text("b"), "N"}})),
     "reaches outside its storage"},
    {torch_zip(
         dictionary({{text("w"), tensor({.shape = {2147483647, 2147483647, 2147483647},
                                         .strides = {2147483647, 2147483647, 2147483647}})}})),
     "reaches outside"},
    {torch_zip(
         dictionary({{text("a.b"), tensor()}, {text("a"), dictionary({{text("b"), tensor()}})}})),
     "two tensors are called \"a.b\""},
    {torch_zip(circle()), "in a circle"},
    {torch_zip(wide()), "more than 4000000 values"},
    {torch_zip(global("os", "system")), "it names \"os.system\""},
    {zip({{.name = "a/data.pkl", .data = "\x80\x02}"}}), "truncated"},
    {pickle("}"), "a pickle of another program"},
    {pickle(global("posix", "system")), "it names \"posix.system\""},
    {kMagic, "truncated"},
    {kMagic + pickle("K\1"), "stream protocol 1001"},
    {torch_stream(kOne, {"0"}, ""), "a storage reaches behind the end"},
    {torch_stream(kOne, {"0"}, kBytes.substr(0, 31)), "a storage reaches behind the end"},
    {torch_stream(kOne, {"0"}, kBytes + "x"), "1 bytes behind the last storage"},
    {torch_stream(kOne, {}, ""), "which is missing"},
    {torch_stream(kOne, {"9"}, kBytes), "belongs to no tensor"},
    {torch_stream(kOne, {"0", "0"}, kBytes + kBytes), "occurs twice"},
    {torch_stream(kOne, {"0"}, raw(std::int64_t{-1})), "has -1 elements, expected 6"},
    {torch_stream(kOne, {"0"}, raw(std::int64_t{7}) + std::string(28, 'c')),
     "has 7 elements, expected 6"},
    {kMagic + pickle("M\xe9\x03"s) + pickle(dictionary({{text("little_endian"), "\x89"}})),
     "big-endian"},
    {kMagic + pickle("M\xe9\x03"s) + pickle("}") + pickle(kOne) + pickle("N"),
     "expected a list of storages"},
};

TEST(TorchFile, RefusesMalformedFiles) {
  for (const Row& row : kMalformed) {
    const std::string message = refusal(row.file);
    EXPECT_NE(message.find(row.says), std::string::npos)
        << "row " << &row - kMalformed.data() << ": " << message;
  }
}

TEST(TorchFile, SurvivesMutation) {
  const std::string body =
      dictionary({{text("w"), tensor()}, {text("n"), list({integer(1), text("x")})}});
  const std::string zip_form = torch_zip(body);
  const std::string stream_form =
      torch_stream(body, {"0"}, raw(std::int64_t{6}) + std::string(24, 'c'));
  std::mt19937 random{4};
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string file = round % 2 == 0 ? zip_form : stream_form;
    for (unsigned i = 0; i < 1 + random() % 2; ++i)
      file[random() % file.size()] = static_cast<char>(random());
    try {
      for (const TensorEntry& tensor : read(file).tensors)
        ASSERT_LE(tensor.offset + tensor.bytes, file.size());
      ++accepted;
    } catch (const Error& error) {
      ASSERT_FALSE(error.message.empty());
    }
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace comfy::formats
