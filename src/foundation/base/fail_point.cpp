// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/fail_point.h"

#include <unistd.h>

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string>

namespace comfy {
namespace {

struct Plan {
  std::string name;
  int visit = 1;
  bool stop = false;
};

/// True when this process is the one that may die.
bool takes_ticket() {
  const char* ticket = std::getenv("COMFY_FAIL_TICKET");
  return ticket == nullptr || unlink(ticket) == 0;
}

const Plan& plan() {
  static const Plan from_environment = [] {
    const char* text = std::getenv("COMFY_FAIL_AT");
    Plan made;
    if (text == nullptr) return made;
    const std::string all{text};
    const std::size_t colon = all.find(':');
    made.name = all.substr(0, colon);
    if (colon == std::string::npos) return made;
    const std::string rest = all.substr(colon + 1);
    made.stop = rest == "stop";
    std::from_chars(rest.data(), rest.data() + rest.size(), made.visit);
    return made;
  }();
  return from_environment;
}

}  // namespace

void fail_point(std::string_view name) {
  const Plan& wanted = plan();
  if (wanted.name.empty() || wanted.name != name) return;
  static std::atomic<int> visits{0};
  if (++visits != wanted.visit || !takes_ticket()) return;
  if (wanted.stop) {
    raise(SIGSTOP);
    return;
  }
  _exit(137);
}

}  // namespace comfy
