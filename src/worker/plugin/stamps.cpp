// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/plugin/stamps.h"

#include <fmt/format.h>

#include <cstring>

namespace comfy::plugin {
namespace {

/// Text of a fixed field that may lack its end.
template <std::size_t N>
std::string_view text(const char (&field)[N]) {
  return {field, strnlen(field, N)};
}

std::string different(std::string_view what, const auto& theirs, const auto& ours) {
  return fmt::format("it was built for {} {}, this program for {}", what, theirs, ours);
}

}  // namespace

std::vector<Stamp> stamps_in(std::string_view bytes) {
  const Stamp ours = stamp_of_this_build();
  const std::string_view mark{ours.mark, sizeof ours.mark};
  std::vector<Stamp> stamps;
  for (std::size_t at = bytes.find(mark); at != std::string_view::npos;
       at = bytes.find(mark, at + mark.size())) {
    if (bytes.size() - at < sizeof(Stamp)) break;
    std::memcpy(&stamps.emplace_back(), bytes.data() + at, sizeof(Stamp));
  }
  return stamps;
}

std::string misfit(const Stamp& theirs, const Stamp& ours) {
  if (theirs.number != ours.number)
    return different("plug-in interface", theirs.number, ours.number);
  if (text(theirs.compiler) != text(ours.compiler))
    return different("compiler", text(theirs.compiler), text(ours.compiler));
  if (theirs.standard_library != ours.standard_library || theirs.string_abi != ours.string_abi)
    return different("standard library",
                     fmt::format("{}/{}", theirs.standard_library, theirs.string_abi),
                     fmt::format("{}/{}", ours.standard_library, ours.string_abi));
  if (text(theirs.torch) != text(ours.torch))
    return different("libtorch", text(theirs.torch), text(ours.torch));
  if (theirs.layout != ours.layout)
    return different("data layout", fmt::format("{:08x}", theirs.layout),
                     fmt::format("{:08x}", ours.layout));
  return {};
}

}  // namespace comfy::plugin
