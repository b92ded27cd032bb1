// SPDX-License-Identifier: GPL-3.0-or-later
#include "folders_of_options.h"
#include "foundation/base/error.h"
#include "foundation/base/random.h"
#include "foundation/options/parse_options.h"
#include "frontend/jobs/sqlite/sqlite_store.h"
#include "frontend/server/log.h"
#include "process_guard.h"
#include "program.h"
#include "settings.h"
#include "thread_policy.h"

#include <fmt/core.h>

#include <csignal>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

namespace {

using comfy::Error;
using comfy::options::Options;

void write_config(const Options& options) {
  std::ofstream file{options.write_out_config_file};
  file << comfy::options::to_config_text(options, comfy::options::Secrets::shown);
  file.close();
  if (!file) {
    throw Error{Error::Kind::unavailable,
                fmt::format("\"{}\" could not be written", options.write_out_config_file)};
  }
}

/// Does what some options ask for in place of serving. True when that was it.
bool do_instead(const Options& options) {
  if (!options.write_out_config_file.empty()) {
    write_config(options);
    return true;
  }
  if (options.create_directories) {
    const comfy::paths::Folders folders{comfy::folder_options(options)};
    folders.create_directories();
    return true;
  }
  if (options.recover_store) {
    const comfy::paths::Folders folders{comfy::folder_options(options)};
    const auto store = comfy::store_options(options, folders.user_directory());
    const std::size_t saved = comfy::jobs::recover_sqlite_store(store.file, comfy::system_random());
    fmt::print("{} jobs recovered into {}\n", saved, store.file.string());
    return true;
  }
  return false;
}

int serve(const comfy::options::Parsed& parsed, const std::vector<std::string>& arguments) {
  comfy::set_up_log(parsed.options);
  for (const std::string& warning : parsed.warnings) comfy::server::log.warn("{}", warning);
  if (do_instead(parsed.options)) return 0;
  if (comfy::runs_as_root())
    comfy::server::log.warn("running as root: a user with nothing but its folders is enough");
  std::signal(SIGPIPE, SIG_IGN);
  comfy::set_thread_policy();  // workers inherit it
  comfy::Program program{parsed.options, arguments};
  return program.run();
}

}  // namespace

int main(int argc, char** argv) {
  comfy::give_up_privileges();
  try {
    const auto parsed = comfy::options::parse_options(comfy::options::process_sources(argc, argv));
    if (parsed.help) {
      fmt::print("{}", *parsed.help);
      return 0;
    }
    return serve(parsed, {argv + 1, argv + argc});
  } catch (const Error& error) {
    fmt::print(stderr, "comfyui: {}{}{}\n", error.message, error.details.empty() ? "" : ": ",
               error.details);
    return error.kind == Error::Kind::invalid_input ? 2 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "comfyui: {}\n", error.what());
    return 1;
  }
}
