// SPDX-License-Identifier: GPL-3.0-or-later
//
// One guided step of the SD1.5 network: both conditions in one batch, float32. SIDE is the latent's
// side (64 = a picture of 512 pixels), CONTEXT the width of the text encoding, TIMES the number of
// samples;
// --paced: see paced.h.
#include "bench/checkpoint.h"
#include "bench/paced.h"
#include "inference/tensor/ops.h"
#include "inference/tensor/random.h"

#include <c10/core/InferenceMode.h>

int main(int argc, char** argv) {
  using namespace comfy;
  const c10::InferenceMode no_gradients;
  const std::int64_t side = bench::setting("SIDE", 64);
  const auto network = bench::open_checkpoint().model.build();
  tensor::Generator generator(1);
  const models::DiffusionCall call{
      .x = generator.randn({2, 4, side, side}),
      .timestep = at::full({2}, 500.0),
      .context = generator.randn({2, 77, bench::setting("CONTEXT", 768)})};
  return bench::answer({.bench = "unet_step",
                        .name = fmt::format("sd15_{}_b2_f32", side * 8),
                        .times = static_cast<int>(bench::setting("TIMES", 5)),
                        .call = [&] { return (*network)(call); }},
                       argc, argv);
}
