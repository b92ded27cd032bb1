// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <vector>

// For tests: work that may use its memory and processor, and nothing else of the machine.
namespace comfy::formats::sealed {

/// From now on any system call but those for memory, and for ending, kills the process (SIGSYS).
/// False when the kernel will not have it.
inline bool seal() {
  // The address sanitizer asks for the place of its stack (sigaltstack) whenever something is
  // thrown.
  constexpr std::array kAllowed{SYS_brk,   SYS_mmap,        SYS_munmap, SYS_mremap,    SYS_madvise,
                                SYS_futex, SYS_sigaltstack, SYS_exit,   SYS_exit_group};
  std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const long call : kAllowed) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  const sock_fprog rules{.len = static_cast<unsigned short>(program.size()),
                         .filter = program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &rules) == 0;
}

/// Runs `work` in a sealed child process: the status of its end, as waitpid gives it. 0 when it
/// came to its end, the signal SIGSYS when it asked the machine for anything else, 99 << 8 when the
/// child could not be sealed.
template <class Work>
int end_of(Work work) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!seal()) ::_exit(99);
    work();
    ::_exit(0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

}  // namespace comfy::formats::sealed
