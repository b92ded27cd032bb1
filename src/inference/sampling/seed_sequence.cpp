// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/seed_sequence.h"

namespace comfy::sampling {

namespace {

/// A multiplicative hash whose constant moves on with every word.
class WordHash {
 public:
  WordHash(std::uint32_t start, std::uint32_t factor) : constant_{start}, factor_{factor} {}
  std::uint32_t operator()(std::uint32_t word) {
    word ^= constant_;
    constant_ *= factor_;
    word *= constant_;
    return word ^ (word >> 16);
  }

 private:
  std::uint32_t constant_;
  std::uint32_t factor_;
};

std::uint32_t mixed(std::uint32_t a, std::uint32_t b) {
  const std::uint32_t word = 0xca01f9ddU * a - 0x4973f715U * b;
  return word ^ (word >> 16);
}

void append_words(std::vector<std::uint32_t>& words, std::uint64_t number) {
  words.push_back(static_cast<std::uint32_t>(number));
  if (number >> 32) words.push_back(static_cast<std::uint32_t>(number >> 32));
}

}  // namespace

std::vector<std::uint32_t> seed_sequence(std::uint64_t entropy,
                                         std::span<const std::uint64_t> spawn_key,
                                         std::size_t pool_size, std::size_t count) {
  std::vector<std::uint32_t> words;
  append_words(words, entropy);
  if (words.size() < pool_size) words.resize(pool_size);  // so that a key never reads as entropy
  for (const std::uint64_t key : spawn_key) append_words(words, key);

  WordHash hash{0x43b0d7e5U, 0x931e8875U};
  std::vector<std::uint32_t> pool(pool_size);
  for (std::size_t i = 0; i < pool_size; ++i) pool[i] = hash(words[i]);
  for (std::size_t from = 0; from < words.size(); ++from) {
    for (std::size_t to = 0; to < pool_size; ++to) {
      if (from == to) continue;
      pool[to] = mixed(pool[to], hash(from < pool_size ? pool[from] : words[from]));
    }
  }

  WordHash output{0x8b51f9ddU, 0x58f38dedU};
  std::vector<std::uint32_t> numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = output(pool[i % pool_size]);
  return numbers;
}

}  // namespace comfy::sampling
