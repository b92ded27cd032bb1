// SPDX-License-Identifier: GPL-3.0-or-later
// How long a comparison takes must not tell how much of a guess was right. Time is a poor witness
// on a busy machine, so what is counted is the instructions.
#include "foundation/base/hash.h"
#include "frontend/access/key_file.h"

#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <vector>

namespace comfy::access {
namespace {

/// The instructions that `work` takes, with a constant number around it; -1 when they cannot be
/// counted.
template <class Work>
long steps_of(Work work) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    work();
    ::raise(SIGSTOP);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  long steps = -1;
  if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP) {
    for (steps = 0;; ++steps) {
      if (::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0) break;
      ::waitpid(child, &status, 0);
      if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) break;
    }
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return steps;
}

/// Guesses that agree with `right` up to a byte and then no more.
std::vector<Digest> guesses(const Digest& right) {
  std::vector<Digest> all;
  for (std::size_t first_wrong = 0; first_wrong < right.size(); ++first_wrong) {
    Digest guess = right;
    for (std::size_t i = first_wrong; i < guess.size(); ++i) guess[i] ^= std::byte{0x5A};
    all.push_back(guess);
  }
  Digest last_bit = right;
  last_bit.back() ^= std::byte{1};
  all.push_back(last_bit);
  return all;
}

bool equal_until_the_first_difference(const Digest& a, const Digest& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

TEST(Comparing, IsSeenToTakeLongerTheMoreIsRightWhereItStopsEarly) {
  const Digest right = sha256("key");
  std::set<long> steps;
  for (const Digest& guess : guesses(right)) {
    steps.insert(steps_of([&] {
      volatile bool same = equal_until_the_first_difference(right, guess);
      static_cast<void>(same);
    }));
  }
  EXPECT_GE(steps.size(), 32u) << "what this file counts with must tell these apart";
}

TEST(Comparing, AKeyTakesTheSameInstructionsHoweverMuchOfItIsRight) {
  const KeyRing keys{{{.name = "ann", .role = Role::read, .hash = sha256("first")},
                      {.name = "bob", .role = Role::read, .hash = sha256("second")},
                      {.name = "eve", .role = Role::admin, .hash = sha256("third")}}};
  std::set<long> steps;
  for (const char* key : {"first", "second", "third"}) {
    for (const Digest& guess : guesses(sha256(key))) {
      ASSERT_EQ(keys.find(guess), nullptr);
      steps.insert(steps_of([&] { keys.find(guess); }));
    }
  }
  EXPECT_EQ(steps.size(), 1u);
  EXPECT_GT(*steps.begin(), 100) << "of three comparisons of 32 bytes";
}

}  // namespace
}  // namespace comfy::access
