// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/clock.h"

#include "foundation/base/cancellation.h"
#include "foundation/base/error.h"
#include "foundation/base/rate_limit.h"

#include <gtest/gtest.h>

namespace comfy {
namespace {

using std::chrono_literals::operator""ms;

TEST(ManualClock, KeepsItsMonotonicTimeWhenTheWallJumps) {
  ManualClock clock;
  const auto before = clock.monotonic();
  clock.shift_wall(-5000ms);
  clock.advance(10ms);
  EXPECT_EQ(clock.monotonic() - before, 10ms);
}

TEST(Cancellation, IsSharedByCopiesAndThrowsInterrupted) {
  const Cancellation token;
  const Cancellation copy = token;
  EXPECT_NO_THROW(copy.check());
  token.cancel();
  try {
    copy.check();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::interrupted);
  }
}

TEST(RateLimit, LetsABurstPassAndThenAtItsPace) {
  ManualClock clock;
  RateLimit limit{2, 10};
  EXPECT_TRUE(limit.pass(clock.monotonic()));
  EXPECT_TRUE(limit.pass(clock.monotonic()));
  EXPECT_FALSE(limit.pass(clock.monotonic()));
  clock.advance(std::chrono::milliseconds{100});
  EXPECT_TRUE(limit.pass(clock.monotonic()));
  EXPECT_FALSE(limit.pass(clock.monotonic()));
}

}  // namespace
}  // namespace comfy
