// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/file_descriptor.h"

#include <unistd.h>

namespace comfy {

void FileDescriptor::reset(int number) {
  const int old = std::exchange(number_, number);
  if (old >= 0) ::close(old);
}

}  // namespace comfy
