// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/formats/model_file.h"

#include "foundation/base/error.h"
#include "foundation/formats/crafted_files.h"
#include "foundation/formats/file_kind.h"
#include "foundation/formats/mapped_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace comfy::formats {
namespace {

using namespace crafted;
using namespace std::string_literals;

struct Sample {
  FileKind kind;
  std::string content;
};

std::vector<Sample> samples() {
  return {
      {FileKind::safetensors,
       safetensors(R"({"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2)},
      {FileKind::zip, torch_zip(dictionary({{text("w"), tensor()}}))},
      {FileKind::pickle, torch_stream(dictionary({{text("w"), tensor()}}), {"0"},
                                      raw(std::int64_t{6}) + std::string(24, 'c'))},
      {FileKind::gguf, "GGUF\3\0\0\0"s},
      {FileKind::png, "\x89PNG\r\n\x1a\n0000IHDR"},
      {FileKind::jpeg,
       "\xff\xd8\xff\xe0"
       "aaaaaaaa"},
      {FileKind::webp, "RIFFaaaaWEBPVP8 "},
      {FileKind::gif, "GIF89a000000"},
      {FileKind::gzip, "\x1f\x8b\x08\0\0\0\0\0\0\0"s},
      {FileKind::seven_zip, "7z\xbc\xaf\x27\x1c\0\4"s},
      {FileKind::html, "<!DOCTYPE html><title>Log in</title>"},
      {FileKind::git_lfs_pointer, "version https://git-lfs.github.com/spec/v1\noid sha256:00\n"},
      {FileKind::json, "{\"error\": 1}"},
      {FileKind::text, "hello"},
      {FileKind::empty, ""},
      {FileKind::unknown, "\1\2\3\4\5\6\7\x08\x09"}};
}

// Every content under every suffix: the content decides; a name that promises safetensors binds.
TEST(ModelFile, IsToldByContentAndNotBySuffix) {
  for (const Sample& sample : samples()) {
    EXPECT_EQ(file_kind(as_bytes(sample.content)), sample.kind) << describe(sample.kind);
    for (const std::string suffix : {"safetensors", "sft", "SAFETENSORS", "ckpt", "pt", "pth",
                                     "bin", "pkl", "gguf", "png", "txt", ""}) {
      const std::string name = "model." + suffix;
      const bool strict = suffix == "safetensors" || suffix == "sft" || suffix == "SAFETENSORS";
      const bool torch = sample.kind == FileKind::zip || sample.kind == FileKind::pickle;
      const bool readable = sample.kind == FileKind::safetensors || (torch && !strict);
      try {
        EXPECT_EQ(read_model_file(as_bytes(sample.content), name).tensors.at(0).name, "w");
        EXPECT_TRUE(readable) << name << " as " << describe(sample.kind);
      } catch (const Error& error) {
        EXPECT_FALSE(readable) << name << ": " << error.message;
        EXPECT_NE(error.message.find("\"" + name + "\""), std::string::npos) << error.message;
        EXPECT_NE(error.message.find(describe(sample.kind)), std::string::npos) << error.message;
      }
    }
  }
}

TEST(ModelFile, RefusesPicklesWhenTheyAreSwitchedOff) {
  const std::string file = torch_zip(dictionary({{text("w"), tensor()}}));
  try {
    read_model_file(as_bytes(file), "old.ckpt", PickleFiles::refuse);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::forbidden);
  }
  const std::string safe = safetensors("{}", 0);
  EXPECT_NO_THROW(read_model_file(as_bytes(safe), "old.ckpt", PickleFiles::refuse));
}

std::filesystem::path recorded() {
  const char* folder = std::getenv("COMFY_SHARED");
  return std::filesystem::path{folder != nullptr ? folder : "../shared"} / "golden/e2e/models";
}

TEST(ModelFile, ReadsRecordedModels) {
  if (!std::filesystem::exists(recorded()))
    GTEST_SKIP() << "the recorded models are not here: set COMFY_SHARED";
  const auto checkpoint = MappedFile::open(recorded() / "checkpoints/tiny_sd15.safetensors");
  EXPECT_EQ(read_model_file(checkpoint->bytes(), checkpoint->name()).tensors.size(), 980u);
  const auto hypernetwork = MappedFile::open(recorded() / "hypernetworks/tiny_hyper.pt");
  const TensorTable table = read_model_file(hypernetwork->bytes(), hypernetwork->name());
  EXPECT_EQ(table.tensors.size(), 16u);
  EXPECT_EQ(table.tensors[0].name, "32.0.linear.0.weight");
  EXPECT_EQ(table.tensors[0].shape, (std::vector<std::int64_t>{64, 32}));
  EXPECT_EQ(table.tensors[0].bytes, 8192u);
  EXPECT_EQ(table.metadata.at("activation_func"), "relu");
  EXPECT_EQ(table.metadata.at("use_dropout"), "false");
}

}  // namespace
}  // namespace comfy::formats
