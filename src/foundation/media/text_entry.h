// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

namespace comfy::media {

/// A named text inside a picture file, for instance "workflow". Both are UTF-8.
struct TextEntry {
  std::string key;
  std::string text;

  friend bool operator==(const TextEntry&, const TextEntry&) = default;
};

}  // namespace comfy::media
