// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/metadata.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "foundation/media/decode.h"
#include "foundation/media/exif.h"
#include "foundation/media/png_chunks.h"
#include "foundation/media/riff_chunks.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace comfy::media {
namespace {

class TextReader {
 public:
  explicit TextReader(const TextLimits& limits) : limits_{limits} {}

  void add(std::string key, std::string text) {
    if (text.size() > limits_.max_text) refuse(limits_.max_text, "a text");
    total_ += key.size() + text.size();
    if (total_ > limits_.max_total) refuse(limits_.max_total, "all texts");
    texts.push_back({std::move(key), std::move(text)});
  }
  std::string inflate(std::string_view packed) const;

  std::vector<TextEntry> texts;

 private:
  [[noreturn]] static void refuse(std::size_t limit, std::string_view what) {
    throw Error(Error::Kind::too_large,
                fmt::format("{} of a picture must have at most {} bytes", what, limit));
  }

  TextLimits limits_;
  std::size_t total_ = 0;
};

std::string TextReader::inflate(std::string_view packed) const {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) throw Error(Error::Kind::out_of_memory, "no memory for zlib");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string text;
  int state = Z_OK;
  while (state == Z_OK && text.size() <= limits_.max_text) {
    char piece[16384];
    stream.next_out = reinterpret_cast<Bytef*>(piece);
    stream.avail_out = sizeof piece;
    state = ::inflate(&stream, Z_NO_FLUSH);
    text.append(piece, sizeof piece - stream.avail_out);
  }
  inflateEnd(&stream);
  if (text.size() > limits_.max_text) refuse(limits_.max_text, "a text");
  if (state != Z_STREAM_END)
    throw Error(Error::Kind::invalid_input, "PNG file is broken: a text cannot be unpacked");
  return text;
}

std::string from_latin1(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) append_utf8(result, static_cast<unsigned char>(c));
  return result;
}

/// Cuts `data` at its first NUL; the second half is nothing when there is none.
std::pair<std::string_view, std::optional<std::string_view>> cut(std::string_view data) {
  const auto nul = data.find('\0');
  if (nul == data.npos) return {data, {}};
  return {data.substr(0, nul), data.substr(nul + 1)};
}

void read_international(TextReader& reader, std::string_view key, std::string_view rest) {
  if (rest.size() < 2) return;
  const bool is_packed = rest[0] != '\0';
  const auto [language, after_language] = cut(rest.substr(2));
  if (!after_language) return;
  const auto [translated, text] = cut(*after_language);
  if (!text) return;
  std::string plain = is_packed ? reader.inflate(*text) : std::string{*text};
  if (is_utf8(plain)) reader.add(from_latin1(key), std::move(plain));
}

void read_png(TextReader& reader, std::string_view file) {
  PngChunks chunks{file};
  while (const auto chunk = chunks.next()) {
    const bool is_text = chunk->type == "tEXt" || chunk->type == "zTXt" || chunk->type == "iTXt" ||
                         chunk->type == "comf";
    if (!is_text) continue;
    const auto [key, rest] = cut(chunk->data);
    if (!rest) continue;
    if (chunk->type == "zTXt") {
      if (!rest->empty())
        reader.add(from_latin1(key), from_latin1(reader.inflate(rest->substr(1))));
    } else if (chunk->type == "iTXt") {
      read_international(reader, key, *rest);
    } else {
      reader.add(from_latin1(key), from_latin1(*rest));
    }
  }
}

/// EXIF entries as ComfyUI writes them: "<name>:<JSON>".
void read_webp(TextReader& reader, std::string_view file) {
  RiffChunks chunks{file};
  while (const auto chunk = chunks.next()) {
    if (chunk->type != "EXIF") continue;
    for (ExifText& entry : exif_texts(chunk->data)) {
      const auto colon = entry.text.find(':');
      if (colon == entry.text.npos || !is_utf8(entry.text)) continue;
      reader.add(entry.text.substr(0, colon), entry.text.substr(colon + 1));
    }
  }
}

}  // namespace

std::vector<TextEntry> read_metadata(std::string_view file, const TextLimits& limits) {
  TextReader reader{limits};
  const auto format = sniff(file);
  if (format == PictureFormat::png) read_png(reader, file);
  if (format == PictureFormat::webp) read_webp(reader, file);
  return std::move(reader.texts);
}

}  // namespace comfy::media
