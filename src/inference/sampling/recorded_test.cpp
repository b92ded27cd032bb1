// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/sampling_areas.h"

#include <gtest/gtest.h>

#include <cctype>

namespace comfy::sampling {
namespace {

/// One recorded case: the code that runs it and its file.
struct Recorded {
  std::optional<golden::Outcome> (*run)(const std::filesystem::path&);
  std::filesystem::path file;
};

void PrintTo(const Recorded& recorded, std::ostream* out) { *out << recorded.file; }

std::vector<Recorded> cases(const std::string& area, decltype(Recorded::run) run) {
  std::vector<Recorded> all;
  for (const auto& file : golden::recorded_cases(area)) all.push_back({run, file});
  return all;
}

std::string test_name(const testing::TestParamInfo<Recorded>& row) {
  std::string name = row.param.file.stem().string();
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

class RecordedCase : public testing::TestWithParam<Recorded> {};

TEST_P(RecordedCase, Agrees) {
  const auto outcome = GetParam().run(GetParam().file);
  if (!outcome) GTEST_SKIP() << "no case of this build";
  if (outcome->verdict == golden::Verdict::not_yet) GTEST_SKIP() << outcome->message;
  EXPECT_EQ(outcome->verdict, golden::Verdict::passed) << outcome->message;
}

INSTANTIATE_TEST_SUITE_P(Noise, RecordedCase, testing::ValuesIn(cases("noise", golden::run_noise)),
                         test_name);
INSTANTIATE_TEST_SUITE_P(Schedules, RecordedCase,
                         testing::ValuesIn(cases("schedules", golden::run_schedules)), test_name);
INSTANTIATE_TEST_SUITE_P(Samplers, RecordedCase,
                         testing::ValuesIn(cases("samplers", golden::run_samplers)), test_name);

}  // namespace
}  // namespace comfy::sampling
