// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/image_io_area.h"

#include "foundation/media/decode.h"
#include "foundation/media/metadata.h"
#include "golden/play.h"
#include "inference/tensor/ops.h"
#include "worker/nodes/ports.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>

namespace comfy::golden {
namespace {

namespace fs = std::filesystem;

/// A base folder of its own that disappears with it.
class TemporaryBase {
 public:
  TemporaryBase() : path_{fs::temp_directory_path() / fmt::format("comfy_golden_{}", getpid())} {
    fs::create_directories(path_ / "input");
  }
  ~TemporaryBase() { fs::remove_all(path_); }
  TemporaryBase(const TemporaryBase&) = delete;
  TemporaryBase& operator=(const TemporaryBase&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string_view bytes_of(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

Json load_prompt(const std::string& filename) {
  Json prompt = Json::Object{{"load", step("LoadImage", Json::Object{{"image", filename}})},
                             {"image", golden_output("image", link("load", 0))},
                             {"mask", golden_output("mask", link("load", 1))}};
  for (const char* channel : {"red", "green", "blue", "alpha"}) {
    const std::string name = fmt::format("mask_{}", channel), loader = "load_" + name;
    prompt[loader] = step("LoadImageMask", Json::Object{{"image", filename}, {"channel", channel}});
    prompt[name] = golden_output(name.c_str(), link(loader.c_str(), 0));
  }
  return prompt;
}

Outcome run_load(const Case& recorded) {
  const std::string filename = recorded.info().at("filename").as_string();
  const TemporaryBase base;
  const Tensor file = recorded["input.file"];
  std::ofstream{base.path() / "input" / filename, std::ios::binary} << bytes_of(file);
  const Played played = play_prompt(recorded, load_prompt(filename), {base.path()});
  if (!played.succeeded()) return played.failure();
  // JPEG decoders may round a level differently; everything else is exact.
  const double levels = filename.ends_with(".jpg") ? 1.0 / 255 + 1e-6 : 0;
  Outcome outcome;
  for (const auto& [name, value] : played.outputs) {
    const auto* image = value.get<nodes::Image>();
    const auto* mask = value.get<nodes::Mask>();
    const Tensor found = image != nullptr  ? image->pixels
                         : mask != nullptr ? mask->values
                                           : Tensor{};
    const Tensor expected = recorded["expected." + name];
    const double largest = expected.abs().max().item<double>();
    outcome.add(name, compare(expected, found, levels / std::max(largest, 1e-30)));
  }
  return outcome;
}

/// Keeps what SaveImage hands over, under the names a fresh folder gives.
struct Shelf final : engine::Publisher {
  std::vector<std::string> names, files;
  engine::PublishedFile publish(engine::PublishRequest request) override {
    names.push_back(
        fmt::format("{}_{:05}_{}", request.prefix, names.size() + 1, request.extension));
    files.push_back(std::move(request.bytes));
    return {names.back(), "", "output"};
  }
};

Outcome run_save(const Case& recorded) {
  const Json& texts = recorded.info().at("png_text");
  const Json prompt = Json::Object{
      {"images", golden_input("images", "IMAGE")},
      {"save", step("SaveImage",
                    Json::Object{{"images", link("images", 0)}, {"filename_prefix", "gold"}})}};
  Json extra = Json::Object{};
  for (const auto& [key, text] : texts.as_object())
    if (key != "prompt") extra[key] = parse_json(text.as_string());
  const TemporaryBase base;
  Shelf shelf;
  const Played played =
      play_prompt(recorded, prompt, {base.path(), Json::Object{{"extra_pnginfo", extra}}, &shelf});
  if (!played.succeeded()) return played.failure();
  Outcome outcome;
  const auto expect = [&](const std::string& what, bool agrees) {
    outcome.add(what, {agrees, 0, agrees ? "" : "not as recorded"});
  };
  expect("number of files",
         shelf.files.size() == recorded.info().at("filenames").as_array().size());
  for (std::size_t i = 0; i < shelf.files.size(); ++i) {
    expect("name", shelf.names[i] == recorded.info().at("filenames").as_array().at(i).as_string());
    const media::Picture picture = media::decode(shelf.files[i]).frames.at(0);
    const Tensor pixels = recorded[fmt::format("expected.pixels.{}", i)];
    expect("pixels", bytes_of(pixels) ==
                         std::string_view(reinterpret_cast<const char*>(picture.pixels.data()),
                                          picture.pixels.size()));
    for (const media::TextEntry& entry : media::read_metadata(shelf.files[i])) {
      // The prompt is the one that was played.
      const std::string wanted =
          entry.key == "prompt" ? to_json(prompt) : texts.string_or(entry.key, "nothing");
      expect("text of " + entry.key, entry.text == wanted);
    }
    expect("number of texts",
           media::read_metadata(shelf.files[i]).size() == texts.as_object().size());
  }
  return outcome;
}

}  // namespace

std::optional<Outcome> run_image_io(const fs::path& file) {
  const Case recorded = Case::load(file);
  return recorded.has("input.file") ? run_load(recorded) : run_save(recorded);
}

}  // namespace comfy::golden
