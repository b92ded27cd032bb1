// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/formats/pickle.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "foundation/formats/pickle_machine.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <string_view>

namespace comfy::formats {
namespace {

using Kind = PickledData::Kind;

template <class Number>
Number parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    refuse_pickle(fmt::format("expected a number, found \"{}\"", text.substr(0, 40)));
  }
  return value;
}

}  // namespace

void refuse_pickle(std::string message) {
  throw Error(Error::Kind::invalid_input, "pickle: " + std::move(message));
}

void PickleMachine::push_big_integer(std::string_view bytes) {
  if (bytes.size() > 8) {
    push({.kind = Kind::integer, .text = std::string{bytes}});
    return;
  }
  // Two's complement, the sign in the last byte.
  std::uint64_t value = !bytes.empty() && (bytes.back() & 0x80) != 0 ? ~std::uint64_t{0} : 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  push_integer(static_cast<std::int64_t>(value));
}

bool PickleMachine::number(std::uint8_t code) {
  switch (code) {
    case 'N':
      push({});
      return true;
    case 0x88:
      push({.kind = Kind::boolean, .integer = 1});
      return true;
    case 0x89:
      push({.kind = Kind::boolean, .integer = 0});
      return true;
    case 'J':
      push_integer(reader_.number<std::int32_t>());
      return true;
    case 'K':
      push_integer(reader_.number<std::uint8_t>());
      return true;
    case 'M':
      push_integer(reader_.number<std::uint16_t>());
      return true;
    case 0x8a:
      push_big_integer(reader_.text(reader_.number<std::uint8_t>()));
      return true;
    case 0x8b:
      push_big_integer(reader_.text(reader_.number<std::uint32_t>()));
      return true;
    case 'I': {
      const std::string_view line = reader_.line();
      if (line == "00" || line == "01") {
        push({.kind = Kind::boolean, .integer = line == "01"});
      } else {
        push_integer(parse_number<std::int64_t>(line));
      }
      return true;
    }
    case 'L': {
      std::string_view line = reader_.line();
      if (line.ends_with('L')) line.remove_suffix(1);
      push_integer(parse_number<std::int64_t>(line));
      return true;
    }
    case 'F':
      push({.kind = Kind::number, .number = parse_number<double>(reader_.line())});
      return true;
    case 'G': {
      auto bits = reader_.number<std::uint64_t>();
      bits = __builtin_bswap64(bits);  // the one number that a pickle writes from the top
      push({.kind = Kind::number, .number = std::bit_cast<double>(bits)});
      return true;
    }
    default:
      return false;
  }
}

bool PickleMachine::text(std::uint8_t code) {
  switch (code) {
    case 'S': {
      std::string_view line = reader_.line();
      if (line.size() < 2 || (line.front() != '\'' && line.front() != '"') ||
          line.front() != line.back() || line.find('\\') != std::string_view::npos) {
        refuse_pickle("expected a plain quoted text");
      }
      push_string(line.substr(1, line.size() - 2));
      return true;
    }
    case 'T':
      push_string(reader_.text(reader_.number<std::uint32_t>()));
      return true;
    case 'U':
      push_string(reader_.text(reader_.number<std::uint8_t>()));
      return true;
    case 'V': {
      const std::string_view line = reader_.line();
      if (line.find('\\') != std::string_view::npos)
        refuse_pickle("escapes in a text of protocol 0 are not read");
      push_unicode(line);
      return true;
    }
    case 'X':
      push_unicode(reader_.text(reader_.number<std::uint32_t>()));
      return true;
    case 0x8c:
      push_unicode(reader_.text(reader_.number<std::uint8_t>()));
      return true;
    case 0x8d:
      push_unicode(reader_.text(reader_.number<std::uint64_t>()));
      return true;
    case 'B':
      push({.kind = Kind::bytes,
            .text = std::string{reader_.text(reader_.number<std::uint32_t>())}});
      return true;
    case 'C':
      push(
          {.kind = Kind::bytes, .text = std::string{reader_.text(reader_.number<std::uint8_t>())}});
      return true;
    case 0x8e:
      push({.kind = Kind::bytes,
            .text = std::string{reader_.text(reader_.number<std::uint64_t>())}});
      return true;
    default:
      return false;
  }
}

bool PickleMachine::container(std::uint8_t code) {
  switch (code) {
    case '(':
      if (marks_.size() >= kMaxStack) refuse_pickle(fmt::format("more than {} marks", kMaxStack));
      marks_.push_back(stack_.size());
      return true;
    case '0':
      pop();
      return true;
    case '1':
      pop_marked();
      return true;
    case '2':
      push_id(top());
      return true;
    case ']':
    case ')':
      push({.kind = Kind::list});
      return true;
    case '}':
      push({.kind = Kind::dictionary});
      return true;
    case 'l':
    case 't':
      push({.kind = Kind::list, .items = pop_marked()});
      return true;
    case 0x85:
      push({.kind = Kind::list, .items = pop_last(1)});
      return true;
    case 0x86:
      push({.kind = Kind::list, .items = pop_last(2)});
      return true;
    case 0x87:
      push({.kind = Kind::list, .items = pop_last(3)});
      return true;
    case 'a':
      add_items(pop_last(1));
      return true;
    case 'e':
      add_items(pop_marked());
      return true;
    case 's':
      add_pairs(pop_last(2));
      return true;
    case 'u':
      add_pairs(pop_marked());
      return true;
    case 'd': {
      const std::vector<std::size_t> pairs = pop_marked();
      push({.kind = Kind::dictionary});
      add_pairs(pairs);
      return true;
    }
    default:
      return false;
  }
}

bool PickleMachine::memory(std::uint8_t code) {
  switch (code) {
    case 0x80: {
      const auto protocol = reader_.number<std::uint8_t>();
      if (protocol > 5)
        refuse_pickle(fmt::format("expected a protocol up to 5, found {}", protocol));
      return true;
    }
    case 0x95:
      reader_.number<std::uint64_t>();
      return true;  // a hint on the next bytes' extent
    case 'p':
      remember(parse_number<std::uint64_t>(reader_.line()));
      return true;
    case 'q':
      remember(reader_.number<std::uint8_t>());
      return true;
    case 'r':
      remember(reader_.number<std::uint32_t>());
      return true;
    case 0x94:
      remember(memo_.size());
      return true;
    case 'g':
      recall(parse_number<std::uint64_t>(reader_.line()));
      return true;
    case 'h':
      recall(reader_.number<std::uint8_t>());
      return true;
    case 'j':
      recall(reader_.number<std::uint32_t>());
      return true;
    default:
      return false;
  }
}

bool PickleMachine::call(std::uint8_t code) {
  switch (code) {
    case 'c': {
      const std::string_view module = reader_.line();
      push_global(module, reader_.line());
      return true;
    }
    case 0x93: {
      const std::vector<std::size_t> names = pop_last(2);
      const std::string module = argument(names, 0, Kind::text).text;
      const std::string name = argument(names, 1, Kind::text).text;
      push_global(module, name);
      return true;
    }
    case 'Q':
      push_storage();
      return true;
    case 'R':
      reduce();
      return true;
    case 'b':
      build();
      return true;
    default:
      return false;
  }
}

void PickleMachine::refuse_code(std::uint8_t code) const {
  switch (code) {
    case 'i':
    case 'o':
    case 0x81:
    case 0x92:
      refuse_pickle("it wants to make an object, expected data only");
    case 0x82:
    case 0x83:
    case 0x84:
      refuse_pickle("it uses an extension code, expected data only");
    case 'P':
      refuse_pickle("it uses a persistent id as a text, expected a storage record");
    case 0x8f:
    case 0x90:
    case 0x91:
      refuse_pickle("it holds a set, expected lists, dictionaries, numbers, texts and tensors");
    default:
      refuse_pickle(
          fmt::format("unknown instruction 0x{:02x} at byte {}", code, reader_.position() - 1));
  }
}

PickledData read_pickle(std::span<const std::byte> bytes) { return PickleMachine{bytes}.run(); }

}  // namespace comfy::formats
