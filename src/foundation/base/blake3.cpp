// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/blake3.h"

#include <algorithm>
#include <bit>
#include <vector>

namespace comfy {
namespace {

using Words8 = std::array<std::uint32_t, 8>;
using Words16 = std::array<std::uint32_t, 16>;

constexpr std::size_t kBlock = 64;
constexpr std::size_t kChunk = 1024;
constexpr std::uint32_t kChunkStart = 1, kChunkEnd = 2, kParent = 4, kRoot = 8;
constexpr Words8 kInitial{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
constexpr std::array<std::size_t, 16> kOrder{2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};

/// Mixes two words of the message into a column or a diagonal of the state.
void mix(Words16& v, const std::array<std::size_t, 4>& at, std::uint32_t x, std::uint32_t y) {
  const auto [a, b, c, d] = at;
  v[a] += v[b] + x;
  v[d] = std::rotr(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = std::rotr(v[b] ^ v[c], 12);
  v[a] += v[b] + y;
  v[d] = std::rotr(v[d] ^ v[a], 8);
  v[c] += v[d];
  v[b] = std::rotr(v[b] ^ v[c], 7);
}

void round(Words16& v, const Words16& message) {
  for (std::size_t i = 0; i < 4; ++i)
    mix(v, {i, 4 + i, 8 + i, 12 + i}, message[2 * i], message[2 * i + 1]);
  for (std::size_t i = 0; i < 4; ++i)
    mix(v, {i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4}, message[8 + 2 * i],
        message[9 + 2 * i]);
}

/// What is still to be compressed: the result depends on whether it is the root of the tree.
struct Node {
  Words8 chain;
  Words16 message{};
  std::uint64_t counter = 0;
  std::uint32_t size = kBlock;
  std::uint32_t flags = 0;

  Words8 compress(std::uint32_t more_flags = 0) const {
    Words16 v{};
    std::copy(chain.begin(), chain.end(), v.begin());
    std::copy(kInitial.begin(), kInitial.begin() + 4, v.begin() + 8);
    v[12] = static_cast<std::uint32_t>(counter);
    v[13] = static_cast<std::uint32_t>(counter >> 32);
    v[14] = size;
    v[15] = flags | more_flags;
    Words16 words = message;
    for (int i = 0; i < 7; ++i) {
      if (i > 0) {
        Words16 moved;
        for (std::size_t k = 0; k < 16; ++k) moved[k] = words[kOrder[k]];
        words = moved;
      }
      round(v, words);
    }
    Words8 out;
    for (std::size_t i = 0; i < 8; ++i) out[i] = v[i] ^ v[i + 8];
    return out;
  }
};

Words16 words_of(std::string_view block) {
  Words16 words{};
  for (std::size_t i = 0; i < block.size(); ++i)
    words[i / 4] |= std::uint32_t{static_cast<unsigned char>(block[i])} << (8 * (i % 4));
  return words;
}

/// A chunk of up to 1,024 bytes, but for its last block's compression.
Node chunk(std::string_view bytes, std::uint64_t index) {
  Node node{.chain = kInitial, .counter = index, .flags = kChunkStart};
  while (bytes.size() > kBlock) {
    node.message = words_of(bytes.substr(0, kBlock));
    node.chain = node.compress();
    node.flags = 0;
    bytes.remove_prefix(kBlock);
  }
  node.message = words_of(bytes);
  node.size = static_cast<std::uint32_t>(bytes.size());
  node.flags |= kChunkEnd;
  return node;
}

Node parent(const Words8& left, const Words8& right) {
  Node node{.chain = kInitial, .flags = kParent};
  std::copy(left.begin(), left.end(), node.message.begin());
  std::copy(right.begin(), right.end(), node.message.begin() + 8);
  return node;
}

}  // namespace

Digest blake3(std::string_view bytes) {
  std::vector<Words8> complete;  // roots of whole subtrees, the largest first
  std::uint64_t index = 0;
  for (; bytes.size() > kChunk; bytes.remove_prefix(kChunk)) {
    Words8 value = chunk(bytes.substr(0, kChunk), index++).compress();
    for (std::uint64_t count = index; count % 2 == 0; count /= 2) {
      value = parent(complete.back(), value).compress();
      complete.pop_back();
    }
    complete.push_back(value);
  }
  Node root = chunk(bytes, index);
  for (; !complete.empty(); complete.pop_back()) root = parent(complete.back(), root.compress());
  const Words8 words = root.compress(kRoot);
  Digest digest;
  for (std::size_t i = 0; i < digest.size(); ++i)
    digest[i] = static_cast<std::byte>(words[i / 4] >> (8 * (i % 4)));
  return digest;
}

}  // namespace comfy
