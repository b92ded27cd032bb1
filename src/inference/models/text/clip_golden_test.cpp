// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/text_areas.h"

#include <gtest/gtest.h>

namespace comfy::models::text {
namespace {

class RecordedClip : public testing::TestWithParam<const char*> {};

TEST_P(RecordedClip, AgreesWithTheReference) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  if (!golden::have_vocabulary()) GTEST_SKIP() << "no vocabulary";
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator{*shared / "golden/clip"}) {
    if (!entry.path().stem().string().starts_with(GetParam())) continue;
    const auto outcome = golden::run_clip(entry.path());
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->verdict, golden::Verdict::passed)
        << entry.path() << ": " << outcome->message;
    ++count;
  }
  EXPECT_GT(count, 0);
}

INSTANTIATE_TEST_SUITE_P(Clip, RecordedClip,
                         testing::Values("sd1_p", "sd2_p", "sdxl_p", "sdxl_refiner_p",
                                         "cascade_p"));

}  // namespace
}  // namespace comfy::models::text
