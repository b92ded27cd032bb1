// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/failing_calls.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>

namespace comfy {
namespace {

std::atomic<int> failing{-1};
std::atomic<std::uint64_t> calls_left{0};
std::atomic<bool> came{false};
std::atomic<int> with_error{0};

/// True when this is the call that fails; errno is set then.
bool fails(FailingCall call) {
  if (failing != static_cast<int>(call) || calls_left.fetch_sub(1) != 1) return false;
  failing = -1;
  came = true;
  errno = with_error;
  return true;
}

}  // namespace

void fail_call(FailingCall call, std::uint64_t n) {
  const bool meets_full_disk = call != FailingCall::sync;
  with_error = meets_full_disk && n % 2 == 0 ? ENOSPC : EIO;
  came = false;
  calls_left = n;
  failing = static_cast<int>(call);
}

bool failed_call() {
  failing = -1;
  return came;
}

std::string_view call_name(FailingCall call) {
  switch (call) {
    case FailingCall::write:
      return "write";
    case FailingCall::sync:
      return "sync";
    case FailingCall::open:
      return "open";
    case FailingCall::rename:
      return "rename";
  }
  return "";
}

}  // namespace comfy

using comfy::FailingCall;

// The names of the C library, so that calls from everywhere come here.
extern "C" {

ssize_t write(int descriptor, const void* bytes, size_t size) {
  if (comfy::fails(FailingCall::write)) return -1;
  return syscall(SYS_write, descriptor, bytes, size);
}
ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off64_t at) {
  if (comfy::fails(FailingCall::write)) return -1;
  return syscall(SYS_pwrite64, descriptor, bytes, size, at);
}
ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t at) {
  return pwrite64(descriptor, bytes, size, at);
}
int ftruncate64(int descriptor, off64_t size) {
  if (comfy::fails(FailingCall::write)) return -1;
  return static_cast<int>(syscall(SYS_ftruncate, descriptor, size));
}
int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }
int fsync(int descriptor) {
  if (comfy::fails(FailingCall::sync)) return -1;
  return static_cast<int>(syscall(SYS_fsync, descriptor));
}
int fdatasync(int descriptor) {
  if (comfy::fails(FailingCall::sync)) return -1;
  return static_cast<int>(syscall(SYS_fdatasync, descriptor));
}
int openat(int folder, const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (comfy::fails(FailingCall::open)) return -1;
  return static_cast<int>(syscall(SYS_openat, folder, name, flags, mode));
}
int openat64(int folder, const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return openat(folder, name, flags, mode);
}
int open(const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return openat(AT_FDCWD, name, flags, mode);
}
int open64(const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return openat(AT_FDCWD, name, flags, mode);
}
int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) {
  if (comfy::fails(FailingCall::rename)) return -1;
  return static_cast<int>(syscall(SYS_linkat, from_folder, from, to_folder, to, flags));
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  if (comfy::fails(FailingCall::rename)) return -1;
  return static_cast<int>(syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
}
int rename(const char* from, const char* to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }
}
