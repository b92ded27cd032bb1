// SPDX-License-Identifier: GPL-3.0-or-later
//
// Encoding two prompts with SD1.5's text encoder, as one picture needs. TIMES is the number of
// samples; --paced: see paced.h.
#include "bench/checkpoint.h"
#include "bench/paced.h"
#include "inference/models/text/clip.h"
#include "inference/tensor/ops.h"

#include <c10/core/InferenceMode.h>

int main(int argc, char** argv) {
  using namespace comfy;
  const c10::InferenceMode no_gradients;
  const auto encoder =
      models::text::build_clip(models::text::kSd1, bench::open_checkpoint().clip.weights());
  return bench::answer({.bench = "text_encode",
                        .name = "sd15_two_prompts",
                        .times = static_cast<int>(bench::setting("TIMES", 5)),
                        .call =
                            [&] {
                              const auto encode = [&](const char* text) {
                                return encoder->encode(encoder->tokenize(text), {}).cond;
                              };
                              return at::cat({encode("a photo of a cat"), encode("blurry")});
                            }},
                       argc, argv);
}
