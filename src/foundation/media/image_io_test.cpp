// SPDX-License-Identifier: GPL-3.0-or-later
// The recorded cases of LoadImage, LoadImageMask and SaveImage.
#include "foundation/base/error.h"
#include "foundation/base/json.h"
#include "foundation/formats/safetensors.h"
#include "foundation/media/encode.h"
#include "foundation/media/load_image.h"
#include "foundation/media/metadata.h"
#include "foundation/media/recorded.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>

namespace comfy::media {
namespace {

/// One recorded case with its tensors.
class Case {
 public:
  explicit Case(const std::filesystem::path& path) : file_{read_file(path)} {
    table_ = formats::read_safetensors(std::as_bytes(std::span{file_.data(), file_.size()}));
    facts = parse_json(table_.metadata.at("case"));
  }

  const formats::TensorEntry& entry(const std::string& name) const {
    for (const auto& tensor : table_.tensors)
      if (tensor.name == name) return tensor;
    throw Error(Error::Kind::not_found, "no tensor " + name);
  }
  std::string_view bytes(const std::string& name) const {
    const auto& tensor = entry(name);
    return std::string_view{file_}.substr(tensor.offset, tensor.bytes);
  }
  std::vector<float> floats(const std::string& name) const {
    std::vector<float> values(bytes(name).size() / 4);
    std::memcpy(values.data(), bytes(name).data(), bytes(name).size());
    return values;
  }

  Json facts;

 private:
  std::string file_;
  formats::TensorTable table_;
};

void compare(const Case& recorded, const std::string& name, const FloatBatch& found,
             float tolerance) {
  SCOPED_TRACE(name);
  std::vector<std::int64_t> shape{found.frames, found.height, found.width};
  if (found.channels != 1) shape.push_back(found.channels);
  EXPECT_EQ(recorded.entry(name).shape, shape);
  const std::vector<float> wanted = recorded.floats(name);
  ASSERT_EQ(found.values.size(), wanted.size());
  float worst = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    worst = std::max(worst, std::abs(wanted[i] - found.values[i]));
  EXPECT_LE(worst, tolerance);
}

void check_load(const Case& recorded) {
  const std::string_view file = recorded.bytes("input.file");
  const bool is_jpeg = recorded.facts.at("filename").as_string().ends_with(".jpg");
  const float tolerance = is_jpeg ? 1.0F / 255 + 1e-6F : 0.0F;
  const LoadedImage loaded = load_image(file);
  compare(recorded, "expected.image", loaded.image, tolerance);
  compare(recorded, "expected.mask", loaded.mask, tolerance);
  compare(recorded, "expected.mask_red", load_mask(file, Channel::red), tolerance);
  compare(recorded, "expected.mask_green", load_mask(file, Channel::green), tolerance);
  compare(recorded, "expected.mask_blue", load_mask(file, Channel::blue), tolerance);
  compare(recorded, "expected.mask_alpha", load_mask(file, Channel::alpha), tolerance);
}

void check_save(const Case& recorded) {
  const std::vector<float> values = recorded.floats("input.images");
  const auto& shape = recorded.entry("input.images").shape;
  const std::size_t size = values.size() / static_cast<std::size_t>(shape[0]);
  PngOptions options;
  for (const auto& [key, text] : recorded.facts.at("png_text").as_object())
    options.texts.push_back({key, text.as_string()});
  for (std::int64_t frame = 0; frame < shape[0]; ++frame) {
    const Picture picture =
        picture_from_floats(std::span{values}.subspan(static_cast<std::size_t>(frame) * size, size),
                            static_cast<int>(shape[2]), static_cast<int>(shape[1]), 3);
    const std::string_view wanted = recorded.bytes("expected.pixels." + std::to_string(frame));
    const std::string png = encode_png(picture, options);
    const Picture again = decode(png).frames.at(0);
    EXPECT_EQ(
        std::string_view(reinterpret_cast<const char*>(again.pixels.data()), again.pixels.size()),
        wanted);
    EXPECT_EQ(read_metadata(png), options.texts);
  }
}

std::size_t check_folder(const std::filesystem::path& folder) {
  const auto files = files_in(folder);
  for (const auto& path : files) {
    SCOPED_TRACE(path.filename().string());
    try {
      const Case recorded{path};
      if (path.filename() == "save_png.safetensors") {
        check_save(recorded);
      } else {
        check_load(recorded);
      }
    } catch (const Error& error) {
      ADD_FAILURE() << error.message;
    }
  }
  return files.size();
}

TEST(ImageIo, AgreesWithTheCasesInTheRepository) {
  EXPECT_EQ(check_folder("tests/media/image_io"), 8U);
}

TEST(ImageIo, AgreesWithEveryRecordedCase) {
  const auto folder = recorded_data() / "golden/image_io";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << "no recorded data at " << folder << "; set COMFY_SHARED";
  EXPECT_EQ(check_folder(folder), 22U);
}

TEST(PictureFromFloats, DropsFractionsAndCutsTheRest) {
  const std::vector<float> values{-1.0F, 0.0F, 0.5F, 0.999F, 1.0F, 7.0F, std::nanf(""), 0.2F, 0.1F};
  const Picture picture = picture_from_floats(values, 3, 1, 3);
  EXPECT_EQ(picture.pixels, (std::vector<std::uint8_t>{0, 0, 127, 254, 255, 255, 0, 51, 25}));
  EXPECT_THROW(picture_from_floats(values, 2, 2, 3), Error);
  EXPECT_THROW(picture_from_floats(values, 9, 1, 2), Error);
}

}  // namespace
}  // namespace comfy::media
