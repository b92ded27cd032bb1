// SPDX-License-Identifier: GPL-3.0-or-later
//
// Decoding one latent of SD1.5 to a picture, float32. SIDE is the latent's side, TIMES the number
// of samples; --paced: see paced.h.
#include "bench/checkpoint.h"
#include "bench/paced.h"
#include "inference/tensor/ops.h"
#include "inference/tensor/random.h"

#include <c10/core/InferenceMode.h>

int main(int argc, char** argv) {
  using namespace comfy;
  const c10::InferenceMode no_gradients;
  const std::int64_t side = bench::setting("SIDE", 64);
  const auto autoencoder = bench::open_checkpoint().vae.build();
  const Tensor latent = tensor::Generator(1).randn({1, 4, side, side});
  return bench::answer({.bench = "vae_decode",
                        .name = fmt::format("sd15_{}_f32", side * 8),
                        .times = static_cast<int>(bench::setting("TIMES", 5)),
                        .call = [&] { return autoencoder->decode(latent); }},
                       argc, argv);
}
