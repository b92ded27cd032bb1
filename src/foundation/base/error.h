// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <exception>
#include <string>

#define COMFY_ASSERT(condition) \
  ((condition) ? void(0) : ::comfy::assertion_failed(#condition, __FILE__, __LINE__))

namespace comfy {

/// The one exception this program throws. Everything a client needs to show is a field.
///
/// `message` says what was expected, then what was found, with values. `details` narrows it down
/// (a list of offenders, the name of a library's error).
class Error : public std::exception {
 public:
  enum class Kind {
    invalid_prompt,  ///< the workflow is wrong
    invalid_input,   ///< a value, file or message is wrong
    not_found,       ///< a name that nothing carries
    forbidden,       ///< refused by a rule of security
    conflict,        ///< another thing has that name already
    too_large,       ///< above a stated limit
    unsupported,     ///< understood, and not offered by this build
    out_of_memory,
    interrupted,  ///< cancelled by the user
    unavailable,  ///< try again later: full queue, broken store, full disk
    internal      ///< a bug of ours
  };

  explicit Error(Kind kind, std::string message, std::string details = {});

  const char* what() const noexcept override { return message.c_str(); }

  Error&& at_node(std::string id) &&;     ///< filled in by the executor, once
  Error&& at_input(std::string name) &&;  ///< filled in where an input is read, once

  Kind kind;
  std::string message;
  std::string details;
  std::string node_id;
  std::string input_name;
};

/// The name of a kind as logs and metrics spell it, for instance "invalid_input".
const char* kind_name(Error::Kind kind);

/// Prints the broken assumption and aborts. Assertions are for bugs, never for input.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace comfy
