// SPDX-License-Identifier: GPL-3.0-or-later
//
// Decoding one latent of SD1.5 to a picture, float32. SIDE is the latent's side, TIMES the number
// of samples.
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
  const auto autoencoder = bench::open_checkpoint().vae.build();
  const Tensor latent = tensor::Generator(1).randn({1, 4, side, side});
  const auto seconds = bench::time_calls(static_cast<int>(bench::setting("TIMES", 5)),
                                         [&] { autoencoder->decode(latent); });
  bench::print_result("vae_decode", fmt::format("sd15_{}_f32", side * 8), "s", seconds,
                      Json::Object{{"threads", at::get_num_threads()}});
}
