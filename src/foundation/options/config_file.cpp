// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/options/config_file.h"

#include "foundation/base/error.h"
#include "foundation/base/json.h"
#include "foundation/base/strings.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

namespace comfy::options {
namespace {

std::string_view without_comment(std::string_view value) {
  for (std::size_t i = 1; i < value.size(); ++i)
    if ((value[i] == '#' || value[i] == ';') && (value[i - 1] == ' ' || value[i - 1] == '\t'))
      return trim(value.substr(0, i));
  return value;
}

std::string_view without_quotes(std::string_view value) {
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
      value.back() == value.front())
    return value.substr(1, value.size() - 2);
  return value;
}

std::string without_dashes(std::string_view key) {
  while (key.starts_with('-')) key.remove_prefix(1);
  return std::string{key};
}

Setting parse_line(std::string_view line, const std::string& source) {
  const std::size_t end = line.find_first_of(" \t=:");
  Setting setting{.key = without_dashes(line.substr(0, end)), .values = {}, .source = source};
  if (setting.key.empty())
    throw Error(Error::Kind::invalid_input,
                fmt::format("{}: expected \"key = value\", found \"{}\"", source, line));
  if (end == std::string_view::npos) return setting;
  std::string_view rest = trim(line.substr(end));
  if (rest.starts_with('=') || rest.starts_with(':')) rest = trim(rest.substr(1));
  if (rest.starts_with('#') || rest.starts_with(';')) rest = {};
  const std::string_view value = without_comment(rest);
  if (!value.empty() || line.find_first_of("=:") != std::string_view::npos)
    setting.values = split_values(without_quotes(value));
  return setting;
}

std::vector<Setting> parse_lines(std::string_view text, const std::string& name) {
  std::vector<Setting> settings;
  int number = 0;
  for (const std::string_view raw : split(text, '\n')) {
    ++number;
    const std::string_view line = trim(raw);
    if (line.empty() || line.starts_with("---") ||
        std::string_view{"#;["}.find(line[0]) != std::string_view::npos)
      continue;
    settings.push_back(parse_line(line, fmt::format("{}:{}", name, number)));
  }
  return settings;
}

std::vector<Setting> read_mapping(const YAML::Node& mapping, const std::string& name) {
  std::vector<Setting> settings;
  for (const auto& item : mapping) {
    Setting setting{.key = without_dashes(item.first.as<std::string>()),
                    .values = {},
                    .source = fmt::format("{}:{}", name, item.first.Mark().line + 1)};
    if (item.second.IsScalar()) setting.values = {item.second.as<std::string>()};
    if (item.second.IsSequence())
      for (const auto& value : item.second) setting.values.push_back(value.as<std::string>());
    if (item.second.IsMap())
      throw Error(Error::Kind::invalid_input,
                  fmt::format("{}: expected a value or a list for \"{}\", found a mapping",
                              setting.source, setting.key));
    settings.push_back(std::move(setting));
  }
  return settings;
}

}  // namespace

std::vector<std::string> split_values(std::string_view text) {
  if (!text.starts_with('[') || !text.ends_with(']')) return {std::string{text}};
  try {
    std::vector<std::string> values;
    const Json list = parse_json(text);
    for (const Json& item : list.as_array())
      values.push_back(item.is_string() ? item.as_string() : to_json(item));
    return values;
  } catch (const Error&) {
    std::vector<std::string> values;
    for (const std::string_view part : split(text.substr(1, text.size() - 2), ','))
      values.emplace_back(without_quotes(trim(part)));
    return values;
  }
}

std::vector<Setting> parse_config(std::string_view text, const std::string& name) {
  try {
    const YAML::Node document = YAML::Load(std::string{text});
    if (document.IsMap()) return read_mapping(document, name);
  } catch (const YAML::Exception&) {
    // Not YAML: the line syntax decides, with its own messages.
  }
  return parse_lines(text, name);
}

}  // namespace comfy::options
