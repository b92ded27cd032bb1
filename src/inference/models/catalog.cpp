// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "inference/models/architecture.h"
#include "inference/models/text/clip.h"
#include "inference/models/unet/architectures.h"

#include <fmt/format.h>

namespace comfy::models {

const std::vector<const Architecture*>& catalogue() {
  static const std::vector<const Architecture*> kCatalogue{
      &unet::kSd15, &unet::kSd15InstructPix2Pix, &unet::kSd20,        &unet::kSd21Unclip,
      &unet::kSdxl, &unet::kSdxlInstructPix2Pix, &unet::kSdxlRefiner, &unet::kSdX4Upscaler,
      &unet::kSvd};
  return kCatalogue;
}

const Architecture* detect_architecture(const Weights& network) {
  const Architecture* found = nullptr;
  for (const Architecture* candidate : catalogue()) {
    if (!candidate->detect(network)) continue;
    if (found != nullptr) {
      throw Error(Error::Kind::internal,
                  fmt::format("one model family expected for \"{}\", got two: {} and {}",
                              network.scope(), found->name, candidate->name));
    }
    found = candidate;
  }
  return found;
}

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture* candidate : catalogue()) {
    if (candidate->name == name) return candidate;
  }
  return nullptr;
}

const text::ClipModel& clip_model(TextFamily family) {
  switch (family) {
    case TextFamily::sd1:
      return text::kSd1;
    case TextFamily::sd2:
      return text::kSd2;
    case TextFamily::sdxl:
      return text::kSdxl;
    case TextFamily::sdxl_refiner:
      return text::kSdxlRefiner;
    case TextFamily::none:
      break;
  }
  throw Error(Error::Kind::unsupported, "this model family has no text encoder");
}

}  // namespace comfy::models
