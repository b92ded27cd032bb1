// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/formats/torch_file.h"

#include "foundation/base/error.h"
#include "foundation/base/json.h"
#include "foundation/formats/byte_reader.h"
#include "foundation/formats/file_kind.h"
#include "foundation/formats/pickle.h"
#include "foundation/formats/zip.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace comfy::formats {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxNodes = 4'000'000;
constexpr std::size_t kMaxNameBytes = 256'000'000;
constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr std::int64_t kProtocol = 1001;

using Kind = PickledData::Kind;
using Object = PickledData::Object;

[[noreturn]] void refuse(std::string message) {
  throw Error(Error::Kind::invalid_input, "torch file: " + std::move(message));
}

struct Extent {
  std::uint64_t offset = 0, bytes = 0;
};
using Extents = std::unordered_map<std::string, Extent>;

std::uint64_t storage_bytes(const PickledStorage& storage) {
  const Wide bytes = static_cast<Wide>(storage.count) * (element_bits(storage.type) / 8);
  if (bytes > std::uint64_t{INT64_MAX}) {
    refuse(fmt::format("the storage \"{}\" claims {} elements", storage.key, storage.count));
  }
  return static_cast<std::uint64_t>(bytes);
}

// Walks the object from its root and writes down what it holds under dotted names.
class Flattener {
 public:
  Flattener(const PickledData& data, const Extents& extents) : data_{data}, extents_{extents} {}

  TensorTable run() {
    walk(state_dictionary(), "", 0);
    return std::move(table_);
  }

 private:
  const Object& object(std::size_t id) const { return data_.objects[id]; }

  // ComfyUI: the member "state_dict", else the only member if it is a dictionary, else all of it.
  std::size_t state_dictionary() const {
    const Object& root = object(data_.root);
    if (root.kind != Kind::dictionary) return data_.root;
    for (std::size_t i = 0; i + 1 < root.items.size(); i += 2) {
      const Object& key = object(root.items[i]);
      if (key.kind == Kind::text && key.text == "state_dict") return root.items[i + 1];
    }
    const bool only_one = root.items.size() == 2 && object(root.items[1]).kind == Kind::dictionary;
    return only_one ? root.items[1] : data_.root;
  }

  // One object may be reachable on many ways; names made along all of them count.
  std::string child_name(const std::string& parent, std::string_view key) {
    named_bytes_ += parent.size() + key.size() + 1;
    if (named_bytes_ > kMaxNameBytes) refuse("its names take more than 256 MB");
    if (parent.empty()) return std::string{key};
    return fmt::format("{}.{}", parent, key);
  }

  void walk(std::size_t id, const std::string& name, std::size_t depth) {
    if (depth > kMaxDepth)
      refuse(fmt::format("nested deeper than {} levels, or in a circle", kMaxDepth));
    if (++nodes_ > kMaxNodes) refuse(fmt::format("more than {} values", kMaxNodes));
    const Object& value = object(id);
    switch (value.kind) {
      case Kind::dictionary:
        return walk_dictionary(value, name, depth);
      case Kind::list:
        for (std::size_t i = 0; i < value.items.size(); ++i) {
          walk(value.items[i], child_name(name, std::to_string(i)), depth + 1);
        }
        return;
      case Kind::tensor:
        return add_tensor(value, name);
      case Kind::boolean:
        return add_value(name, value.integer != 0 ? "true" : "false");
      case Kind::integer:
        if (value.text.empty()) add_value(name, std::to_string(value.integer));
        return;
      case Kind::number:
        return add_value(name, python_float(value.number));
      case Kind::text:
        return add_value(name, value.text);
      case Kind::none:
      case Kind::bytes:
      case Kind::global:
      case Kind::storage:
        return;
    }
  }

  void walk_dictionary(const Object& dictionary, const std::string& name, std::size_t depth) {
    for (std::size_t i = 0; i + 1 < dictionary.items.size(); i += 2) {
      const Object& key = object(dictionary.items[i]);
      if (key.kind == Kind::text) {
        walk(dictionary.items[i + 1], child_name(name, key.text), depth + 1);
      } else if (key.kind == Kind::integer && key.text.empty()) {
        walk(dictionary.items[i + 1], child_name(name, std::to_string(key.integer)), depth + 1);
      }
    }
  }

  void add_value(const std::string& name, std::string text) {
    named_bytes_ += text.size();
    if (named_bytes_ > kMaxNameBytes) refuse("its texts take more than 256 MB");
    table_.metadata.insert_or_assign(name, std::move(text));
  }

  void add_tensor(const Object& tensor, const std::string& name) {
    const PickledStorage& storage = data_.storages[static_cast<std::size_t>(tensor.integer)];
    const auto extent = extents_.find(storage.key);
    if (extent == extents_.end())
      refuse(fmt::format("tensor \"{}\" lies in the storage \"{}\", which is missing", name,
                         storage.key));
    if (!names_.insert(name).second) refuse(fmt::format("two tensors are called \"{}\"", name));
    if (table_.tensors.size() >= kMaxTensors)
      refuse(fmt::format("more than {} tensors", kMaxTensors));
    TensorEntry entry{.name = name, .type = storage.type, .shape = tensor.shape};
    const std::uint64_t width = element_bits(storage.type) / 8;
    const auto bytes = tensor_bytes(entry.shape, entry.type);
    const auto last = last_element(tensor);
    // A view that repeats elements could claim any size; saved models hold none.
    if (!bytes || *bytes / width > storage.count || !last || *last > storage.count) {
      refuse(fmt::format("tensor \"{}\" of {} {} reaches outside its storage of {} elements", name,
                         element_name(entry.type), to_json(Json::array(entry.shape)),
                         storage.count));
    }
    if (*bytes != 0) {
      entry.offset = extent->second.offset + tensor.first * width;
      entry.bytes = (*last - tensor.first) * width;
      if (!is_contiguous(tensor)) entry.strides = tensor.strides;
    }
    table_.tensors.push_back(std::move(entry));
  }

  // Index behind the last element that the tensor touches; nothing when that overflows.
  static std::optional<std::uint64_t> last_element(const Object& tensor) {
    Wide last = tensor.first;
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
      if (tensor.shape[i] == 0) return tensor.first;
      last += static_cast<Wide>(tensor.shape[i] - 1) * static_cast<Wide>(tensor.strides[i]);
      if (last >= std::uint64_t{INT64_MAX}) return {};
    }
    return static_cast<std::uint64_t>(last) + 1;
  }

  static bool is_contiguous(const Object& tensor) {
    std::int64_t expected = 1;
    for (std::size_t i = tensor.shape.size(); i-- > 0;) {
      if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
      expected *= tensor.shape[i];  // bounded: the caller has checked the product
    }
    return true;
  }

  const PickledData& data_;
  const Extents& extents_;
  TensorTable table_;
  std::unordered_set<std::string> names_;
  std::size_t nodes_ = 0;
  std::size_t named_bytes_ = 0;
};

std::span<const std::byte> part(std::span<const std::byte> file, const ZipEntry& entry) {
  return file.subspan(static_cast<std::size_t>(entry.offset),
                      static_cast<std::size_t>(entry.bytes));
}

// Archives hold one folder: "archive/data.pkl", "archive/data/0", "archive/data/1" ...
const ZipEntry& find_pickle(const std::vector<ZipEntry>& entries) {
  const ZipEntry* found = nullptr;
  for (const ZipEntry& entry : entries) {
    const std::string_view name = entry.name;
    if (name == "constants.pkl" || name.ends_with("/constants.pkl")) {
      refuse("expected a saved dictionary of tensors, found a TorchScript program");
    }
    if (name != "data.pkl" &&
        !(name.ends_with("/data.pkl") && std::count(name.begin(), name.end(), '/') == 1))
      continue;
    if (found != nullptr) refuse("the archive holds two models");
    found = &entry;
  }
  if (found == nullptr) {
    refuse(fmt::format(
        "expected a model saved by torch, found a zip archive of {} files without data.pkl",
        entries.size()));
  }
  return *found;
}

TensorTable read_zip_form(std::span<const std::byte> file) {
  const std::vector<ZipEntry> entries = read_zip_directory(file);
  const ZipEntry& pickle = find_pickle(entries);
  const std::string folder =
      pickle.name.substr(0, pickle.name.size() - std::string_view{"data.pkl"}.size());
  Extents extents;
  for (const ZipEntry& entry : entries) {
    const std::string_view name = entry.name;
    if (name == folder + "byteorder") {
      const auto order = part(file, entry);
      const std::string_view text{reinterpret_cast<const char*>(order.data()), order.size()};
      if (text != "little")
        refuse(fmt::format("expected little-endian numbers, found \"{}\"", text.substr(0, 20)));
    }
    if (name.starts_with(folder + "data/")) {
      extents[entry.name.substr(folder.size() + 5)] = {entry.offset, entry.bytes};
    }
  }
  const PickledData data = read_pickle(part(file, pickle));
  for (const PickledStorage& storage : data.storages) {
    const auto extent = extents.find(storage.key);
    if (extent != extents.end() && extent->second.bytes < storage_bytes(storage)) {
      refuse(fmt::format("the storage \"{}\" claims {} bytes, its entry has {}", storage.key,
                         storage_bytes(storage), extent->second.bytes));
    }
  }
  return Flattener{data, extents}.run();
}

struct OnEnd {
  void operator()() const { refuse("truncated: a storage reaches behind the end of the file"); }
};

// Behind the pickles: per storage, in the order of the key list, its element count and its bytes.
Extents stream_extents(std::span<const std::byte> file, std::size_t at, const PickledData& keys,
                       const PickledData& model) {
  const Object& list = keys.objects[keys.root];
  if (list.kind != Kind::list) refuse("expected a list of storages behind the model");
  std::unordered_map<std::string_view, const PickledStorage*> by_key;
  for (const PickledStorage& storage : model.storages) by_key[storage.key] = &storage;
  ByteReader<OnEnd> reader{file, at, {}};
  Extents extents;
  for (const std::size_t id : list.items) {
    const std::string& key = keys.objects[id].text;
    const auto storage = by_key.find(key);
    if (storage == by_key.end())
      refuse(fmt::format("the storage \"{}\" belongs to no tensor", key));
    const auto count = reader.number<std::int64_t>();
    if (count < 0 || static_cast<std::uint64_t>(count) != storage->second->count) {
      refuse(fmt::format("the storage \"{}\" has {} elements, expected {}", key, count,
                         storage->second->count));
    }
    const std::uint64_t bytes = storage_bytes(*storage->second);
    const bool is_new = extents.try_emplace(key, Extent{reader.position(), bytes}).second;
    if (!is_new) refuse(fmt::format("the storage \"{}\" occurs twice", key));
    reader.skip(bytes);
  }
  if (!reader.at_end())
    refuse(fmt::format("{} bytes behind the last storage belong to none", reader.left()));
  return extents;
}

bool is_integer(const PickledData& data, std::int64_t value) {
  const Object& root = data.objects[data.root];
  return root.kind == Kind::integer && root.text.empty() && root.integer == value;
}

TensorTable read_stream_form(std::span<const std::byte> file) {
  std::size_t at = 0;
  const auto next = [&] {
    PickledData data = read_pickle(file.subspan(at));
    at += data.bytes_read;
    return data;
  };
  const PickledData magic = next();
  if (magic.objects[magic.root].kind != Kind::integer || magic.objects[magic.root].text != kMagic) {
    refuse("expected a model saved by torch, found a pickle of another program");
  }
  if (!is_integer(next(), kProtocol))
    refuse(fmt::format("expected the stream protocol {}", kProtocol));
  const PickledData system = next();
  const Object& facts = system.objects[system.root];
  for (std::size_t i = 0; facts.kind == Kind::dictionary && i + 1 < facts.items.size(); i += 2) {
    const Object& value = system.objects[facts.items[i + 1]];
    if (system.objects[facts.items[i]].text == "little_endian" && value.kind == Kind::boolean &&
        value.integer == 0) {
      refuse("expected little-endian numbers, found big-endian");
    }
  }
  const PickledData model = next();
  const PickledData keys = next();
  const Extents extents = stream_extents(file, at, keys, model);
  return Flattener{model, extents}.run();
}

}  // namespace

TensorTable read_torch_file(std::span<const std::byte> file) {
  const FileKind kind = file_kind(file);
  if (kind == FileKind::zip) return read_zip_form(file);
  if (kind == FileKind::pickle) return read_stream_form(file);
  throw Error(Error::Kind::invalid_input,
              fmt::format("expected a model saved by torch, found {}", describe(kind)));
}

}  // namespace comfy::formats
