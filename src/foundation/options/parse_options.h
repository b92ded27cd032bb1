// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/options/options.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace comfy::options {

/// Where settings come from; a test gives its own.
struct Sources {
  std::vector<std::string> arguments;  ///< without the program's name
  std::function<const char*(const char* name)> environment_variable;
  std::vector<std::string>
      environment_names;  ///< every COMFYUI_* name that is set, to report typos
  std::function<std::optional<std::string>(const std::string& path)> read_file;
};

/// The process's own arguments, environment and files.
Sources process_sources(int argc, char** argv);

struct Parsed {
  Options options;
  std::vector<std::string> warnings;  ///< unknown keys, options without effect: for the log
  std::optional<std::string> help;    ///< set when --help was given: what to print before exiting 0
};

/// Merges command line > environment > configuration files > defaults.
/// Throws Error(invalid_input) with a sentence naming the option and where it came from.
Parsed parse_options(const Sources& sources);

/// What a child process is to be started with, so that it has the same options.
struct ChildSettings {
  std::vector<std::string> arguments = {};
  std::vector<std::string> environment = {};  ///< "NAME=value", besides what it inherits
};

/// The options that differ from their defaults or that the command line gives, for a child process.
/// Secrets go by its environment:
/// every user of the machine can read a command line, an environment only its owner.
ChildSettings child_settings(const Options& options);

/// Every setting as "key = value" lines; secrets are replaced by "***" unless asked for.
enum class Secrets { hidden, shown };
std::string to_config_text(const Options& options, Secrets secrets);

}  // namespace comfy::options
