// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/plugin/stamps.h"

#include <gtest/gtest.h>

#include <cstring>

namespace comfy::plugin {
namespace {

std::string bytes_of(const Stamp& stamp) {
  return {reinterpret_cast<const char*>(&stamp), sizeof stamp};
}

TEST(Stamps, AreFoundWhereverTheyLie) {
  const Stamp ours = stamp_of_this_build();
  EXPECT_TRUE(stamps_in("").empty());
  EXPECT_TRUE(stamps_in("\x7f"
                        "ELF and nothing else")
                  .empty());
  EXPECT_EQ(stamps_in("some" + bytes_of(ours) + "more" + bytes_of(ours)).size(), 2u);
  EXPECT_TRUE(stamps_in(bytes_of(ours).substr(0, sizeof(Stamp) - 1)).empty());
  EXPECT_EQ(misfit(stamps_in("x" + bytes_of(ours)).at(0), ours), "");
}

TEST(Stamps, SayWhatDiffers) {
  const Stamp ours = stamp_of_this_build();
  const auto misfit_with = [&](auto change) {
    Stamp theirs = ours;
    change(theirs);
    return misfit(theirs, ours);
  };
  EXPECT_EQ(misfit_with([](Stamp& stamp) { stamp.number = 99; }),
            "it was built for plug-in interface 99, this program for " +
                std::to_string(kInterfaceNumber));
  EXPECT_EQ(misfit_with([](Stamp& stamp) { std::strcpy(stamp.compiler, "1.2.3"); }),
            "it was built for compiler 1.2.3, this program for " + std::string{ours.compiler});
  EXPECT_EQ(misfit_with([](Stamp& stamp) { std::strcpy(stamp.torch, "1.13.0"); }),
            "it was built for libtorch 1.13.0, this program for " + std::string{ours.torch});
  EXPECT_NE(misfit_with([](Stamp& stamp) { stamp.standard_library = 1; }).find("standard library"),
            std::string::npos);
  EXPECT_NE(misfit_with([](Stamp& stamp) { stamp.string_abi = 0; }).find("standard library"),
            std::string::npos);
  EXPECT_NE(misfit_with([](Stamp& stamp) { ++stamp.layout; }).find("data layout"),
            std::string::npos);
  // A field without an end is read no further than it goes.
  EXPECT_NE(misfit_with([](Stamp& stamp) { std::memset(stamp.torch, 'x', sizeof stamp.torch); }),
            "");
}

}  // namespace
}  // namespace comfy::plugin
