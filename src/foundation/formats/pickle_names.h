// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/formats/tensor_table.h"

#include <optional>
#include <string_view>

namespace comfy::formats {

/// What the data reader does when a pickle calls a name.
enum class PickleUse {
  label,           ///< an inert name: never called
  dictionary,      ///< a dictionary from pairs
  tensor,          ///< a tensor from storage, first element, sizes and strides
  first_argument,  ///< stands for its first argument
  storage,         ///< the class in a storage record
  encode,          ///< bytes from a text
  number_type,     ///< a NumPy type
  number           ///< a NumPy number
};

struct PickleName {
  std::string_view name = {};  ///< "module.name"
  PickleUse use = PickleUse::label;
  ElementType type = ElementType::f32;  ///< of a storage class
};

/// The row of a name that model data may use; nothing for any other.
std::optional<PickleName> pickle_name(std::string_view name);

}  // namespace comfy::formats
