// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/nodes/text/tensor_text.h"

#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace comfy::nodes {
namespace {

constexpr std::int64_t kMostShown = 1'000;
constexpr std::int64_t kEdge = 3;
constexpr std::size_t kLine = 80;

/// The numbers at the edges of each dimension, where there are more than are shown.
Tensor edges(Tensor tensor) {
  for (std::int64_t dimension = 0; dimension < tensor.dim(); ++dimension)
    if (tensor.size(dimension) > 2 * kEdge)
      tensor = at::cat({tensor.narrow(dimension, 0, kEdge),
                        tensor.narrow(dimension, tensor.size(dimension) - kEdge, kEdge)},
                       dimension);
  return tensor;
}

/// How the numbers of one tensor are written: alike, and equally long.
class Form {
 public:
  explicit Form(const Tensor& shown) {
    std::vector<double> values;
    const Tensor flat = shown.flatten().contiguous();
    for (std::int64_t i = 0; i < flat.numel(); ++i) {
      const double value = flat.const_data_ptr<double>()[i];
      if (std::isfinite(value) && value != 0) values.push_back(value);
    }
    if (values.empty()) return;
    double least = std::abs(values[0]), most = least;
    bool whole = true;
    for (const double value : values) {
      least = std::min(least, std::abs(value));
      most = std::max(most, std::abs(value));
      whole = whole && value == std::ceil(value);
    }
    const bool far = most / least > 1000 || most > 1e8;
    style_ = far || (!whole && least < 1e-4) ? Style::scientific
             : whole                         ? Style::whole
                                             : Style::decimal;
    for (const double value : values) width_ = std::max(width_, digits(value).size());
  }

  std::size_t width() const { return width_; }
  std::string operator()(double value) const {
    return fmt::format("{:>{}}", digits(value), width_);
  }

 private:
  enum class Style { whole, decimal, scientific };
  std::string digits(double value) const {
    if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
    if (style_ == Style::scientific) return fmt::format("{:.4e}", value);
    return style_ == Style::whole ? fmt::format("{:.0f}.", value) : fmt::format("{:.4f}", value);
  }

  Style style_ = Style::whole;
  std::size_t width_ = 1;
};

std::string line(const Tensor& row, std::size_t indent, bool shortened, const Form& form) {
  std::vector<std::string> words;
  const std::int64_t size = row.size(0);
  for (std::int64_t i = 0; i < size; ++i) {
    if (shortened && size > 2 * kEdge && i == kEdge) {
      words.emplace_back(" ...");
      i = size - kEdge;
    }
    words.push_back(form(row[i].item<double>()));
  }
  const std::size_t length = form.width() + 2;
  const std::size_t in_line =
      std::max<std::size_t>(1, indent < kLine ? (kLine - indent) / length : 0);
  std::string text = "[";
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0 && i % in_line == 0)
      text += ",\n" + std::string(indent + 1, ' ');
    else if (i > 0)
      text += ", ";
    text += words[i];
  }
  return text + "]";
}

std::string block(const Tensor& tensor, std::size_t indent, bool shortened, const Form& form) {
  if (tensor.dim() == 0) return form(tensor.item<double>());
  if (tensor.dim() == 1) return line(tensor, indent, shortened, form);
  const std::string between = "," + std::string(static_cast<std::size_t>(tensor.dim() - 1), '\n') +
                              std::string(indent + 1, ' ');
  std::string text = "[";
  const std::int64_t size = tensor.size(0);
  for (std::int64_t i = 0; i < size; ++i) {
    if (i > 0) text += between;
    if (shortened && size > 2 * kEdge && i == kEdge) {
      text += "..." + between;
      i = size - kEdge;
    }
    text += block(tensor[i], indent + 1, shortened, form);
  }
  return text + "]";
}

}  // namespace

std::string tensor_text(const Tensor& tensor) {
  constexpr std::string_view kOpening = "tensor(";
  const Tensor values = tensor.to(at::kCPU, at::kDouble);
  const bool shortened = values.numel() > kMostShown;
  const Form form{shortened ? edges(values) : values};
  return std::string{kOpening} + block(values, kOpening.size(), shortened, form) + ")";
}

}  // namespace comfy::nodes
