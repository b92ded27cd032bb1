// SPDX-License-Identifier: GPL-3.0-or-later
// Gives many inputs to one reader: read_many READER <INPUTS. READER is "safetensors" or the name of
// a target; an input is its length in 8 bytes, little-endian, and its bytes. Writes a line for
// each: "taken", or "refused: " and why ("read" for a target, which does not tell).
#include "foundation/base/error.h"
#include "foundation/formats/safetensors.h"
#include "targets.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace {

std::optional<std::string> next_input() {
  std::uint64_t length = 0;
  if (!std::cin.read(reinterpret_cast<char*>(&length), sizeof length)) return {};
  std::string input(length, '\0');
  if (!std::cin.read(input.data(), static_cast<std::streamsize>(length))) return {};
  return input;
}

std::string read_safetensors(const std::string& input) {
  try {
    comfy::formats::read_safetensors(std::as_bytes(std::span{input}));
    return "taken";
  } catch (const comfy::Error& error) {
    std::string message = "refused: " + error.message;
    std::ranges::replace(message, '\n', ' ');
    return message;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view reader = argc == 2 ? argv[1] : "";
  const auto targets = comfy::fuzz::targets();
  const auto target = std::ranges::find(targets, reader, &comfy::fuzz::Target::name);
  if (reader != "safetensors" && target == targets.end()) {
    fmt::print(stderr, "usage: read_many safetensors|TARGET <INPUTS\n");
    return 2;
  }
  while (const auto input = next_input()) {
    if (target == targets.end()) {
      fmt::print("{}\n", read_safetensors(*input));
    } else {
      target->run(*input);
      fmt::print("read\n");
    }
  }
}
