// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/file_descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace comfy {
namespace {

bool is_open(int number) { return ::fcntl(number, F_GETFD) >= 0; }

TEST(FileDescriptor, ClosesWhatItOwnsAndNothingItGaveAway) {
  int number = -1;
  {
    FileDescriptor owner{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    number = owner.get();
    ASSERT_TRUE(is_open(number));
    FileDescriptor moved{std::move(owner)};
    EXPECT_FALSE(owner);  // NOLINT(bugprone-use-after-move): the moved-from state is the test
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));

  FileDescriptor giver{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  FileDescriptor taker{giver.release()};
  giver.reset();
  EXPECT_TRUE(is_open(taker.get()));
}

}  // namespace
}  // namespace comfy
