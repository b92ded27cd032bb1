// SPDX-License-Identifier: GPL-3.0-or-later
// Every input that was ever of interest goes through its target again, and so do small changes of
// it. Searching for new ones is the business of libFuzzer (tools/fuzz.sh).
#include "foundation/base/random.h"
#include "targets.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace comfy::fuzz {
namespace {

std::vector<std::string> corpus_of(const Target& target) {
  std::vector<std::string> inputs;
  const std::filesystem::path folder =
      std::filesystem::path{"tests/fuzz/corpus"} / std::string{target.name};
  for (const auto& entry : std::filesystem::directory_iterator{folder}) {
    std::ifstream file{entry.path(), std::ios::binary};
    inputs.emplace_back(std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{});
  }
  return inputs;
}

/// One change: a byte replaced, a piece removed, repeated or taken from another input.
std::string changed(std::string input, const std::string& other, SeededRandom& random) {
  const std::size_t at = input.empty() ? 0 : random.next() % input.size();
  const std::size_t length = 1 + random.next() % 16;
  switch (random.next() % 5) {
    case 0:
      if (!input.empty()) input[at] = static_cast<char>(random.next());
      break;
    case 1:
      input.erase(at, length);
      break;
    case 2:
      input.insert(at, input.substr(at, length));
      break;
    case 3:
      input.resize(at);
      break;
    default:
      input.insert(at, other.substr(other.empty() ? 0 : random.next() % other.size(), length));
  }
  return input;
}

class Replay : public testing::TestWithParam<Target> {};

TEST_P(Replay, TakesEveryKnownInputAndSmallChangesOfIt) {
  const std::vector<std::string> inputs = corpus_of(GetParam());
  ASSERT_GE(inputs.size(), 5u);
  // Other changes with --gtest_shuffle, so that --gtest_repeat goes on looking.
  const int seed = testing::UnitTest::GetInstance()->random_seed();
  SeededRandom random{20'260'101 + static_cast<std::uint64_t>(seed)};
  for (const std::string& input : inputs) {
    GetParam().run(input);
    for (int i = 0; i < GetParam().changes; ++i) {
      GetParam().run(changed(input, inputs[random.next() % inputs.size()], random));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Replay, testing::ValuesIn(targets().begin(), targets().end()),
                         [](const auto& one) { return std::string{one.param.name}; });

}  // namespace
}  // namespace comfy::fuzz
