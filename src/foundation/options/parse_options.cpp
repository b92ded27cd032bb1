// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/options/parse_options.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "foundation/options/config_file.h"
#include "foundation/options/option_table.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

extern char** environ;

namespace comfy::options {
namespace {

using Values = std::vector<std::string>;

[[noreturn]] void refuse(std::string text) {
  throw Error(Error::Kind::invalid_input, std::move(text));
}

bool is_flag(const Row& row) { return std::holds_alternative<bool Options::*>(row.member); }
bool is_list(const Row& row) { return std::holds_alternative<Values Options::*>(row.member); }

std::optional<bool> truth(const std::string& text) {
  const std::string word = lower(text);
  if (word == "true" || word == "yes" || word == "1") return true;
  if (word == "false" || word == "no" || word == "0") return false;
  return {};
}

template <class Number>
Number number(const std::string& text, const std::string& source) {
  std::istringstream stream{text};
  Number value{};
  stream >> value;
  if (stream.fail() || !stream.eof())
    refuse(fmt::format("{}: expected a number, found \"{}\"", source, text));
  return value;
}

void check_choice(const Row& row, const std::string& value, const std::string& source) {
  if (row.choices.empty()) return;
  for (const std::string_view choice : split(row.choices, '|'))
    if (lower(choice) == lower(value)) return;
  refuse(fmt::format("{}: expected one of {}, found \"{}\"", source,
                     replace_all(std::string{row.choices}, "|", ", "), value));
}

/// Stores a value in its member.
void store(const Row& row, const Values& values, const std::string& source, Options& into) {
  const std::string& last = values.back();
  check_choice(row, last, source);
  std::visit(
      [&](auto member) {
        using Value = std::decay_t<decltype(into.*member)>;
        if constexpr (std::is_same_v<Value, bool>) {
          const std::optional<bool> flag = truth(last);
          if (!flag) refuse(fmt::format("{}: expected true or false, found \"{}\"", source, last));
          into.*member = *flag;
        }
        if constexpr (std::is_same_v<Value, int> || std::is_same_v<Value, double>)
          into.*member = number<Value>(last, source);
        if constexpr (std::is_same_v<Value, std::string>) into.*member = last;
        if constexpr (std::is_same_v<Value, Values>) into.*member = values;
      },
      row.member);
}

/// Spells out abbreviated long options where only one option fits, as argparse does.
std::vector<std::string> spelled_out(std::vector<std::string> arguments) {
  for (std::string& argument : arguments) {
    if (!argument.starts_with("--")) continue;
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    if (name.empty() || name == "help" || find_row(name) != nullptr) continue;
    std::vector<std::string> fitting;
    for (const Row& row : option_table())
      if (row.flag.starts_with(name)) fitting.emplace_back(row.flag);
    if (fitting.empty()) refuse(fmt::format("unknown option --{} (see --help)", name));
    if (fitting.size() > 1)
      refuse(fmt::format("--{} could be any of --{}", name, join(fitting, ", --")));
    argument.replace(2, name.size(), fitting.front());
  }
  return arguments;
}

struct CommandLine {
  std::map<std::string_view, Values> given;  // by flag
  std::optional<std::string> help;
};

CommandLine read_command_line(const std::vector<std::string>& arguments) {
  CommandLine result;
  CLI::App app{"ComfyUI workflows in C++."};
  app.get_formatter()->column_width(42);
  std::vector<std::pair<const Row*, CLI::Option*>> options;
  std::map<std::string_view, Values> raw;
  for (const Row& row : option_table()) {
    std::string names = (row.short_flag.empty() ? "" : fmt::format("-{},", row.short_flag)) +
                        fmt::format("--{}", row.flag);
    const std::string help{row.help};
    CLI::Option* option = is_flag(row) ? app.add_flag(std::move(names), help)
                                       : app.add_option(std::move(names), raw[row.flag], help);
    if (!is_flag(row))
      option->expected(row.bare.empty() ? 1 : 0,
                       is_list(row) ? CLI::detail::expected_max_vector_size : 1);
    if (!is_flag(row)) option->type_size(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    options.emplace_back(&row, option);
  }
  std::vector<std::string> reversed = spelled_out(arguments);
  std::reverse(reversed.begin(), reversed.end());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    result.help = app.help();
  } catch (const CLI::ParseError& error) {
    refuse(fmt::format("{} (see --help)", error.what()));
  }
  for (const auto& [row, option] : options) {
    if (option->count() == 0) continue;
    Values values = option->results();
    if (values.empty() || (values.size() == 1 && values.front().empty()))
      values = {std::string{row->bare}};
    result.given[row->flag] = std::move(values);
  }
  return result;
}

Setting from_environment(const Row& row, const char* value) {
  return {
      .key = std::string{row.flag}, .values = split_values(value), .source = environment_name(row)};
}

std::vector<Setting> read_config_files(const CommandLine& line, const Sources& sources,
                                       Parsed& parsed) {
  std::vector<Setting> all;
  Values files{"config.yaml", "config.json", "config.cfg", "config.ini"};
  const auto asked = line.given.find("config");
  const std::size_t automatic = files.size();
  if (asked != line.given.end())
    files.insert(files.end(), asked->second.begin(), asked->second.end());
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::optional<std::string> text = sources.read_file(files[i]);
    if (!text && i >= automatic)
      refuse(fmt::format("--config: expected a file, found none at \"{}\"", files[i]));
    if (!text) continue;
    parsed.warnings.push_back(fmt::format("settings are read from {}", files[i]));
    for (Setting& setting : parse_config(*text, files[i])) all.push_back(std::move(setting));
  }
  return all;
}

void warn_about_standing(const Row& row, const std::string& source, Parsed& parsed) {
  switch (row.standing) {
    case Standing::works:
      return;
    case Standing::ignored:
      parsed.warnings.push_back(fmt::format("{} has no effect here: {}", source, row.help));
      return;
    case Standing::outstanding:
      parsed.warnings.push_back(fmt::format("{} is not offered yet and has no effect", source));
      return;
    case Standing::refused:
      refuse(fmt::format("{} is not offered yet: {}", source, row.help));
  }
}

/// Remembers which option of each exclusive group was given, and by whom.
class Groups {
 public:
  void add(const Row& row, const std::string& source) {
    if (row.group.empty()) return;
    const auto [at, fresh] = taken_.emplace(row.group, std::pair{row.flag, source});
    if (!fresh && at->second.first != row.flag)
      refuse(fmt::format("{} and {} exclude each other", at->second.second, source));
  }

 private:
  std::map<std::string_view, std::pair<std::string_view, std::string>> taken_;
};

void apply(const Row& row, const Values& values, const std::string& source, Groups& groups,
           Parsed& parsed) {
  store(row, values, source, parsed.options);
  if (is_flag(row) && truth(values.back()) == false) return;
  groups.add(row, source);
  warn_about_standing(row, source, parsed);
}

void warn_about_typos(const Sources& sources, Parsed& parsed) {
  std::set<std::string> known;
  for (const Row& row : option_table()) known.insert(environment_name(row));
  for (const std::string& name : sources.environment_names)
    if (!known.contains(name))
      parsed.warnings.push_back(fmt::format("the variable {} is no setting", name));
}

}  // namespace

Sources process_sources(int argc, char** argv) {
  Sources sources{
      .arguments = {argv + 1, argv + argc},
      .environment_variable = [](const char* name) -> const char* { return std::getenv(name); },
      .environment_names = {},
      .read_file = [](const std::string& path) -> std::optional<std::string> {
        std::ifstream file{path, std::ios::binary};
        if (!file) return {};
        return std::string{std::istreambuf_iterator<char>{file}, {}};
      }};
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text{*variable};
    if (text.starts_with("COMFYUI_"))
      sources.environment_names.emplace_back(text.substr(0, text.find('=')));
  }
  return sources;
}

Parsed parse_options(const Sources& sources) {
  Parsed parsed;
  const CommandLine line = read_command_line(sources.arguments);
  if (line.help) return parsed.help = line.help, parsed;
  const std::vector<Setting> files = read_config_files(line, sources, parsed);
  warn_about_typos(sources, parsed);
  std::map<std::string_view, Setting> lower_ranks;
  for (const Setting& setting : files) {
    const Row* row = find_row(setting.key);
    if (row == nullptr) {
      parsed.warnings.push_back(
          fmt::format("{}: \"{}\" is no setting", setting.source, setting.key));
      continue;
    }
    lower_ranks[row->flag] = setting;
  }
  for (const Row& row : option_table()) {
    const std::string name = environment_name(row);
    const char* value = name.empty() ? nullptr : sources.environment_variable(name.c_str());
    if (value != nullptr) lower_ranks[row.flag] = from_environment(row, value);
  }
  Groups groups;
  for (const Row& row : option_table()) {
    if (const auto given = line.given.find(row.flag); given != line.given.end()) {
      apply(row, given->second, fmt::format("--{}", row.flag), groups, parsed);
      parsed.options.given.emplace(row.flag);
      continue;
    }
    const auto found = lower_ranks.find(row.flag);
    if (found == lower_ranks.end()) continue;
    Values values = found->second.values;
    if (values.empty()) values = {is_flag(row) ? "true" : std::string{row.bare}};
    apply(row, values, found->second.source, groups, parsed);
  }
  Options& options = parsed.options;
  if (options.cwd.empty()) options.cwd = options.base_directory;
  if (!options.logging_level.empty()) options.verbose = options.logging_level;
  if (options.disable_auto_launch) options.auto_launch = false;
  return parsed;
}

ChildSettings child_settings(const Options& options) {
  const Options defaults;
  ChildSettings child;
  for (const Row& row : option_table()) {
    const bool is_default = value_text(row, options) == value_text(row, defaults);
    if ((is_default && !options.given.contains(row.flag)) || row.standing == Standing::refused)
      continue;
    if (row.secret) {
      child.environment.push_back(
          fmt::format("{}={}", environment_name(row), value_text(row, options)));
      continue;
    }
    if (const auto* list = std::get_if<Values Options::*>(&row.member)) {
      for (const std::string& value : options.*(*list))
        child.arguments.push_back(fmt::format("--{}={}", row.flag, value));
      continue;
    }
    child.arguments.push_back(is_flag(row) && !is_default
                                  ? fmt::format("--{}", row.flag)
                                  : fmt::format("--{}={}", row.flag, value_text(row, options)));
  }
  return child;
}

std::string to_config_text(const Options& options, Secrets secrets) {
  std::string text;
  for (const Row& row : option_table()) {
    const std::string value = value_text(row, options);
    if (environment_name(row).empty() || value.empty()) continue;
    text += fmt::format("{} = {}\n", row.flag,
                        row.secret && secrets == Secrets::hidden ? "***" : value);
  }
  return text;
}

}  // namespace comfy::options
