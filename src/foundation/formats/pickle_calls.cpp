// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/strings.h"
#include "foundation/formats/pickle_machine.h"
#include "foundation/formats/pickle_names.h"

#include <fmt/format.h>

#include <cstring>
#include <string_view>

namespace comfy::formats {
namespace {

using Kind = PickledData::Kind;
using Object = PickledData::Object;

// NumPy's bytes travel as a text in which every character is one byte.
std::string latin1(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const char32_t character = take_code_point(text);
    if (character > 0xff) refuse_pickle("a text stands for bytes and holds more than bytes");
    bytes.push_back(static_cast<char>(character));
  }
  return bytes;
}

}  // namespace

void PickleMachine::push_global(std::string_view module, std::string_view name) {
  const std::string full = fmt::format("{}.{}", module, name);
  if (!pickle_name(full)) {
    refuse_pickle(fmt::format(
        "it names \"{}\", which is not among the few names that model data needs", full));
  }
  push({.kind = Kind::global, .text = full});
}

const Object& PickleMachine::argument(const std::vector<std::size_t>& arguments, std::size_t index,
                                      Kind kind) {
  if (index >= arguments.size() || object(arguments[index]).kind != kind) {
    refuse_pickle(fmt::format("argument {} of a call is missing or of another type", index + 1));
  }
  if (object(arguments[index]).text.size() > kMaxArgumentText) {
    refuse_pickle(
        fmt::format("argument {} of a call is a text above {} bytes", index + 1, kMaxArgumentText));
  }
  return object(arguments[index]);
}

std::vector<std::size_t> PickleMachine::arguments(std::size_t id, const char* what) {
  const Object& list = object(id);
  if (list.kind != Kind::list || list.items.size() > kMaxArguments)
    refuse_pickle(fmt::format("expected {}", what));
  return list.items;
}

// ('storage', class, key, location, count), from older torch with one more: a view, which was None.
void PickleMachine::push_storage() {
  const std::size_t id = pop();
  const std::vector<std::size_t> record = arguments(id, "a storage record as persistent id");
  if (record.size() < 5 || record.size() > 6 || argument(record, 0, Kind::text).text != "storage") {
    refuse_pickle("expected a storage record as persistent id");
  }
  if (record.size() == 6 && object(record[5]).kind != Kind::none)
    refuse_pickle("views of storages are not read");
  const auto name = pickle_name(argument(record, 1, Kind::global).text);
  if (!name || name->use != PickleUse::storage)
    refuse_pickle("expected a storage class in a storage record");
  const std::int64_t count = argument(record, 4, Kind::integer).integer;
  if (count < 0) refuse_pickle(fmt::format("expected a storage size from 0, found {}", count));
  const PickledStorage storage{argument(record, 2, Kind::text).text, name->type,
                               static_cast<std::uint64_t>(count)};
  const auto [place, is_new] = storage_by_key_.try_emplace(storage.key, data_.storages.size());
  if (is_new) {
    data_.storages.push_back(storage);
  } else if (data_.storages[place->second].type != storage.type ||
             data_.storages[place->second].count != storage.count) {
    refuse_pickle(fmt::format("the storage \"{}\" is described in two ways", storage.key));
  }
  push({.kind = Kind::storage, .integer = static_cast<std::int64_t>(place->second)});
}

void PickleMachine::reduce() {
  const std::size_t arguments_id = pop();
  const std::size_t callee = pop();
  if (object(callee).kind != Kind::global) refuse_pickle("it calls something that is no name");
  const std::vector<std::size_t> given = arguments(arguments_id, "a list of arguments");
  const auto name = pickle_name(object(callee).text);
  switch (name ? name->use : PickleUse::label) {
    case PickleUse::dictionary:
      return make_dictionary(given);
    case PickleUse::tensor:
      return make_tensor(given);
    case PickleUse::first_argument:
      if (given.empty()) refuse_pickle("a call without arguments");
      return push_id(given.front());
    case PickleUse::encode:
      return push({.kind = Kind::bytes, .text = latin1(argument(given, 0, Kind::text).text)});
    case PickleUse::number_type:
      return push_text(given.empty() ? "f8" : argument(given, 0, Kind::text).text);
    case PickleUse::number:
      return make_scalar(given);
    case PickleUse::storage:
    case PickleUse::label:
      break;
  }
  refuse_pickle(fmt::format("it calls \"{}\", which is no function for data", object(callee).text));
}

void PickleMachine::make_dictionary(const std::vector<std::size_t>& arguments) {
  Object dictionary{.kind = Kind::dictionary};
  if (arguments.size() > 1) refuse_pickle("expected at most one argument for a dictionary");
  if (!arguments.empty()) {
    const std::vector<std::size_t> pairs = argument(arguments, 0, Kind::list).items;
    copied_ += pairs.size();
    if (copied_ > kMaxObjects) refuse_pickle(fmt::format("more than {} objects", kMaxObjects));
    for (const std::size_t pair : pairs) {
      if (object(pair).kind != Kind::list || object(pair).items.size() != 2) {
        refuse_pickle("expected pairs for a dictionary");
      }
      dictionary.items.insert(dictionary.items.end(), object(pair).items.begin(),
                              object(pair).items.end());
    }
  }
  push(std::move(dictionary));
}

std::vector<std::int64_t> PickleMachine::sizes(std::size_t id) {
  const Object& list = object(id);
  if (list.kind != Kind::list || list.items.size() > kMaxDimensions) {
    refuse_pickle(fmt::format("expected a list of at most {} sizes", kMaxDimensions));
  }
  std::vector<std::int64_t> result;
  for (const std::size_t item : list.items) {
    if (object(item).kind != Kind::integer || object(item).integer < 0 ||
        !object(item).text.empty()) {
      refuse_pickle("expected whole sizes from 0");
    }
    result.push_back(object(item).integer);
  }
  return result;
}

// (storage, first element, sizes, strides, ...): gradient flag and hooks do not matter here.
void PickleMachine::make_tensor(const std::vector<std::size_t>& arguments) {
  if (arguments.size() < 4) refuse_pickle("a tensor lacks its sizes");
  Object tensor{.kind = Kind::tensor};
  tensor.integer = argument(arguments, 0, Kind::storage).integer;
  const std::int64_t first = argument(arguments, 1, Kind::integer).integer;
  if (first < 0)
    refuse_pickle(fmt::format("expected a place in a storage from 0, found {}", first));
  tensor.first = static_cast<std::uint64_t>(first);
  tensor.shape = sizes(arguments[2]);
  tensor.strides = sizes(arguments[3]);
  if (tensor.shape.size() != tensor.strides.size())
    refuse_pickle("a tensor has more sizes than strides, or fewer");
  push(std::move(tensor));
}

// A NumPy number: its type's code and its bytes. Kept where it is of a usual type.
void PickleMachine::make_scalar(const std::vector<std::size_t>& arguments) {
  const std::string type = argument(arguments, 0, Kind::text).text;
  const std::string bytes = argument(arguments, 1, Kind::bytes).text;
  const auto read = [&]<class Number>(Number value) {
    if (bytes.size() != sizeof(Number)) refuse_pickle("a number has another size than its type");
    std::memcpy(&value, bytes.data(), sizeof(Number));
    return value;
  };
  if (type == "f8") return push({.kind = Kind::number, .number = read(double{})});
  if (type == "f4") return push({.kind = Kind::number, .number = read(float{})});
  if (type == "i8") return push_integer(read(std::int64_t{}));
  if (type == "i4") return push_integer(read(std::int32_t{}));
  push({});
}

// State is dropped: an OrderedDict's holds torch's version notes, a NumPy type's its byte order.
void PickleMachine::build() {
  const std::size_t state = pop();
  const Object& target = object(top());
  if (target.kind == Kind::dictionary && object(state).kind == Kind::dictionary) return;
  if (target.kind == Kind::text && object(state).kind == Kind::list) {
    const std::vector<std::size_t>& items = object(state).items;
    if (items.size() > 1 && object(items[1]).text == ">")
      refuse_pickle("expected little-endian numbers, found big-endian");
    return;
  }
  refuse_pickle("it sets the state of an object, expected data only");
}

}  // namespace comfy::formats
