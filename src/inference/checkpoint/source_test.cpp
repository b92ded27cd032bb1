// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/source.h"

#include "foundation/base/error.h"
#include "foundation/formats/crafted_files.h"
#include "inference/checkpoint/elements.h"
#include "inference/checkpoint/recorded.h"

#include <gtest/gtest.h>

#include <fstream>

namespace comfy::checkpoint {
namespace {

namespace crafted = formats::crafted;

void write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream{path, std::ios::binary} << content;
}

TEST(Source, ReadsBackWhatWasWritten) {
  const TemporaryFolder folder;
  const NamedTensors tensors = {
      {"b", at::arange(6, at::kFloat).view({2, 3})},
      {"a", at::arange(4, at::kLong)},
      {"half", at::ones({3}, at::kHalf) * 0.1},
      {"bf16", at::ones({2, 2}, at::kBFloat16)},
      {"fp8", at::ones({5}).to(at::kFloat8_e4m3fn)},
      {"mask", at::ones({3}, at::kBool)},
      {"empty", at::empty({0, 4})},
      {"number", at::scalar_tensor(2.5)},
      {"columns", at::arange(6, at::kFloat).view({2, 3}).t()},
  };
  write_safetensors(folder / "x.safetensors", tensors, {{"format", "pt"}, {"note", "ä"}});
  const SourcePtr source = open_source(folder / "x.safetensors");
  EXPECT_EQ(source->tensors().size(), tensors.size());
  EXPECT_EQ(source->metadata().at("note"), "ä");
  for (const auto& [name, tensor] : tensors) {
    const auto index = source->find(name);
    ASSERT_TRUE(index) << name;
    const Tensor found = source->read(*index);
    EXPECT_EQ(found.scalar_type(), tensor.scalar_type());
    EXPECT_EQ(source->tensors()[*index].shape, tensor.sizes().vec());
    EXPECT_TRUE(at::equal(found.to(at::kDouble), tensor.to(at::kDouble))) << name;
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator{folder / ""}, {}), 1)
      << "a temporary file was left";
}

TEST(Source, PutsLargeTypesFirstSoThatAllLieAligned) {
  const TemporaryFolder folder;
  write_safetensors(folder / "x.safetensors", {{"z8", at::ones({1}, at::kByte)},
                                               {"b32", at::ones({1})},
                                               {"a32", at::ones({1})},
                                               {"y64", at::ones({1}, at::kLong)}});
  std::vector<std::string> names;
  const SourcePtr source = open_source(folder / "x.safetensors");
  for (const TensorInfo& info : source->tensors()) names.push_back(info.name);
  EXPECT_EQ(names, (std::vector<std::string>{"y64", "a32", "b32", "z8"}));
}

TEST(Source, SaysWhyAFileCannotBeWritten) {
  try {
    write_safetensors("/nowhere/at/all.safetensors", {});
    FAIL() << "written";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::unavailable);
    EXPECT_NE(error.message.find("/nowhere/at/all.safetensors"), std::string::npos);
  }
  const TemporaryFolder folder;
  EXPECT_THROW(write_safetensors(folder / "x", {{"a", at::ones({1}, at::kComplexDouble)}}), Error);
  EXPECT_FALSE(std::filesystem::exists(folder / "x"));
}

TEST(Source, PointsIntoTheFileAndKeepsItMapped) {
  const TemporaryFolder folder;
  write_safetensors(folder / "x", {{"a", at::arange(1000, at::kFloat)}});
  SourcePtr source = open_source(folder / "x");
  const Tensor first = source->read(0), second = source->read(0);
  EXPECT_EQ(first.const_data_ptr(), second.const_data_ptr());
  source.reset();
  std::filesystem::remove(folder / "x");
  EXPECT_EQ(first[999].item<float>(), 999);
}

TEST(Source, CopiesWhatLiesUnaligned) {
  const TemporaryFolder folder;
  const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  std::string content = crafted::safetensors(header + std::string(9 - header.size() % 8, ' '), 0);
  content += crafted::raw(1.5f) + crafted::raw(2.5f);
  write(folder / "x", content);
  const Tensor tensor = open_source(folder / "x")->read(0);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) % 4, 0u);
  EXPECT_EQ(tensor[1].item<float>(), 2.5f);
}

TEST(Source, ReadsTransposedTensorsOfAPickle) {
  const TemporaryFolder folder;
  using crafted::text;
  std::string values;
  for (int i = 0; i < 6; ++i) values += crafted::raw(static_cast<float>(i));
  const std::string body =
      crafted::dictionary({{text("a"), crafted::tensor({.shape = {3, 2}, .strides = {1, 3}})},
                           {text("kind"), text("test")}});
  write(folder / "x.pt", crafted::zip({{.name = "m/data.pkl", .data = crafted::pickle(body)},
                                       {.name = "m/data/0", .data = values}}));
  const SourcePtr source = open_source(folder / "x.pt");
  EXPECT_TRUE(at::equal(source->read(0), at::arange(6, at::kFloat).view({2, 3}).t()));
  EXPECT_EQ(source->metadata().at("kind"), "test");
}

TEST(Source, RefusesTypesThatNobodyComputesWith) {
  const TemporaryFolder folder;
  write(folder / "x",
        crafted::safetensors(R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})", 1));
  try {
    open_source(folder / "x");
    FAIL() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::unsupported);
    EXPECT_NE(error.message.find("tensor \"a\" of type F4"), std::string::npos);
  }
}

TEST(Source, NoticesThatItsFileWasChanged) {
  const TemporaryFolder folder;
  write_safetensors(folder / "x", {{"a", at::arange(10000, at::kFloat)}});
  const SourcePtr source = open_source(folder / "x");
  std::filesystem::resize_file(folder / "x", 100);
  EXPECT_THROW(source->read(0), Error);
}

TEST(Source, IsIdentifiedByItsFile) {
  const TemporaryFolder folder;
  write_safetensors(folder / "x", {{"a", at::ones({3})}});
  const std::string first = open_source(folder / "x")->identity();
  EXPECT_EQ(open_source(folder / "x")->identity(), first);
  write_safetensors(folder / "x", {{"a", at::ones({3})}});
  EXPECT_NE(open_source(folder / "x")->identity(), first);
  EXPECT_NE(dictionary_source({})->identity(), dictionary_source({})->identity());
}

TEST(Source, FindsNamesAndPrefixes) {
  const SourcePtr source = dictionary_source({{"b.1", at::ones({1})},
                                              {"a.2", at::ones({1})},
                                              {"b.0", at::ones({1})},
                                              {"bc", at::ones({1})}});
  EXPECT_EQ(source->find("a.2"), 1u);
  EXPECT_FALSE(source->find("a"));
  EXPECT_EQ(source->with_prefix("b."), (std::vector<std::size_t>{0, 2}));
  EXPECT_EQ(source->with_prefix("").size(), 4u);
  EXPECT_TRUE(source->has_prefix("b."));
  EXPECT_FALSE(source->has_prefix("c"));
  EXPECT_THROW(dictionary_source({{"a", at::ones({1})}, {"a", at::ones({1})}}), Error);
}

TEST(Source, JoinsSourcesAndTheFirstCounts) {
  const SourcePtr joined = joined_source(
      {dictionary_source({{"a", at::zeros({1})}}, {{"k", "1"}}),
       dictionary_source({{"a", at::ones({1})}, {"b", at::ones({2})}}, {{"k", "2"}, {"l", "3"}})});
  ASSERT_EQ(joined->tensors().size(), 2u);
  EXPECT_EQ(joined->read(0).item<float>(), 0);
  EXPECT_EQ(joined->read(*joined->find("b")).numel(), 2);
  EXPECT_EQ(joined->metadata().at("k"), "1");
  EXPECT_EQ(joined->metadata().at("l"), "3");
}

TEST(Source, RenamesAPrefix) {
  const SourcePtr renamed = renamed_source(
      dictionary_source({{"model.a", at::ones({1})}, {"b", at::ones({1})}}), "model.", "net.");
  EXPECT_TRUE(renamed->find("net.a"));
  EXPECT_TRUE(renamed->find("b"));
  EXPECT_TRUE(renamed_source(dictionary_source({{"a", at::ones({1})}}), "", "x.")->find("x.a"));
}

TEST(Source, LoadsSmallFilesIntoMemory) {
  const auto path = recorded("golden/e2e/models/hypernetworks/tiny_hyper.pt");
  if (path.empty()) GTEST_SKIP() << "the recorded models are not here: set COMFY_SHARED";
  const LoadedTensors loaded = load_tensors(path);
  ASSERT_EQ(loaded.tensors.size(), 16u);
  EXPECT_EQ(loaded.tensors[0].first, "32.0.linear.0.weight");
  EXPECT_EQ(loaded.tensors[0].second.sizes(), (Shape{64, 32}));
  EXPECT_EQ(loaded.metadata.at("activation_func"), "relu");
}

TEST(Source, TranslatesEveryTypeThereAndBack) {
  for (const DType type :
       {at::kBool, at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kHalf, at::kBFloat16,
        at::kFloat, at::kDouble, at::kFloat8_e4m3fn, at::kFloat8_e5m2, at::kUInt16, at::kUInt32,
        at::kUInt64, at::kComplexFloat}) {
    ASSERT_TRUE(element_of(type));
    EXPECT_EQ(dtype_of(*element_of(type)), type);
  }
  EXPECT_FALSE(dtype_of(formats::ElementType::f4));
}

}  // namespace
}  // namespace comfy::checkpoint
