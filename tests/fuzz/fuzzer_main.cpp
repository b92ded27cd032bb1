// SPDX-License-Identifier: GPL-3.0-or-later
// libFuzzer's way in. COMFY_FUZZ_TARGET names the target.
#include "targets.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

const comfy::fuzz::Target& chosen() {
  const char* name = std::getenv("COMFY_FUZZ_TARGET");
  const auto all = comfy::fuzz::targets();
  const auto found = std::ranges::find(all, std::string_view{name == nullptr ? "" : name},
                                       &comfy::fuzz::Target::name);
  if (found != all.end()) return *found;
  std::fprintf(stderr, "COMFY_FUZZ_TARGET must name a target:");
  for (const auto& target : all) std::fprintf(stderr, " %s", std::string{target.name}.c_str());
  std::fprintf(stderr, "\n");
  std::exit(2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const comfy::fuzz::Target& target = chosen();
  target.run({reinterpret_cast<const char*>(data), size});
  return 0;
}
