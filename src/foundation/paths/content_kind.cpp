// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/content_kind.h"

#include "foundation/base/strings.h"

#include <algorithm>
#include <array>

namespace comfy::paths {
namespace {

struct Kind {
  std::string_view name;
  std::string_view suffixes;  ///< each with a blank before and after
};

constexpr std::array kKinds{
    Kind{"image",
         " avif bmp gif heic heif ico ief jpe jpeg jpg pbm pgm png pnm ppm ras rgb svg svgz tif "
         "tiff webp xbm xpm xwd "},
    Kind{"video",
         " 3g2 3gp 3gpp avi flv m1v m4v mkv mov movie mp4 mpa mpe mpeg mpg ogv qt ts webm wmv "},
    Kind{"audio",
         " aac ac3 adts aif aifc aiff amr au flac loas m4a mka mp2 mp3 oga ogg opus ra snd wav "
         "wma "},
    Kind{"model", " fbx glb gltf mtl obj ply stl "},
};

}  // namespace

std::string_view content_kind(std::string_view filename) {
  const auto dot = filename.rfind('.');
  if (dot == filename.npos || dot == 0) return {};
  const std::string suffix = " " + lower(filename.substr(dot + 1)) + " ";
  for (const Kind& kind : kKinds) {
    if (kind.suffixes.find(suffix) != std::string_view::npos) return kind.name;
  }
  return {};
}

}  // namespace comfy::paths
