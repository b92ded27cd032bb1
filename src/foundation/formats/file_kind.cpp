// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/formats/file_kind.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

namespace comfy::formats {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view front;
  FileKind kind;
};

constexpr std::array kSignatures{
    Signature{"PK\x03\x04"sv, FileKind::zip},
    Signature{"PK\x05\x06"sv, FileKind::zip},
    Signature{"GGUF"sv, FileKind::gguf},
    Signature{"\x89PNG\r\n\x1a\n"sv, FileKind::png},
    Signature{"\xff\xd8\xff"sv, FileKind::jpeg},
    Signature{"GIF8"sv, FileKind::gif},
    Signature{"\x1f\x8b"sv, FileKind::gzip},
    Signature{"7z\xbc\xaf\x27\x1c"sv, FileKind::seven_zip},
    Signature{"<!DOCTYPE"sv, FileKind::html},
    Signature{"<!doctype"sv, FileKind::html},
    Signature{"<html"sv, FileKind::html},
    Signature{"<HTML"sv, FileKind::html},
    Signature{"version https://git-lfs"sv, FileKind::git_lfs_pointer},
};

// A pickle begins with its protocol number (2 to 5 in practice).
bool looks_like_pickle(std::string_view text) {
  return text.size() >= 2 && text[0] == '\x80' && text[1] >= 1 && text[1] <= 5;
}

// Eight bytes of length that leave the top bytes empty, then the brace of the header.
bool looks_like_safetensors(std::string_view text) {
  return text.size() >= 9 && text[8] == '{' && text[5] == 0 && text[6] == 0 && text[7] == 0;
}

bool looks_like_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\n' || c == '\r' || c == '\t' ||
           (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  });
}

}  // namespace

FileKind file_kind(std::span<const std::byte> bytes) {
  if (bytes.empty()) return FileKind::empty;
  const std::string_view text{reinterpret_cast<const char*>(bytes.data()),
                              std::min<std::size_t>(bytes.size(), 512)};
  for (const Signature& signature : kSignatures) {
    if (text.starts_with(signature.front)) return signature.kind;
  }
  if (text.starts_with("RIFF") && text.size() >= 12 && text.substr(8, 4) == "WEBP") {
    return FileKind::webp;
  }
  if (looks_like_safetensors(text)) return FileKind::safetensors;
  if (looks_like_pickle(text)) return FileKind::pickle;
  if (!looks_like_text(text)) return FileKind::unknown;
  return text.front() == '{' || text.front() == '[' ? FileKind::json : FileKind::text;
}

std::string_view describe(FileKind kind) {
  switch (kind) {
    case FileKind::empty:
      return "an empty file";
    case FileKind::safetensors:
      return "a safetensors file";
    case FileKind::zip:
      return "a zip archive";
    case FileKind::pickle:
      return "a pickle";
    case FileKind::gguf:
      return "a GGUF file";
    case FileKind::png:
      return "a PNG picture";
    case FileKind::jpeg:
      return "a JPEG picture";
    case FileKind::webp:
      return "a WebP picture";
    case FileKind::gif:
      return "a GIF picture";
    case FileKind::gzip:
      return "a gzip archive";
    case FileKind::seven_zip:
      return "a 7z archive";
    case FileKind::html:
      return "a web page (a download that needs a login?)";
    case FileKind::git_lfs_pointer:
      return "a Git LFS pointer in place of the file itself";
    case FileKind::json:
      return "a JSON text";
    case FileKind::text:
      return "a text";
    case FileKind::unknown:
      break;
  }
  return "something unknown";
}

}  // namespace comfy::formats
