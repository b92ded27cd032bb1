// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/paths/root.h"

#include <chrono>
#include <ctime>
#include <string>
#include <string_view>

namespace comfy::paths {

/// Where a save node puts its files: made from its filename_prefix.
struct SaveName {
  ClientPath folder;
  std::string prefix;    ///< the last component; may still hold %batch_num%
  unsigned counter = 1;  ///< of the next file; a guess when others save too

  /// <prefix>_<counter, five digits>_.<extension>, with %batch_num% filled in.
  std::string filename(unsigned counter, unsigned batch_number, std::string_view extension) const;
};

/// Fills the tokens %width%, %height%, %year%, %month%, %day%, %hour%, %minute% and %second%,
/// splits off the folder and finds the next counter among the files that are there. Throws
/// Error(invalid_input) when the prefix leads outside `root`.
SaveName find_save_name(const Root& root, std::string_view filename_prefix, int width, int height,
                        const std::tm& local_time);

}  // namespace comfy::paths
