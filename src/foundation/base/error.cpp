// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace comfy {

Error::Error(Kind k, std::string m, std::string d)
    : kind{k}, message{std::move(m)}, details{std::move(d)} {}

Error&& Error::at_node(std::string id) && {
  if (node_id.empty()) node_id = std::move(id);
  return std::move(*this);
}

Error&& Error::at_input(std::string name) && {
  if (input_name.empty()) input_name = std::move(name);
  return std::move(*this);
}

const char* kind_name(Error::Kind kind) {
  switch (kind) {
    case Error::Kind::invalid_prompt:
      return "invalid_prompt";
    case Error::Kind::invalid_input:
      return "invalid_input";
    case Error::Kind::not_found:
      return "not_found";
    case Error::Kind::forbidden:
      return "forbidden";
    case Error::Kind::conflict:
      return "conflict";
    case Error::Kind::too_large:
      return "too_large";
    case Error::Kind::unsupported:
      return "unsupported";
    case Error::Kind::out_of_memory:
      return "out_of_memory";
    case Error::Kind::interrupted:
      return "interrupted";
    case Error::Kind::unavailable:
      return "unavailable";
    case Error::Kind::internal:
      return "internal";
  }
  return "internal";
}

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace comfy
