// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace comfy::options {

/// One setting as a configuration file or the environment states it.
struct Setting {
  std::string key;                  ///< long option name, or whatever stood there
  std::vector<std::string> values;  ///< empty: the key alone, as a flag
  std::string source;               ///< for messages: "config.yaml:3" or "COMFYUI_PORT"
};

/// Reads a configuration text. A document that is a YAML or JSON mapping is read as such; otherwise
/// every line is "key", "key = value", "key: value" or "key value", with '#', ';', '[' and "---"
/// opening lines to skip. Throws Error(invalid_input) naming file and line.
std::vector<Setting> parse_config(std::string_view text, const std::string& name);

/// "[a, b]" and JSON lists as several values, anything else as one.
std::vector<std::string> split_values(std::string_view text);

}  // namespace comfy::options
