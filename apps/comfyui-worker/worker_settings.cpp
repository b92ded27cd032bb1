// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker_settings.h"

#include "foundation/base/error.h"

#include <fmt/format.h>

#include <charconv>
#include <system_error>
#include <utility>

namespace comfy {
namespace {

namespace fs = std::filesystem;

fs::path absolute(const std::string& path) {
  return path.empty() ? fs::path{} : fs::absolute(path);
}

}  // namespace

paths::FolderOptions folder_options(const options::Options& options) {
  const std::string& base = options.cwd.empty() ? options.base_directory : options.cwd;
  paths::FolderOptions folders;
  folders.base = base.empty() ? fs::current_path() : fs::absolute(base);
  folders.input = absolute(options.input_directory);
  folders.output = absolute(options.output_directory);
  folders.temp = absolute(options.temp_directory);
  folders.user = absolute(options.user_directory);
  for (const std::string& file : options.extra_model_paths_config)
    folders.extra_model_paths.push_back(absolute(file));
  folders.links = options.follow_symlinks ? paths::Links::follow : paths::Links::refuse;
  folders.per_user = options.multi_user;
  return folders;
}

paths::PluginChoice plugin_choice(const options::Options& options) {
  paths::PluginChoice choice;
  for (const std::string& folder : options.plugin_directory)
    choice.folders.push_back(absolute(folder));
  if (options.disable_all_custom_nodes) choice.others = paths::PluginChoice::Default::leave_out;
  choice.wanted = options.whitelist_custom_nodes;
  choice.unwanted = options.blacklist_custom_nodes;
  return choice;
}

engine::CacheOptions cache_options(const options::Options& options,
                                   std::function<std::uint64_t()> available_memory) {
  engine::CacheOptions cache;
  cache.available_memory = std::move(available_memory);
  if (options.cache_none) cache.policy = engine::CachePolicy::none;
  if (options.cache_lru > 0) {
    cache.policy = engine::CachePolicy::lru;
    cache.lru_size = static_cast<std::size_t>(options.cache_lru);
  }
  if (!options.cache_ram.empty()) {
    constexpr double kGibi = 1024.0 * 1024.0 * 1024.0;
    double gigabytes = 0;
    const char* end = options.cache_ram.data() + options.cache_ram.size();
    const auto [last, error] = std::from_chars(options.cache_ram.data(), end, gigabytes);
    if (error != std::errc{} || last != end || !(gigabytes >= 0 && gigabytes <= 1e6))
      throw Error(Error::Kind::invalid_input,
                  fmt::format("--cache-ram must be a number of GB from 0 up, got \"{}\"",
                              options.cache_ram));
    cache.policy = engine::CachePolicy::ram;
    cache.ram_headroom = static_cast<std::uint64_t>(gigabytes * kGibi);
  }
  return cache;
}

nodes::PrecisionPolicy precision_policy(const options::Options& options) {
  nodes::PrecisionPolicy policy;
  if (options.fp32_text_enc || options.force_fp32) policy.text_storage = DType::Float;
  return policy;
}

media::DecodeLimits decode_limits(const options::Options& options) {
  constexpr double kMebi = 1024.0 * 1024.0;
  media::DecodeLimits limits;
  if (!(options.max_decode_memory > 0))
    throw Error(
        Error::Kind::invalid_input,
        fmt::format("--max-decode-memory must be above 0 MB, got {}", options.max_decode_memory));
  limits.max_bytes = static_cast<std::size_t>(options.max_decode_memory * kMebi);
  return limits;
}

attempts::EventPipe::Options preview_options(const options::Options& options) {
  if (options.preview_size < 1 || options.preview_size > 4096)
    throw Error(Error::Kind::invalid_input,
                fmt::format("--preview-size must lie in [1, 4096], got {}", options.preview_size));
  return {.preview_side = options.preview_size};
}

}  // namespace comfy
