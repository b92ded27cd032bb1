// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/rabbitmq/complaints.h"

#include "foundation/link/log.h"

#include <utility>

namespace comfy::link {
namespace {

using namespace std::chrono_literals;

constexpr auto kEvery = 60s;
constexpr auto kSteady = 10s;

}  // namespace

Complaints::Complaints(std::string name, std::string address, const Clock& clock)
    : name_{std::move(name)}, address_{std::move(address)}, clock_{clock} {}

void Complaints::trouble(const std::string& reason) {
  {
    const std::lock_guard lock{mutex_};
    const auto now = clock_.monotonic();
    const auto well_since = std::exchange(well_since_, {});
    const bool is_new = well_since && now - *well_since >= kSteady;
    if (said_ && !is_new && now - *said_ < kEvery) return;
    said_ = now;
  }
  log.warn("{} has no connection to {} and keeps trying: {}", name_, address_, reason);
}

void Complaints::well() {
  const std::lock_guard lock{mutex_};
  well_since_ = clock_.monotonic();
}

}  // namespace comfy::link
