// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/files/translations.h"

#include "foundation/base/error.h"
#include "frontend/server/log.h"

#include <array>
#include <string>

namespace comfy::server {
namespace {

using paths::ClientPath;
using paths::Depth;

constexpr std::size_t kMaxFile = std::size_t{16} << 20;
constexpr std::array kMembers{"nodeDefs", "commands", "settings"};

Json read_object(const paths::Root& root, const ClientPath& path) {
  const auto file = root.find(path);
  if (!file) return Json::Object{};
  try {
    Json content = parse_json(paths::read_all(*file, kMaxFile));
    if (content.is_object()) return content;
    log.warn("translations in {} must be a JSON object, got {}", path.text(), content.type_name());
  } catch (const Error& error) {
    log.warn("translations in {} are left out: {}", path.text(), error.message);
  }
  return Json::Object{};
}

Json read_language(const paths::Root& root, const ClientPath& folder) {
  Json language = read_object(root, folder / ClientPath::parse("main.json"));
  for (const std::string member : kMembers) {
    Json content = read_object(root, folder / ClientPath::parse(member + ".json"));
    if (!content.as_object().empty()) language[member] = std::move(content);
  }
  return language;
}

}  // namespace

void merge_json(Json& into, const Json& from) {
  if (into.is_object() && from.is_object()) {
    for (const auto& [name, value] : from.as_object()) {
      Json* existing = into.as_object().find(name);
      if (existing != nullptr) {
        merge_json(*existing, value);
      } else {
        into[name] = value;
      }
    }
  } else if (into.is_array() && from.is_array()) {
    for (const Json& item : from.as_array()) into.push_back(item);
  } else {
    into = from;
  }
}

void merge_translations(Json::Object& all, const paths::Root& custom_nodes) {
  Json merged = std::move(all);
  for (const paths::Entry& pack : custom_nodes.list({}, Depth::shallow)) {
    const ClientPath locales = ClientPath::parse(pack.path) / ClientPath::parse("locales");
    const auto status = custom_nodes.status(locales);
    if (!pack.is_folder || !status || !status->is_folder) continue;
    for (const paths::Entry& language : custom_nodes.list(locales, Depth::shallow)) {
      if (!language.is_folder) continue;
      Json found = read_language(custom_nodes, locales / ClientPath::parse(language.path));
      if (found.as_object().empty()) continue;
      const Json one = Json::Object{{language.path, std::move(found)}};
      merge_json(merged, one);
    }
  }
  all = std::move(merged.as_object());
}

}  // namespace comfy::server
