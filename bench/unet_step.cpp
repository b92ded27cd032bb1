// SPDX-License-Identifier: GPL-3.0-or-later
//
// One guided step of the SD1.5 network: both conditions in one batch, float32. SIDE is the latent's
// side (64 = a picture of 512 pixels), TIMES the number of samples.
#include "bench/checkpoint.h"
#include "bench/result.h"
#include "inference/tensor/ops.h"
#include "inference/tensor/random.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

int main() {
  using namespace comfy;
  const c10::InferenceMode no_gradients;
  const std::int64_t side = bench::setting("SIDE", 64);
  const auto network = bench::open_checkpoint().model.build();
  tensor::Generator generator(1);
  const models::DiffusionCall call{.x = generator.randn({2, 4, side, side}),
                                   .timestep = at::full({2}, 500.0),
                                   .context = generator.randn({2, 77, 768})};
  const auto seconds =
      bench::time_calls(static_cast<int>(bench::setting("TIMES", 5)), [&] { (*network)(call); });
  bench::print_result("unet_step", fmt::format("sd15_{}_b2_f32", side * 8), "s", seconds,
                      Json::Object{{"threads", at::get_num_threads()}});
}
