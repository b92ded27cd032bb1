// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/value.h"

#include <cxxabi.h>

#include <cstdlib>

namespace comfy::engine {

Json Value::describe() const {
  if (!box_) return {};
  const Json* held = json();
  if (!held) return box_->describe();
  if (held->is_array() || held->is_object()) return python_repr(*held);
  return *held;
}

std::string Value::type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name{
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free};
  return status == 0 ? name.get() : type.name();
}

}  // namespace comfy::engine
