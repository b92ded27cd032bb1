// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/formats/safetensors.h"

#include "foundation/base/error.h"
#include "foundation/formats/file_kind.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

namespace comfy::formats {
namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::size_t kLengthBytes = 8;
constexpr std::string_view kMetadata = "__metadata__";

static_assert(std::endian::native == std::endian::little,
              "lengths are read as they lie in the file");

[[noreturn]] void refuse(std::string message) {
  throw Error(Error::Kind::invalid_input, "safetensors: " + std::move(message));
}

std::uint64_t header_length(const std::byte* front) {
  std::uint64_t length = 0;
  std::memcpy(&length, front, kLengthBytes);
  return length;
}

[[noreturn]] void refuse_kind(std::span<const std::byte> file) {
  throw Error(Error::Kind::invalid_input,
              fmt::format("expected a safetensors file, found {}", describe(file_kind(file))));
}

std::string_view header_text(std::span<const std::byte> file) {
  if (file.size() <= kLengthBytes) refuse_kind(file);
  const std::uint64_t length = header_length(file.data());
  const std::uint64_t left = file.size() - kLengthBytes;
  if (file[kLengthBytes] != std::byte{'{'}) refuse_kind(file);
  if (length > kMaxHeader) {
    refuse(fmt::format("expected a header of at most {} bytes, found {}", kMaxHeader, length));
  }
  if (length > left) {
    refuse(
        fmt::format("truncated: the header takes {} bytes, {} are left in the file", length, left));
  }
  return {reinterpret_cast<const char*>(file.data()) + kLengthBytes,
          static_cast<std::size_t>(length)};
}

Json parse_header(std::string_view text) {
  try {
    Json header = parse_json(text, {.max_bytes = kMaxHeader, .max_depth = 4});
    if (!header.is_object())
      refuse(fmt::format("expected an object in the header, found {}", header.type_name()));
    return header;
  } catch (const Error& error) {
    if (error.message.starts_with("safetensors: ")) throw;
    refuse("malformed header: " + error.message);
  }
}

void read_metadata(const Json& value, TensorTable& table) {
  if (value.is_null()) return;
  if (!value.is_object())
    refuse(fmt::format("expected an object of metadata, found {}", value.type_name()));
  for (const auto& [name, text] : value.as_object()) {
    if (!text.is_string()) {
      refuse(fmt::format("expected text as metadata \"{}\", found {}", name, text.type_name()));
    }
    table.metadata.emplace(name, text.as_string());
  }
}

const Json& member(const Json& entry, std::string_view name, std::string_view tensor) {
  const Json* found = entry.find(name);
  if (found == nullptr) refuse(fmt::format("tensor \"{}\" has no \"{}\"", tensor, name));
  return *found;
}

// A size of 64 bits cannot be anything but an attack or damage.
std::optional<std::uint64_t> whole_number(const Json& item) {
  if (!item.is_integer()) return {};
  try {
    const std::int64_t value = item.as_int();
    if (value >= 0) return static_cast<std::uint64_t>(value);
  } catch (const Error&) {  // above 63 bits
  }
  return {};
}

std::vector<std::uint64_t> whole_numbers(const Json& list, std::string_view what,
                                         std::string_view tensor) {
  if (!list.is_array()) {
    refuse(fmt::format("expected a list as \"{}\" of tensor \"{}\", found {}", what, tensor,
                       list.type_name()));
  }
  std::vector<std::uint64_t> numbers;
  for (const Json& item : list.as_array()) {
    const auto number = whole_number(item);
    if (!number) {
      refuse(fmt::format("expected whole numbers from 0 as \"{}\" of tensor \"{}\", found {}", what,
                         tensor, to_json(item)));
    }
    numbers.push_back(*number);
  }
  return numbers;
}

TensorEntry read_entry(const std::string& name, const Json& entry) {
  if (!entry.is_object())
    refuse(fmt::format("expected an object for tensor \"{}\", found {}", name, entry.type_name()));
  const Json& type_name = member(entry, "dtype", name);
  const auto type = type_name.is_string() ? element_named(type_name.as_string()) : std::nullopt;
  if (!type)
    refuse(fmt::format("tensor \"{}\" has the unknown dtype {}", name, to_json(type_name)));
  const auto sizes = whole_numbers(member(entry, "shape", name), "shape", name);
  if (sizes.size() > kMaxDimensions) {
    refuse(fmt::format("expected at most {} dimensions, tensor \"{}\" has {}", kMaxDimensions, name,
                       sizes.size()));
  }
  const auto range = whole_numbers(member(entry, "data_offsets", name), "data_offsets", name);
  if (range.size() != 2 || range[0] > range[1]) {
    refuse(fmt::format("expected two growing data_offsets, tensor \"{}\" has {}", name,
                       to_json(member(entry, "data_offsets", name))));
  }
  TensorEntry result{.name = name, .type = *type, .shape = {sizes.begin(), sizes.end()}};
  const auto bytes = tensor_bytes(result.shape, *type);
  if (!bytes || *bytes != range[1] - range[0]) {
    refuse(fmt::format("tensor \"{}\" of {} {} does not take the {} bytes of its data_offsets",
                       name, element_name(*type), to_json(member(entry, "shape", name)),
                       range[1] - range[0]));
  }
  result.offset = range[0];  // counted from the data for now: a sum could overflow
  result.bytes = *bytes;
  return result;
}

// Every byte of the data belongs to exactly one tensor.
void check_places(const std::vector<TensorEntry>& tensors, std::uint64_t data_bytes) {
  std::vector<const TensorEntry*> in_order;
  for (const TensorEntry& tensor : tensors) in_order.push_back(&tensor);
  std::sort(in_order.begin(), in_order.end(), [](const TensorEntry* a, const TensorEntry* b) {
    return std::pair{a->offset, a->bytes} < std::pair{b->offset, b->bytes};
  });
  std::uint64_t end = 0;
  for (const TensorEntry* tensor : in_order) {
    if (tensor->offset != end) {
      refuse(fmt::format("tensor \"{}\" begins at {}, expected {}: {}", tensor->name,
                         tensor->offset, end,
                         tensor->offset > end ? "a gap" : "it overlaps another"));
    }
    end += tensor->bytes;  // both below 2^63
    if (end > data_bytes) {
      refuse(fmt::format("truncated: tensor \"{}\" ends at {}, the file holds {} bytes of data",
                         tensor->name, end, data_bytes));
    }
  }
  if (end != data_bytes)
    refuse(fmt::format("{} bytes behind the last tensor belong to none", data_bytes - end));
}

}  // namespace

TensorTable read_safetensors(std::span<const std::byte> file) {
  const std::string_view text = header_text(file);
  const std::uint64_t data_start = kLengthBytes + text.size();
  const Json header = parse_header(text);
  TensorTable table;
  if (header.as_object().size() > kMaxTensors + 1) {
    refuse(fmt::format("expected at most {} tensors, found {}", kMaxTensors,
                       header.as_object().size()));
  }
  for (const auto& [name, entry] : header.as_object()) {
    if (name == kMetadata) {
      read_metadata(entry, table);
    } else {
      table.tensors.push_back(read_entry(name, entry));
    }
  }
  check_places(table.tensors, file.size() - data_start);
  for (TensorEntry& tensor : table.tensors) tensor.offset += data_start;
  return table;
}

std::optional<Json> safetensors_metadata(int descriptor, std::size_t max_header) {
  std::array<std::byte, kLengthBytes> front{};
  if (pread(descriptor, front.data(), front.size(), 0) != static_cast<ssize_t>(front.size())) {
    refuse_kind({});
  }
  const std::uint64_t length = header_length(front.data());
  if (length > max_header) {
    throw Error(Error::Kind::too_large,
                fmt::format("expected a safetensors header of at most {} bytes, found {}",
                            max_header, length));
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = pread(descriptor, text.data() + have, text.size() - have,
                              static_cast<off_t>(kLengthBytes + have));
    if (got <= 0)
      refuse(fmt::format("truncated: the header takes {} bytes, {} are there", length, have));
    have += static_cast<std::size_t>(got);
  }
  const Json header = parse_header(text);
  const Json* metadata = header.find(kMetadata);
  if (metadata == nullptr || metadata->is_null()) return {};
  return *metadata;
}

std::string safetensors_front(const TensorTable& table) {
  Json header = JsonObject{};
  if (!table.metadata.empty()) {
    Json metadata = JsonObject{};
    for (const auto& [name, text] : table.metadata) metadata[name] = text;
    header[kMetadata] = std::move(metadata);
  }
  for (const TensorEntry& tensor : table.tensors) {
    Json entry = JsonObject{};
    entry["dtype"] = element_name(tensor.type);
    entry["shape"] = Json::array(tensor.shape);
    entry["data_offsets"] =
        Json::array(std::vector<std::uint64_t>{tensor.offset, tensor.offset + tensor.bytes});
    header[tensor.name] = std::move(entry);
  }
  std::string text = to_compact_json(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string front(kLengthBytes, '\0');
  const std::uint64_t length = text.size();
  std::memcpy(front.data(), &length, kLengthBytes);
  return front + text;
}

}  // namespace comfy::formats
