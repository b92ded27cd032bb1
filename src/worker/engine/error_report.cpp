// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/error_report.h"

#include "foundation/base/error.h"
#include "inference/tensor/tensor.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <new>
#include <utility>

namespace comfy::engine {

namespace {

constexpr std::string_view kMemoryTip =
    "\nThis error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before "
    "you might have accidentally set the batch_size to a large number.";

/// The class that Python would have thrown for the same reason.
const char* python_name(Error::Kind kind) {
  switch (kind) {
    case Error::Kind::invalid_input:
      return "ValueError";
    case Error::Kind::not_found:
      return "FileNotFoundError";
    case Error::Kind::forbidden:
      return "PermissionError";
    case Error::Kind::unsupported:
      return "NotImplementedError";
    case Error::Kind::out_of_memory:
      return "torch.OutOfMemoryError";
    case Error::Kind::unavailable:
      return "OSError";
    default:
      return "RuntimeError";
  }
}

NodeFailure failure(const char* type, const std::string& message) {
  NodeFailure made;
  made.type = type;
  made.message = message + "\n";
  return made;
}

NodeFailure out_of_memory(const std::string& message) {
  NodeFailure made = failure("torch.OutOfMemoryError", message);
  made.kind = NodeFailure::Kind::out_of_memory;
  made.message = message + std::string{kMemoryTip};
  return made;
}

NodeFailure from(const Error& error) {
  if (error.kind == Error::Kind::out_of_memory) return out_of_memory(error.message);
  const std::string message = error.input_name.empty()
                                  ? error.message
                                  : fmt::format("{}: {}", error.input_name, error.message);
  NodeFailure made = failure(python_name(error.kind), message);
  if (error.kind == Error::Kind::interrupted) made.kind = NodeFailure::Kind::interrupted;
  if (!error.details.empty()) made.traceback.emplace_back(error.details);
  return made;
}

}  // namespace

NodeFailure explain(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    return from(error);
  } catch (const c10::OutOfMemoryError& error) {
    return out_of_memory(error.what_without_backtrace());
  } catch (const c10::NotImplementedError& error) {
    return failure("NotImplementedError", error.what_without_backtrace());
  } catch (const c10::Error& error) {
    return failure("RuntimeError", error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return out_of_memory("the machine has no memory left for this node");
  } catch (const std::exception& error) {
    return failure("RuntimeError", error.what());
  } catch (...) {
    return failure("RuntimeError", "an exception of an unknown type");
  }
}

}  // namespace comfy::engine
