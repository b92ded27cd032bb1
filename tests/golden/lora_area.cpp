// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/lora_area.h"

#include "foundation/base/json.h"
#include "inference/checkpoint/lora.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

namespace comfy::golden {
namespace {

namespace fs = std::filesystem;
using namespace checkpoint;

constexpr std::string_view kInUnet = "expected.unet.diffusion_model.";
constexpr std::string_view kInText = "expected.clip.clip_l.transformer.";

fs::path first_of(const fs::path& recorded, const fs::path& kept) {
  return fs::exists(recorded) ? recorded : kept;
}

/// The two networks that a LoRA changes.
struct Networks {
  explicit Networks(const Weights& checkpoint)
      : unet(checkpoint / "model.diffusion_model"),
        text((checkpoint / "cond_stage_model.transformer").with(Precision{.storage = at::kHalf})) {}
  Weights unet, text;
};

}  // namespace

std::optional<Outcome> run_lora(const fs::path& file) {
  const Case recorded = Case::load(file);
  const Json& info = recorded.info();
  const fs::path golden = file.parent_path().parent_path();
  const fs::path name = fs::path{info.at("lora").as_string()};
  const Networks before{Weights{open_source(first_of(golden / info.at("checkpoint").as_string(),
                                                     file.parent_path() / "base.safetensors"))}};
  LoraKeys keys = unet_lora_keys(before.unet);
  keys.add(text_encoder_lora_keys(before.text, LoraEncoder::clip_l));
  const Lora lora = load_lora(
      open_source(first_of(golden / name, file.parent_path() / "loras" / name.filename())), keys);
  if (!lora.unused.empty()) return Outcome::failed("unused: " + lora.unused.front());
  const Weights unet = with_lora(before.unet, lora, info.at("strength_model").as_double());
  const Weights text = with_lora(before.text, lora, info.at("strength_clip").as_double());
  Outcome outcome;
  for (const std::string& key : recorded.names("expected.")) {
    const bool is_text = key.starts_with(kInText);
    const std::string inner = key.substr(is_text ? kInText.size() : kInUnet.size());
    const Tensor found = is_text ? text[inner] : unet[inner];
    // The encoder's weights are float16: half an ulp is 2^-11 of the largest value.
    outcome.add(key, compare(recorded[key], found, is_text ? 1.0 / 1024 : 1e-6));
    if (at::equal((is_text ? before.text : before.unet)[inner], found))
      outcome.add(key, {false, 0, "expected a change, found none"});
  }
  if (!unet.misfits().empty()) outcome.add("network", {false, 0, "patches that do not fit"});
  return outcome;
}

}  // namespace comfy::golden
