// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/rabbitmq/complaints.h"

#include "foundation/base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace comfy::link {
namespace {

using namespace std::chrono_literals;

/// The lines of the log as long as it lives.
class Lines {
 public:
  Lines() {
    set_log_listener([this](std::string_view line) { lines_.emplace_back(line); });
  }
  ~Lines() { set_log_listener({}); }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  std::size_t count() const { return lines_.size(); }
  const std::string& last() const { return lines_.back(); }

 private:
  std::vector<std::string> lines_;
};

TEST(Complaints, AreMadeAtOnceAndThenOnceAMinute) {
  ManualClock clock;
  const Lines lines;
  Complaints complaints{"worker-1", "amqp://broker:5672/", clock};
  for (int second = 0; second < 180; ++second) {
    // Two connections try.
    complaints.trouble("connection refused");
    complaints.trouble("connection refused");
    clock.advance(1s);
  }
  EXPECT_EQ(lines.count(), 3U);
  EXPECT_NE(lines.last().find("worker-1 has no connection to amqp://broker:5672/ and keeps trying: "
                              "connection refused"),
            std::string::npos);
}

TEST(Complaints, AreMadeAtOnceWhenAConnectionHadLasted) {
  ManualClock clock;
  const Lines lines;
  Complaints complaints{"worker-1", "amqp://broker:5672/", clock};
  complaints.trouble("refused");
  complaints.well();
  clock.advance(15s);
  complaints.trouble("reset");
  EXPECT_EQ(lines.count(), 2U);
}

TEST(Complaints, AreNotRepeatedForAConnectionThatComesAndGoes) {
  ManualClock clock;
  const Lines lines;
  Complaints complaints{"worker-1", "amqp://broker:5672/", clock};
  for (int second = 0; second < 60; ++second) {
    complaints.well();
    complaints.trouble("a queue is gone");
    clock.advance(1s);
  }
  EXPECT_EQ(lines.count(), 1U);
}

}  // namespace
}  // namespace comfy::link
