// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/formats/tensor_table.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace comfy::formats {

/// A run of elements that tensors of a pickle look into; its bytes lie elsewhere in the file.
struct PickledStorage {
  std::string key = {};
  ElementType type = ElementType::f32;
  std::uint64_t count = 0;
};

/// The objects of one pickle, addressed by their number. Containers may hold each other in circles.
struct PickledData {
  enum class Kind {
    none,
    boolean,
    integer,
    number,
    text,
    bytes,
    global,
    list,
    dictionary,
    storage,
    tensor
  };

  struct Object {
    Kind kind = Kind::none;
    std::int64_t integer =
        0;  ///< also: boolean as 0 or 1; storage: index in `storages`; tensor: storage
    double number = 0;
    std::string text = {};  ///< text, bytes, the name of a global, an integer above 64 bits
    std::vector<std::size_t> items =
        {};  ///< list and tuple; dictionary: key, value, key, value ...
    std::vector<std::int64_t> shape = {}, strides = {};  ///< tensor
    std::uint64_t first = 0;                             ///< tensor: index of its first element
  };

  std::vector<Object> objects;
  std::vector<PickledStorage> storages;
  std::size_t root = 0;
  std::size_t bytes_read = 0;  ///< a stream may hold several pickles, one behind the other
};

/// Reads one pickle as data: builds numbers, texts, lists, dictionaries and tensors and calls
/// nothing.
///
/// Only the few names that model files need are known; any other global is refused by name, as are
/// objects, extension codes, persistent ids that are no storages, and more than a million memo
/// entries, 65,536 stack entries or 4 million objects. Throws Error(invalid_input).
/// Source: CPython's description of the opcodes (pickletools), torch's of its storage records.
PickledData read_pickle(std::span<const std::byte> bytes);

}  // namespace comfy::formats
