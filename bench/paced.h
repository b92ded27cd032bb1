// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

#include <functional>
#include <string>

namespace comfy::bench {

/// One measured thing: the same call again and again, on the same inputs.
struct Question {
  std::string bench, name;
  int times = 5;                 ///< samples when nobody paces them
  std::function<Tensor()> call;  ///< its result is what a rival's must agree with
};

/// The main of such a benchmark: one line of results; or, with "--paced", what each line of
/// standard input says, one answer a line: "sample" measures one call, "output FILE" writes the
/// result as raw float32. bench/run lets two programs take turns this way.
int answer(const Question& question, int argc, char** argv);

}  // namespace comfy::bench
