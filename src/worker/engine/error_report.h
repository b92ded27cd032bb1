// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <exception>
#include <string>

namespace comfy::engine {

/// What went wrong in a node, in the words of execution_error.
struct NodeFailure {
  enum class Kind { error, interrupted, out_of_memory };
  Kind kind = Kind::error;
  std::string type;     ///< the name of the exception's class that clients know
  std::string message;  ///< ends with a line break, and for want of memory with a tip
  Json::Array traceback;
};

/// Translates whatever a node threw: our Error, those of libtorch and of the standard library.
NodeFailure explain(const std::exception_ptr& thrown);

}  // namespace comfy::engine
