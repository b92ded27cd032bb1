// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/text/embedding_file.h"

#include "inference/tensor/ops.h"

#include <fmt/format.h>

namespace comfy::models::text {
namespace {

constexpr std::string_view kParameters = "string_to_param.";
constexpr std::string_view kBundle = "bundle_emb.";

Tensor joined(const std::vector<Tensor>& rows) {
  return rows.empty() ? Tensor{} : at::cat(rows, 0);
}

bool is_list_item(std::string_view name) {
  const std::size_t digits = name.find_first_not_of("0123456789");
  return digits != 0 && digits != name.npos && name[digits] == '.';
}

bool is_list(const checkpoint::NamedTensors& tensors) {
  return std::all_of(tensors.begin(), tensors.end(),
                     [](const auto& entry) { return is_list_item(entry.first); });
}

Tensor join_list(const checkpoint::NamedTensors& tensors, std::int64_t width) {
  std::vector<Tensor> rows;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.dim() > 0 && tensor.size(-1) == width) rows.push_back(tensor.reshape({-1, width}));
  }
  return joined(rows);
}

Tensor join_bundle(const checkpoint::NamedTensors& tensors, std::string_view ending) {
  std::vector<Tensor> rows;
  for (const auto& [name, tensor] : tensors) {
    const bool fits = name.starts_with(kBundle) && name.ends_with(ending);
    if (fits && (rows.empty() || tensor.size(-1) == rows[0].size(-1))) rows.push_back(tensor);
  }
  return joined(rows);
}

}  // namespace

Tensor pick_embedding(const checkpoint::NamedTensors& tensors, std::string_view encoder,
                      std::int64_t width) {
  if (tensors.empty()) return {};
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(kParameters)) return tensor;
  }
  if (is_list(tensors)) return join_list(tensors, width);
  for (const auto& [name, tensor] : tensors) {
    if (name == encoder) return tensor;
  }
  Tensor bundled = join_bundle(tensors, ".string_to_param.*");
  if (!bundled.defined()) bundled = join_bundle(tensors, fmt::format(".{}", encoder));
  return bundled.defined() ? bundled : tensors.front().second;
}

}  // namespace comfy::models::text
