// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/access/attempt_limit.h"

#include <arpa/inet.h>

namespace comfy::access {
namespace {

constexpr std::size_t kMostAddresses = 65'536;

std::string group_of(std::string_view address) {
  std::string text{address.substr(0, address.find('%'))};
  in6_addr parsed{};
  if (::inet_pton(AF_INET6, text.c_str(), &parsed) != 1) return text;
  if (IN6_IS_ADDR_V4MAPPED(&parsed)) return text;
  return {reinterpret_cast<const char*>(&parsed), 8};
}

}  // namespace

bool AttemptLimit::is_spent(std::string_view address, Clock::Monotonic now) {
  const auto found = failures_.find(group_of(address));
  if (found == failures_.end()) return false;
  std::erase_if(found->second, [now](Clock::Monotonic at) { return now - at >= kWindow; });
  const std::size_t recent = found->second.size();
  if (recent == 0) failures_.erase(found);
  return recent >= kMost;
}

void AttemptLimit::fail(std::string_view address, Clock::Monotonic now) {
  if (failures_.size() >= kMostAddresses) forget_old(now);
  // More attackers than this machine can remember: the rest go uncounted rather than the memory.
  if (failures_.size() >= kMostAddresses) return;
  auto& times = failures_[group_of(address)];
  if (times.size() < kMost) times.push_back(now);
}

void AttemptLimit::forget_old(Clock::Monotonic now) {
  std::erase_if(failures_,
                [now](const auto& entry) { return now - entry.second.back() >= kWindow; });
}

}  // namespace comfy::access
