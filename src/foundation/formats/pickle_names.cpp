// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/formats/pickle_names.h"

#include <algorithm>
#include <array>

namespace comfy::formats {
namespace {

using Use = PickleUse;

constexpr std::array kNames{
    PickleName{"collections.OrderedDict", Use::dictionary},
    PickleName{"torch._utils._rebuild_tensor_v2", Use::tensor},
    PickleName{"torch._utils._rebuild_parameter", Use::first_argument},
    PickleName{"torch.Size", Use::first_argument},
    PickleName{"torch.device", Use::first_argument},
    PickleName{"torch.FloatStorage", Use::storage, ElementType::f32},
    PickleName{"torch.HalfStorage", Use::storage, ElementType::f16},
    PickleName{"torch.BFloat16Storage", Use::storage, ElementType::bf16},
    PickleName{"torch.DoubleStorage", Use::storage, ElementType::f64},
    PickleName{"torch.LongStorage", Use::storage, ElementType::i64},
    PickleName{"torch.IntStorage", Use::storage, ElementType::i32},
    PickleName{"torch.ShortStorage", Use::storage, ElementType::i16},
    PickleName{"torch.CharStorage", Use::storage, ElementType::i8},
    PickleName{"torch.ByteStorage", Use::storage, ElementType::u8},
    PickleName{"torch.BoolStorage", Use::storage, ElementType::boolean},
    PickleName{"torch.float32"},
    PickleName{"torch.float16"},
    PickleName{"torch.bfloat16"},
    PickleName{"torch.float64"},
    PickleName{"torch.int64"},
    PickleName{"torch.int32"},
    PickleName{"torch.int16"},
    PickleName{"torch.int8"},
    PickleName{"torch.uint8"},
    PickleName{"torch.bool"},
    PickleName{"pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"},
    PickleName{"numpy.core.multiarray.scalar", Use::number},
    PickleName{"numpy._core.multiarray.scalar", Use::number},  // as NumPy 2 writes it
    PickleName{"numpy.dtype", Use::number_type},
    PickleName{"numpy.dtypes.Float64DType", Use::number_type},
    PickleName{"_codecs.encode", Use::encode},
};

}  // namespace

std::optional<PickleName> pickle_name(std::string_view name) {
  const auto found = std::find_if(kNames.begin(), kNames.end(),
                                  [&](const PickleName& row) { return row.name == name; });
  if (found == kNames.end()) return {};
  return *found;
}

}  // namespace comfy::formats
