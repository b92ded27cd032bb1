// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/strings.h"
#include "foundation/formats/byte_reader.h"
#include "foundation/formats/pickle.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace comfy::formats {

/// Throws Error(invalid_input) with "pickle: " in front.
[[noreturn]] void refuse_pickle(std::string message);

struct OnPickleEnd {
  void operator()() const { refuse_pickle("truncated: it ends inside an instruction"); }
};

/// Runs the instructions of a pickle on a stack of object numbers. Shared by pickle.cpp
/// (instructions) and pickle_calls.cpp (what calls stand for).
class PickleMachine {
 public:
  explicit PickleMachine(std::span<const std::byte> bytes) : reader_{bytes, 0, {}} {}

  PickledData run() {
    while (true) {
      const auto code = reader_.number<std::uint8_t>();
      if (code == '.') break;
      if (!(number(code) || text(code) || container(code) || memory(code) || call(code))) {
        refuse_code(code);
      }
    }
    data_.root = pop();
    data_.bytes_read = reader_.position();
    return std::move(data_);
  }

 private:
  static constexpr std::size_t kMaxMemo = 1'000'000;
  static constexpr std::size_t kMaxStack = 65'536;
  static constexpr std::size_t kMaxObjects = 4'000'000;
  // What a call copies could be recalled and copied again and again; real arguments are short.
  static constexpr std::size_t kMaxArguments = 16;
  static constexpr std::size_t kMaxArgumentText = 4096;

  bool number(std::uint8_t code);
  bool text(std::uint8_t code);
  bool container(std::uint8_t code);
  bool memory(std::uint8_t code);
  bool call(std::uint8_t code);
  [[noreturn]] void refuse_code(std::uint8_t code) const;

  PickledData::Object& object(std::size_t id) { return data_.objects[id]; }

  void push_id(std::size_t id) {
    if (stack_.size() >= kMaxStack)
      refuse_pickle(fmt::format("more than {} things on the stack", kMaxStack));
    stack_.push_back(id);
  }

  void push(PickledData::Object made) {
    if (data_.objects.size() >= kMaxObjects)
      refuse_pickle(fmt::format("more than {} objects", kMaxObjects));
    data_.objects.push_back(std::move(made));
    push_id(data_.objects.size() - 1);
  }

  void push_integer(std::int64_t value) {
    push({.kind = PickledData::Kind::integer, .integer = value});
  }
  void push_big_integer(std::string_view bytes);
  void push_text(std::string_view value) {
    push({.kind = PickledData::Kind::text, .text = std::string{value}});
  }

  // A text of Python 2 may be text or bytes.
  void push_string(std::string_view value) {
    push({.kind = is_utf8(value) ? PickledData::Kind::text : PickledData::Kind::bytes,
          .text = std::string{value}});
  }

  void push_unicode(std::string_view value) {
    if (!is_utf8(value)) refuse_pickle("a text is no valid UTF-8");
    push_text(value);
  }

  // Things below a mark belong to an outer construction.
  std::size_t pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back()))
      refuse_pickle("it takes more from the stack than there is");
    const std::size_t id = stack_.back();
    stack_.pop_back();
    return id;
  }

  std::size_t top() {
    const std::size_t id = pop();
    stack_.push_back(id);
    return id;
  }

  std::vector<std::size_t> pop_marked() {
    if (marks_.empty()) refuse_pickle("it asks for a mark where there is none");
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<std::size_t> items{from, stack_.end()};
    stack_.erase(from, stack_.end());
    marks_.pop_back();
    return items;
  }

  std::vector<std::size_t> pop_last(std::size_t count) {
    std::vector<std::size_t> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  PickledData::Object& container_on_top(PickledData::Kind kind, const char* name) {
    PickledData::Object& target = object(top());
    if (target.kind != kind)
      refuse_pickle(fmt::format("expected {} to add to, found another thing", name));
    return target;
  }

  void add_items(const std::vector<std::size_t>& items) {
    PickledData::Object& list = container_on_top(PickledData::Kind::list, "a list");
    list.items.insert(list.items.end(), items.begin(), items.end());
  }

  void add_pairs(const std::vector<std::size_t>& pairs) {
    if (pairs.size() % 2 != 0) refuse_pickle("a dictionary has a key without a value");
    PickledData::Object& dictionary =
        container_on_top(PickledData::Kind::dictionary, "a dictionary");
    dictionary.items.insert(dictionary.items.end(), pairs.begin(), pairs.end());
  }

  void remember(std::uint64_t place) {
    if (memo_.size() >= kMaxMemo)
      refuse_pickle(fmt::format("more than {} things remembered", kMaxMemo));
    memo_[place] = top();
  }

  void recall(std::uint64_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end())
      refuse_pickle(fmt::format("it recalls number {}, which was never remembered", place));
    push_id(found->second);
  }

  void push_global(std::string_view module, std::string_view name);
  void push_storage();
  void reduce();
  void build();
  void make_tensor(const std::vector<std::size_t>& arguments);
  void make_dictionary(const std::vector<std::size_t>& arguments);
  void make_scalar(const std::vector<std::size_t>& arguments);
  std::vector<std::int64_t> sizes(std::size_t id);
  const PickledData::Object& argument(const std::vector<std::size_t>& arguments, std::size_t index,
                                      PickledData::Kind kind);
  std::vector<std::size_t> arguments(std::size_t id, const char* what);

  ByteReader<OnPickleEnd> reader_;
  PickledData data_;
  std::vector<std::size_t> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, std::size_t> memo_;
  std::unordered_map<std::string, std::size_t> storage_by_key_;
  std::size_t copied_ = 0;
};

}  // namespace comfy::formats
