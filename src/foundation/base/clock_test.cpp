// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/clock.h"

#include "foundation/base/cancellation.h"
#include "foundation/base/error.h"

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

}  // namespace
}  // namespace comfy
