// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Builders for small model files, right and wrong ones, for tests.
namespace comfy::formats::crafted {

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

template <class Number>
std::string raw(Number value) {
  std::string bytes(sizeof(Number), '\0');
  std::memcpy(bytes.data(), &value, sizeof(Number));
  return bytes;
}

inline std::string safetensors(std::string_view header, std::size_t data_bytes) {
  return raw(std::uint64_t{header.size()}) + std::string{header} + std::string(data_bytes, '\1');
}

/// One stored entry, with the numbers to lie about.
struct ZipFile {
  std::string name = {};
  std::string data = {};
  std::uint16_t method = 0;
  std::uint16_t flags = 0;
  std::optional<std::string> local_name = {};
  std::optional<std::uint32_t> local_size = {};
  std::optional<std::uint32_t> size = {};
  std::optional<std::uint32_t> unpacked_size = {};
  std::optional<std::uint32_t> header_offset = {};
};

struct ZipEnd {
  std::optional<std::uint16_t> entries = {};
  std::optional<std::uint32_t> directory_bytes = {};
  std::optional<std::uint32_t> directory_offset = {};
  std::uint16_t disk = 0;
  std::string comment = {};
  std::optional<std::uint16_t> comment_bytes = {};
  std::string between = {};  ///< in front of the end record
};

inline std::string zip(const std::vector<ZipFile>& files, const ZipEnd& end = {}) {
  std::string archive;
  std::string directory;
  for (const ZipFile& file : files) {
    const std::string local_name = file.local_name.value_or(file.name);
    const auto size = static_cast<std::uint32_t>(file.data.size());
    const auto place = static_cast<std::uint32_t>(archive.size());
    const std::uint32_t local = file.local_size.value_or(size);
    archive += "PK\x03\x04" + raw(std::uint16_t{20}) + raw(file.flags) + raw(file.method) +
               std::string(8, '\0') + raw(local) + raw(local) +
               raw(static_cast<std::uint16_t>(local_name.size())) + raw(std::uint16_t{0}) +
               local_name + file.data;
    const std::uint32_t listed = file.size.value_or(size);
    directory += "PK\x01\x02" + raw(std::uint32_t{0}) + raw(file.flags) + raw(file.method) +
                 std::string(8, '\0') + raw(listed) + raw(file.unpacked_size.value_or(listed)) +
                 raw(static_cast<std::uint16_t>(file.name.size())) + std::string(4 + 2 + 6, '\0') +
                 raw(file.header_offset.value_or(place)) + file.name;
  }
  const auto place = static_cast<std::uint32_t>(archive.size());
  const auto count = static_cast<std::uint16_t>(files.size());
  archive += directory + end.between;
  archive += "PK\x05\x06" + raw(end.disk) + raw(std::uint16_t{0}) + raw(count) +
             raw(end.entries.value_or(count)) +
             raw(end.directory_bytes.value_or(static_cast<std::uint32_t>(directory.size()))) +
             raw(end.directory_offset.value_or(place)) +
             raw(end.comment_bytes.value_or(static_cast<std::uint16_t>(end.comment.size()))) +
             end.comment;
  return archive;
}

/// Instructions of a pickle.
inline std::string text(std::string_view value) {
  return "X" + raw(static_cast<std::uint32_t>(value.size())) + std::string{value};
}
inline std::string integer(std::int32_t value) { return "J" + raw(value); }
inline std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string{module} + "\n" + std::string{name} + "\n";
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string code = "(";
  for (const std::string& item : items) code += item;
  return code + "t";
}
inline std::string list(const std::vector<std::string>& items) {
  std::string code = "](";
  for (const std::string& item : items) code += item;
  return code + "e";
}
inline std::string dictionary(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string code = "}(";
  for (const auto& [key, value] : members) code += key + value;
  return code + "u";
}
inline std::string call(const std::string& function, const std::vector<std::string>& arguments) {
  return function + tuple(arguments) + "R";
}
inline std::string storage(std::string_view type, std::string_view key, std::int32_t count) {
  return tuple({text("storage"), global("torch", type), text(key), text("cpu"), integer(count)}) +
         "Q";
}
inline std::string integers(const std::vector<std::int32_t>& values) {
  std::vector<std::string> items;
  for (const std::int32_t value : values) items.push_back(integer(value));
  return tuple(items);
}

struct PickledTensor {
  std::string type = "FloatStorage";
  std::string key = "0";
  std::int32_t count = 6;
  std::int32_t first = 0;
  std::vector<std::int32_t> shape = {2, 3};
  std::vector<std::int32_t> strides = {3, 1};
};
inline std::string tensor(const PickledTensor& t = {}) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              {storage(t.type, t.key, t.count), integer(t.first), integers(t.shape),
               integers(t.strides), "\x89", call(global("collections", "OrderedDict"), {})});
}
inline std::string pickle(const std::string& body) { return "\x80\x02" + body + "."; }

inline std::string torch_zip(const std::string& body, std::size_t storage_bytes = 24) {
  return zip({{.name = "archive/data.pkl", .data = pickle(body)},
              {.name = "archive/byteorder", .data = "little"},
              {.name = "archive/data/0", .data = std::string(storage_bytes, '\2')},
              {.name = "archive/version", .data = "3\n"}});
}

inline std::string torch_stream(const std::string& body, const std::vector<std::string>& keys,
                                const std::string& storages) {
  using namespace std::string_literals;
  std::vector<std::string> key_items;
  for (const std::string& key : keys) key_items.push_back(text(key));
  return pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"s) + pickle("M\xe9\x03"s) +
         pickle(dictionary({{text("little_endian"), "\x88"}})) + pickle(body) +
         pickle(list(key_items)) + storages;
}

}  // namespace comfy::formats::crafted
