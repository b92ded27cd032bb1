// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/plugin/load_plugins.h"

#include "foundation/base/error.h"
#include "foundation/base/hash.h"
#include "foundation/base/strings.h"
#include "worker/engine/registry.h"
#include "worker/plugin/log.h"
#include "worker/plugin/stamps.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <fstream>
#include <iterator>

namespace comfy::plugin {
namespace {

namespace fs = std::filesystem;
using RegisterNodes = void (*)(engine::Registry&);

std::string read(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  if (!file) throw Error(Error::Kind::not_found, fmt::format("{} cannot be read", path.string()));
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// Where the operator keeps a list of hashes, a library must be on it.
void check_list(const paths::PluginFiles& files, std::string_view hash) {
  const fs::path list = files.folder / "plugins.sha256";
  std::error_code ignored;
  if (!fs::exists(list, ignored)) return;
  const std::string text = read(list);
  const std::string name = files.library.lexically_relative(files.folder).string();
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos || line.substr(0, blank) != hash) continue;
    // sha256sum puts a blank or a star before the name.
    if (trim(line.substr(blank + 2)) == name) return;
  }
  throw Error(Error::Kind::forbidden,
              fmt::format("{} must name {} with the hash {}", list.string(), name, hash));
}

/// Looks at the bytes alone: no code of a library that does not fit may run.
void check_stamps(std::string_view bytes) {
  const std::vector<Stamp> stamps = stamps_in(bytes);
  if (stamps.empty())
    throw Error(Error::Kind::invalid_input,
                "it is no plug-in: it has no stamp (comfy/plugin.h puts one in)");
  for (const Stamp& stamp : stamps)
    if (const std::string reason = misfit(stamp, stamp_of_this_build()); !reason.empty())
      throw Error(Error::Kind::unsupported, reason + "; build it again");
}

RegisterNodes open(const fs::path& library) {
  void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr)
    throw Error(Error::Kind::invalid_input, fmt::format("it does not load: {}", ::dlerror()));
  void* found = ::dlsym(handle, "comfy_register_nodes");
  if (found == nullptr)
    throw Error(Error::Kind::invalid_input, "it does not define comfy_register_nodes");
  return reinterpret_cast<RegisterNodes>(found);
}

}  // namespace

void load_plugin(const paths::PluginFiles& files, engine::Registry& registry) {
  if (!files.refusal.empty()) throw Error(Error::Kind::forbidden, files.refusal);
  const std::string bytes = read(files.library);
  const std::string hash = to_hex(sha256(bytes));
  check_list(files, hash);
  check_stamps(bytes);
  engine::Registry nodes{"custom_nodes." + files.name};
  open(files.library)(nodes);
  const std::size_t count = nodes.size();
  const std::vector<std::string> taken = registry.absorb(std::move(nodes));
  for (const std::string& id : taken)
    log.warn("plug-in {}: node \"{}\" is there already and stays as it is", files.name, id);
  log.info("plug-in {} brings {} nodes ({}, sha256 {})", files.name, count - taken.size(),
           files.library.string(), hash);
}

void load_plugins(const paths::PluginChoice& choice, engine::Registry& registry) {
  for (const fs::path& folder : choice.folders) {
    std::error_code ignored;
    if (!fs::is_directory(folder, ignored))
      log.error("--plugin-directory must be a folder, got {}", folder.string());
  }
  for (const paths::PluginFiles& files : paths::find_plugins(choice)) {
    try {
      load_plugin(files, registry);
    } catch (const Error& error) {
      log.error("plug-in {} is left out: {}", files.name, error.message);
    } catch (const std::exception& error) {
      log.error("plug-in {} is left out: {}", files.name, error.what());
    }
  }
}

}  // namespace comfy::plugin
