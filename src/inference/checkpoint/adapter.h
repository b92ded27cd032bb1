// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/tensor/tensor.h"

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

namespace comfy::checkpoint {

/// Low-rank adapter: delta = alpha/rank * up * down (LoRA, LoCon; with `mid` in Tucker form).
/// Source: Hu et al. 2021 (arXiv:2106.09685).
struct LowRank {
  Tensor up, down, mid;
  std::optional<double> alpha;
  Tensor dora_scale;
  Shape reshape;  ///< W is padded with zeros to this shape first; empty = not
};

/// LoHa: delta = (w1a * w1b) elementwise-times (w2a * w2b), or their Tucker forms.
/// Source: Hyeon-Woo et al. 2021 (arXiv:2108.06098); names as LyCORIS writes them.
struct Hadamard {
  Tensor w1a, w1b, w2a, w2b, t1, t2;
  std::optional<double> alpha;
  Tensor dora_scale;
};

/// LoKr: delta = kron(w1, w2), each whole or as a product. Source: LyCORIS (arXiv:2309.14859).
struct Kronecker {
  Tensor w1, w2, w1a, w1b, w2a, w2b, t2;
  std::optional<double> alpha;
  Tensor dora_scale;
};

/// GLoRA: delta = W*a1*a2 + b1*b2, or the older orientation W*a2*a1 + b2*b1, told by the ranks.
/// Source: Chavan et al. 2023 (arXiv:2306.07967).
struct Glora {
  Tensor a1, a2, b1, b2;
  std::optional<double> alpha;
  Tensor dora_scale;
};

/// OFT: block-wise rotation of the rows. blocks: [n, b, b].
/// Source: Qiu et al. 2023 (arXiv:2306.07280).
struct Rotation {
  Tensor blocks;
  std::optional<double> alpha;
  Tensor dora_scale;
};

/// BOFT: butterfly rotation of the rows. blocks: [m, n, b, b]; rescale: [rows, 1 ...] or empty.
/// Source: Liu et al. 2023 (arXiv:2311.06243).
struct Butterfly {
  Tensor blocks, rescale;
  std::optional<double> alpha;
  Tensor dora_scale;
};

/// delta = value. With `pad`, W is enlarged with zeros to the value's shape first.
struct Difference {
  Tensor value;
  bool pad = false;
};

/// W is replaced, whatever the strength.
struct Replacement {
  Tensor value;
};

/// W moves towards another model's tensor: delta = value - W.
struct Toward {
  Tensor value;
};

using Adapter = std::variant<LowRank, Hadamard, Kronecker, Glora, Rotation, Butterfly, Difference,
                             Replacement, Toward>;

/// The tensor after the change. weight: float32. strength scales the change as ComfyUI does it (for
/// the two rotations it enters twice). Throws Error(invalid_input) when the shapes do not fit.
Tensor apply_adapter(const Adapter& adapter, const Tensor& weight, double strength);

/// What the two rotations add to the weight before `strength` enters a second time.
Tensor rotation_delta(const Rotation& adapter, const Tensor& weight, double strength);
Tensor rotation_delta(const Butterfly& adapter, const Tensor& weight, double strength);

}  // namespace comfy::checkpoint
