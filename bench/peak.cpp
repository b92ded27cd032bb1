// SPDX-License-Identifier: GPL-3.0-or-later
//
// What this machine can do, as the upper bound for everything else: matrix products and
// convolutions of libtorch, and memory traffic.
#include "bench/result.h"
#include "inference/tensor/ops.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

namespace {

using comfy::Json;
using comfy::Tensor;
using comfy::bench::print_result;
using comfy::bench::time_calls;

constexpr int kSamples = 7;

Json threads() { return Json::Object{{"threads", at::get_num_threads()}}; }

void rate(const std::string& name, const std::string& unit, double work,
          const std::function<void()>& call) {
  std::vector<double> rates;
  for (const double seconds : time_calls(kSamples, call)) rates.push_back(work / seconds / 1e9);
  print_result("peak", name, unit, rates, threads());
}

void matrix_product(at::ScalarType type, std::int64_t n) {
  const Tensor a = at::rand({n, n}).to(type), b = at::rand({n, n}).to(type);
  const double work =
      2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
  rate(fmt::format("gemm_{}_{}", n, c10::toString(type)), "GFLOP/s", work, [&] { at::mm(a, b); });
}

void convolution(at::ScalarType type, std::int64_t channels, std::int64_t side) {
  const Tensor x =
      at::rand({2, channels, side, side}).to(type).contiguous(at::MemoryFormat::ChannelsLast);
  const Tensor w =
      at::rand({channels, channels, 3, 3}).to(type).contiguous(at::MemoryFormat::ChannelsLast);
  const double work = 2.0 * 2 * 9 * static_cast<double>(channels * channels * side * side);
  rate(fmt::format("conv3x3_{}x{}_{}", channels, side, c10::toString(type)), "GFLOP/s", work,
       [&] { at::conv2d(x, w, {}, {1, 1}, {1, 1}); });
}

void memory() {
  const std::int64_t count = std::int64_t{64} << 20;
  const Tensor a = at::rand({count}), b = at::rand({count}), c = at::empty({count});
  const double bytes = 4.0 * static_cast<double>(count);
  rate("read", "GB/s", bytes, [&] { a.sum(); });
  rate("copy", "GB/s", 2 * bytes, [&] { c.copy_(a); });
  rate("triad", "GB/s", 3 * bytes, [&] { at::add_out(const_cast<Tensor&>(c), a, b, 3.0); });
}

}  // namespace

int main() {
  const c10::InferenceMode no_gradients;
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    matrix_product(type, 2048);
    convolution(type, 320, 64);
    convolution(type, 1280, 16);
  }
  memory();
}
