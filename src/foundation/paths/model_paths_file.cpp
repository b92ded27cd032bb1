// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/strings.h"
#include "foundation/paths/model_table.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <cctype>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace comfy::paths {
namespace {

/// "~", "$NAME", "${NAME}" and "%NAME%" filled in; unknown names stay as they are.
std::string expand(std::string text) {
  if (text == "~" || text.starts_with("~/")) {
    if (const char* home = std::getenv("HOME")) text.replace(0, 1, home);
  }
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const bool braced = text.compare(i, 2, "${") == 0;
    if (text[i] != '$' && text[i] != '%') {
      result += text[i++];
      continue;
    }
    const std::size_t start = i + (braced ? 2 : 1);
    std::size_t end = start;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_'))
      ++end;
    const char closing = braced ? '}' : text[i] == '%' ? '%' : '\0';
    const bool closed = closing == '\0' || (end < text.size() && text[end] == closing);
    const char* value =
        closed && end > start ? std::getenv(text.substr(start, end - start).c_str()) : nullptr;
    if (value == nullptr) {
      result += text[i++];
      continue;
    }
    result += value;
    i = end + (closing == '\0' ? 0 : 1);
  }
  return result;
}

struct Section {
  const std::filesystem::path& file;
  std::string name;
  std::filesystem::path base;
  Rank rank = Rank::last;

  Error wrong(std::string_view key, std::string_view problem) const {
    return Error(Error::Kind::invalid_input,
                 fmt::format("{}: '{}' of section '{}' {}", file.string(), key, name, problem));
  }
};

Section read_head(const std::filesystem::path& file, const std::string& name,
                  const YAML::Node& node) {
  const std::filesystem::path beside = std::filesystem::absolute(file).parent_path();
  Section section{.file = file, .name = name, .base = beside};
  if (const YAML::Node base = node["base_path"]; base && !base.IsNull()) {
    if (!base.IsScalar()) throw section.wrong("base_path", "must be a text");
    const std::filesystem::path path = expand(base.as<std::string>());
    section.base = path.is_absolute() ? path : beside / path;
  }
  if (const YAML::Node first = node["is_default"]; first && !first.IsNull()) {
    bool value = false;
    if (!first.IsScalar() || !YAML::convert<bool>::decode(first, value))
      throw section.wrong("is_default", "must be true or false");
    section.rank = value ? Rank::first : Rank::last;
  }
  return section;
}

Error wrong_file(const std::filesystem::path& file, std::string_view problem) {
  return Error(Error::Kind::invalid_input, fmt::format("{} {}", file.string(), problem));
}

void add_section(ModelTable& table, const Section& section, const YAML::Node& node) {
  for (const auto& entry : node) {
    const std::string kind = entry.first.as<std::string>();
    const YAML::Node& value = entry.second;
    if (kind == "base_path" || kind == "is_default") continue;
    if (!value.IsScalar()) throw section.wrong(kind, "must be a text with one folder a line");
    const std::string lines = value.as<std::string>();
    for (const std::string_view line : split(lines, '\n')) {
      const std::filesystem::path folder = trim(line);
      if (!folder.empty()) table.add(kind, section.base / folder, section.rank);
    }
  }
}

}  // namespace

void ModelTable::add_from_file(const std::filesystem::path& file) {
  try {
    const YAML::Node document = YAML::LoadFile(file.string());
    if (document.IsNull()) return;
    if (!document.IsMap()) throw wrong_file(file, "must hold named sections at its top");
    for (const auto& entry : document) {
      const std::string name = entry.first.as<std::string>();
      const YAML::Node& node = entry.second;
      if (node.IsNull()) continue;
      if (!node.IsMap())
        throw wrong_file(file, fmt::format("must hold keys in section '{}'", name));
      add_section(*this, read_head(file, name, node), node);
    }
  } catch (const YAML::Exception& error) {
    throw wrong_file(file, fmt::format("must be a readable YAML file, got: {}", error.what()));
  }
}

}  // namespace comfy::paths
