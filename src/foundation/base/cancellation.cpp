// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/cancellation.h"

#include "foundation/base/error.h"

namespace comfy {

void Cancellation::check() const {
  if (cancelled()) throw Error(Error::Kind::interrupted, "the prompt was interrupted");
}

}  // namespace comfy
