// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/formats/model_file.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "foundation/formats/file_kind.h"
#include "foundation/formats/safetensors.h"
#include "foundation/formats/torch_file.h"

#include <fmt/format.h>

#include <string>

namespace comfy::formats {
namespace {

bool promises_safetensors(std::string_view name) {
  const std::string small = lower(name);
  return small.ends_with(".safetensors") || small.ends_with(".sft");
}

TensorTable read_by_content(std::span<const std::byte> file, std::string_view name,
                            PickleFiles pickles) {
  const FileKind kind = file_kind(file);
  const bool has_pickle = kind == FileKind::zip || kind == FileKind::pickle;
  if (kind == FileKind::safetensors || promises_safetensors(name)) return read_safetensors(file);
  if (!has_pickle) {
    throw Error(Error::Kind::invalid_input,
                fmt::format("expected a safetensors file or a model saved by torch, found {}",
                            describe(kind)));
  }
  if (pickles == PickleFiles::refuse) {
    throw Error(
        Error::Kind::forbidden,
        fmt::format("expected a safetensors file, found {}: reading pickles is switched off",
                    describe(kind)));
  }
  return read_torch_file(file);
}

}  // namespace

TensorTable read_model_file(std::span<const std::byte> file, std::string_view name,
                            PickleFiles pickles) {
  try {
    return read_by_content(file, name, pickles);
  } catch (Error& error) {
    error.message = fmt::format("\"{}\": {}", name, error.message);
    throw;
  }
}

}  // namespace comfy::formats
