// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/ids.h"
#include "foundation/base/strings.h"
#include "foundation/formats/model_file.h"
#include "foundation/media/decode.h"
#include "foundation/media/metadata.h"
#include "foundation/paths/annotated_name.h"
#include "foundation/paths/root.h"
#include "foundation/paths/save_name.h"
#include "refusing.h"
#include "targets.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>

namespace comfy::fuzz {
namespace {

namespace fs = std::filesystem;

/// A root with a few files inside, a link that leads out, and a canary beside it.
class Playground {
 public:
  Playground()
      : folder_{fs::temp_directory_path() / ("comfyui-fuzz-" + random_hex(system_random(), 8))} {
    fs::create_directories(folder_ / "root/sub");
    std::ofstream{folder_ / "canary"} << "canary";
    std::ofstream{folder_ / "root/a.png"} << "inside";
    std::ofstream{folder_ / "root/sub/b.txt"} << "inside";
    fs::create_directory_symlink(folder_, folder_ / "root/link");
    fs::create_symlink(folder_ / "canary", folder_ / "root/canary");
  }
  ~Playground() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Playground(const Playground&) = delete;
  Playground& operator=(const Playground&) = delete;
  fs::path root() const { return folder_ / "root"; }

 private:
  fs::path folder_;
};

/// The rules once more, said as simply as they can be.
bool is_sound(std::string_view text) {
  if (text.empty() || text.size() > 1024 || text.front() == '/' || !is_utf8(text)) return false;
  if (text.find('\\') != text.npos || (text.size() > 1 && text[1] == ':')) return false;
  return std::ranges::all_of(split(text, '/'), [](std::string_view part) {
    return part != "." && part != ".." && part.size() <= 255 && !part.ends_with(' ') &&
           !part.ends_with('.') && std::ranges::none_of(part, [](char c) {
             return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
           });
  });
}

}  // namespace

void fuzz_path(std::string_view input) {
  static const Playground playground;
  static const paths::Root root{playground.root()};
  refusing([input] {
    const auto path = paths::ClientPath::parse(input);
    const std::string_view first = input.substr(0, 1);
    const bool drive = input.size() > 1 && input[1] == ':' && !first.empty() &&
                       std::isalpha(static_cast<unsigned char>(first[0])) == 0;
    if (!is_sound(input) && !drive) found("an unsound path was taken");
    if (const auto file = root.find(path)) {
      if (paths::read_all(*file, 100) != "inside") found("a path led outside");
    }
    root.status(path);
  });
  refusing([input] { paths::parse_annotated(input, paths::Area::input); });
}

void fuzz_save_name(std::string_view input) {
  static const Playground playground;
  static const paths::Root root{playground.root()};
  if (!is_utf8(input)) return;  // JSON has no such texts
  refusing([input] {
    constexpr std::tm kTime{};
    const paths::SaveName name = paths::find_save_name(root, input, 64, 32, kTime);
    const std::string file = name.filename(name.counter, 0, "png");
    // The folder is checked by its type; the name in it must be one component.
    if (file.find('/') != file.npos || file == "." || file == "..") found("a name with a folder");
  });
}

void fuzz_png_text(std::string_view input) {
  refusing([input] {
    constexpr media::TextLimits kLimits{.max_text = 1 << 16, .max_total = 1 << 18};
    std::size_t total = 0;
    for (const media::TextEntry& entry : media::read_metadata(input, kLimits)) {
      if (entry.text.size() > 8 * kLimits.max_text) found("a text above the limit");
      if (!is_utf8(entry.text) || !is_utf8(entry.key)) found("a text that is no UTF-8");
      total += entry.text.size();
    }
    if (total > 8 * kLimits.max_total) found("texts above the limit");
  });
}

void fuzz_picture(std::string_view input) {
  refusing([input] {
    const media::DecodeLimits limits{.max_pixels = 1 << 18, .max_frames = 16, .max_bytes = 8 << 20};
    const media::PictureFile file = media::decode(input, limits);
    if (file.frames.empty()) found("a picture without a frame");
  });
}

void fuzz_model_file(std::string_view input) {
  // The first byte chooses whether the name claims safetensors.
  const std::string_view name = !input.empty() && (input[0] & 1) != 0 ? "a.safetensors" : "a.ckpt";
  refusing([input, name] {
    const formats::TensorTable table =
        formats::read_model_file(std::as_bytes(std::span{input.data(), input.size()}), name);
    for (const auto& tensor : table.tensors) {
      if (tensor.offset > input.size() || tensor.bytes > input.size() - tensor.offset) {
        found("a tensor outside its file");
      }
    }
  });
}

}  // namespace comfy::fuzz
