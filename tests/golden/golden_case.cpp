// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/golden_case.h"

#include "foundation/base/error.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace comfy::golden {
namespace {

static_assert(std::endian::native == std::endian::little);

DType dtype_named(const std::string& name) {
  static const std::map<std::string, DType> kTypes{
      {"F64", DType::Double},    {"F32", DType::Float}, {"F16", DType::Half},
      {"BF16", DType::BFloat16}, {"I64", DType::Long},  {"I32", DType::Int},
      {"I16", DType::Short},     {"I8", DType::Char},   {"U8", DType::Byte},
      {"BOOL", DType::Bool}};
  const auto found = kTypes.find(name);
  if (found == kTypes.end()) {
    throw Error(Error::Kind::invalid_input, fmt::format("golden data of type \"{}\"", name));
  }
  return found->second;
}

std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    throw Error(Error::Kind::not_found, fmt::format("no golden file {}", file.string()));
  }
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return std::move(bytes).str();
}

Tensor read_tensor(const Json& entry, std::string_view data) {
  Shape shape;
  for (const Json& size : entry.at("shape").as_array()) shape.push_back(size.as_int());
  const auto& range = entry.at("data_offsets").as_array();
  const std::uint64_t begin = range.at(0).as_uint();
  const std::uint64_t end = range.at(1).as_uint();
  Tensor tensor = at::empty(shape, dtype_named(entry.at("dtype").as_string()));
  if (begin > end || end > data.size() || end - begin != tensor.nbytes()) {
    throw Error(
        Error::Kind::invalid_input,
        fmt::format("golden tensor of {} bytes expected, got {}", tensor.nbytes(), end - begin));
  }
  if (end > begin) std::memcpy(tensor.data_ptr(), data.data() + begin, end - begin);
  return tensor;
}

}  // namespace

std::optional<std::filesystem::path> shared_folder() {
  const char* named = std::getenv("COMFY_SHARED");
  const std::filesystem::path folder =
      named != nullptr && *named != '\0' ? std::filesystem::path(named) : "../shared";
  if (!std::filesystem::is_directory(folder / "golden")) return {};
  return folder;
}

Case Case::load(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  std::uint64_t length = 0;
  if (bytes.size() >= sizeof length) std::memcpy(&length, bytes.data(), sizeof length);
  if (bytes.size() < sizeof length || length > bytes.size() - sizeof length) {
    throw Error(Error::Kind::invalid_input, fmt::format("{} is truncated", file.string()));
  }
  const Json header = parse_json(std::string_view(bytes).substr(sizeof length, length));
  const std::string_view data = std::string_view(bytes).substr(sizeof length + length);
  Case result;
  result.file_ = file;
  for (const auto& [name, entry] : header.as_object()) {
    if (name != "__metadata__") {
      result.tensors_.emplace(name, read_tensor(entry, data));
    } else if (const Json* info = entry.find("case")) {
      result.info_ = parse_json(info->as_string());
    }
  }
  return result;
}

Tensor Case::get(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? Tensor{} : found->second;
}

Tensor Case::operator[](std::string_view name) const {
  Tensor tensor = get(name);
  if (!tensor.defined()) {
    throw Error(Error::Kind::not_found,
                fmt::format("no tensor \"{}\" in {}", name, file_.string()));
  }
  return tensor;
}

std::vector<std::string> Case::names(std::string_view prefix) const {
  std::vector<std::string> found;
  for (const auto& [name, tensor] : tensors_) {
    if (name.starts_with(prefix)) found.push_back(name);
  }
  return found;
}

std::filesystem::path Case::weights_file() const {
  return file_.parent_path().parent_path() / info_.at("weights").as_string();
}

Comparison compare(const Tensor& expected, const Tensor& actual, double tolerance) {
  if (!actual.defined() || !expected.defined()) return {.message = "a tensor is missing"};
  if (expected.sizes() != actual.sizes()) {
    return {.message = fmt::format("shape {} expected, got {}", fmt::join(expected.sizes(), "x"),
                                   fmt::join(actual.sizes(), "x"))};
  }
  if (expected.numel() == 0) return {.agrees = true};
  const Tensor a = expected.to(DType::Double).contiguous();
  const Tensor b = actual.to(DType::Double).contiguous();
  const Tensor same = a.eq(b).logical_or(a.isnan().logical_and(b.isnan()));
  const Tensor finite = a.isfinite().logical_and(b.isfinite());
  const double scale = a.masked_fill(a.isfinite().logical_not(), 0).abs().max().item<double>();
  const double gap = (a - b).abs().masked_fill(finite.logical_not(), 0).max().item<double>();
  Comparison result{.worst = gap == 0 ? 0 : gap / (scale > 0 ? scale : 1)};
  const bool not_finite_alike = same.logical_or(finite).all().item<bool>();
  result.agrees = not_finite_alike && result.worst <= tolerance;
  if (!not_finite_alike) {
    result.message = "infinities or NaN at different places";
  } else if (!result.agrees) {
    result.message = fmt::format("relative difference {:.3g} above {:.3g} (max |expected| {:.4g})",
                                 result.worst, tolerance, scale);
  }
  return result;
}

}  // namespace comfy::golden
