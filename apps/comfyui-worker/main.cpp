// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/log.h"
#include "foundation/options/parse_options.h"
#include "process_guard.h"
#include "thread_policy.h"
#include "worker/attempts/log.h"
#include "worker_program.h"

#include <fmt/core.h>
#include <unistd.h>

#include <exception>

namespace {

void set_up_log(const comfy::options::Options& options) {
  using comfy::LogLevel;
  const std::string& level =
      options.logging_level.empty() ? options.verbose : options.logging_level;
  if (level == "DEBUG") comfy::set_log_level(LogLevel::debug);
  if (level == "WARNING") comfy::set_log_level(LogLevel::warn);
  if (level == "ERROR" || level == "CRITICAL") comfy::set_log_level(LogLevel::error);
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
    set_up_log(parsed.options);
    if (parsed.options.print_catalogue) {
      comfy::print_catalogue();
      return 0;
    }
    if (parsed.options.link_fd < 0 && parsed.options.distributed_queue_connection_uri.empty()) {
      fmt::print(stderr,
                 "comfyui-worker is started by comfyui, or takes work from a broker: "
                 "--distributed-queue-connection-uri amqp://user:password@host\n");
      return 2;
    }
    if (parsed.options.link_fd < 0 && comfy::runs_as_root())
      comfy::attempts::log.warn("running as root: a user with nothing but its folders is enough");
    // A child has it from the server. Where exec fails, the worker goes on as it is.
    if (parsed.options.link_fd < 0 && comfy::set_thread_policy()) ::execv("/proc/self/exe", argv);
    comfy::work(parsed.options);
  } catch (const comfy::Error& error) {
    fmt::print(stderr, "comfyui-worker: {}{}{}\n", error.message, error.details.empty() ? "" : ": ",
               error.details);
    return error.kind == comfy::Error::Kind::invalid_input ? 2 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "comfyui-worker: {}\n", error.what());
    return 1;
  }
}
