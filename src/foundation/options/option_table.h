// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/options/options.h"

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace comfy::options {

/// What giving an option leads to.
enum class Standing {
  works,
  ignored,      ///< has no meaning in this program; said once, then nothing
  outstanding,  ///< the feature comes later; said once, and the program goes on without it
  refused       ///< the feature comes later and going on without it would be wrong
};

using Member = std::variant<bool Options::*, int Options::*, double Options::*,
                            std::string Options::*, std::vector<std::string> Options::*>;

/// One option: its flag, where its value goes, and what a person is told about it.
struct Row {
  std::string_view flag;  ///< long name without dashes: also the config key
  Member member;
  Standing standing;
  std::string_view help;
  std::string_view bare = {};   ///< the value when the flag comes without one; empty: one is needed
  std::string_view group = {};  ///< at most one option of a group may be given
  std::string_view environment = {};  ///< the variable, where it is not COMFYUI_ and the flag
  std::string_view short_flag = {};
  std::string_view choices = {};  ///< allowed values, separated by '|'
  bool secret = false;            ///< never shown
};

/// Every option of both programs.
std::span<const Row> option_table();

/// The row of that long name, or null.
const Row* find_row(std::string_view flag);

/// "COMFYUI_MAX_UPLOAD_SIZE" for "max-upload-size".
std::string environment_name(const Row& row);

/// The value of an option as text, as a config file would state it.
std::string value_text(const Row& row, const Options& options);

}  // namespace comfy::options
