// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/worker_link.h"

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace comfy::link {

/// A worker process to start.
struct ChildCommand {
  std::filesystem::path program = {};         ///< comfyui-worker
  std::vector<std::string> arguments = {};    ///< what follows the program's name and `--link-fd 3`
  std::vector<std::string> environment = {};  ///< "NAME=value", besides what it inherits
};

/// A child process and our end of the socket pair to it.
struct Spawned {
  pid_t process = -1;
  int descriptor = -1;
};

/// Starts `program --link-fd 3 arguments...` with the other end of a fresh socket pair as
/// descriptor 3. Nothing else but standard output, standard error and the environment is inherited;
/// the child has a process group of its own, so that Ctrl-C reaches the server alone. Throws
/// Error(unavailable) when it cannot be started.
Spawned spawn_worker(const ChildCommand& command);

/// Puts the status that waitpid gave into words: "signal 11, SIGSEGV", "exit status 1".
WorkerExit describe_exit(int wait_status);

}  // namespace comfy::link
