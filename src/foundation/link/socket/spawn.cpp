// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/socket/spawn.h"

#include "foundation/base/error.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <system_error>

namespace comfy::link {
namespace {

constexpr int kChildDescriptor = 3;

std::string signal_name(int number) {
  const char* short_name = sigabbrev_np(number);
  return short_name ? fmt::format("SIG{}", short_name) : std::string{"unknown"};
}

void set_up(posix_spawnattr_t& attributes) {
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

/// Our environment with these "NAME=value" in it.
std::vector<std::string> environment_with(const std::vector<std::string>& variables) {
  std::vector<std::string> all = variables;
  for (char** inherited = environ; *inherited != nullptr; ++inherited) {
    const std::string_view text{*inherited};
    const std::string_view name = text.substr(0, text.find('=') + 1);
    const bool replaced = std::ranges::any_of(
        variables, [name](const std::string& variable) { return variable.starts_with(name); });
    if (!replaced) all.emplace_back(text);
  }
  return all;
}

/// The words as exec wants them: pointers that end with a null.
std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Spawned spawn_worker(const ChildCommand& command) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw Error(Error::Kind::unavailable, "no socket pair is to be had for a worker",
                std::system_category().message(errno));
  std::vector<std::string> words{command.program.string(), "--link-fd",
                                 std::to_string(kChildDescriptor)};
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  std::vector<std::string> variables = environment_with(command.environment);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], kChildDescriptor);
  posix_spawn_file_actions_addclosefrom_np(&actions, kChildDescriptor + 1);
  posix_spawnattr_t attributes;
  set_up(attributes);

  Spawned spawned;
  const int result = posix_spawn(&spawned.process, words[0].c_str(), &actions, &attributes,
                                 pointers_to(words).data(), pointers_to(variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (result != 0) {
    close(ends[0]);
    throw Error(Error::Kind::unavailable,
                fmt::format("the worker \"{}\" must be a program that can be started: {}",
                            command.program.string(), std::system_category().message(result)));
  }
  spawned.descriptor = ends[0];
  return spawned;
}

WorkerExit describe_exit(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int number = WTERMSIG(wait_status);
    return {fmt::format("signal {}, {}", number, signal_name(number)), number};
  }
  return {fmt::format("exit status {}", WEXITSTATUS(wait_status)), 0};
}

}  // namespace comfy::link
