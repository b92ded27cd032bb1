// SPDX-License-Identifier: GPL-3.0-or-later
#include "bench/paced.h"

#include "bench/result.h"
#include "inference/tensor/ops.h"

#include <ATen/Parallel.h>
#include <sys/resource.h>

#include <fstream>
#include <iostream>

namespace comfy::bench {
namespace {

/// What one call cost.
struct Sample {
  double seconds, cpu_seconds;  ///< cpu_seconds: of all threads, user and system
  std::int64_t page_faults;     ///< without disk access: fresh pages of memory
};

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

Sample measure(const std::function<Tensor()>& call) {
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  const auto start = std::chrono::steady_clock::now();
  call();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  getrusage(RUSAGE_SELF, &after);
  const auto cpu = [](const rusage& use) {
    return seconds_of(use.ru_utime) + seconds_of(use.ru_stime);
  };
  return {wall.count(), cpu(after) - cpu(before), after.ru_minflt - before.ru_minflt};
}

void write_raw(const Tensor& tensor, const std::string& file) {
  const Tensor floats = tensor.to(at::kFloat).contiguous();
  std::ofstream{file, std::ios::binary}.write(static_cast<const char*>(floats.const_data_ptr()),
                                              static_cast<std::streamsize>(floats.nbytes()));
}

void serve(const Question& question) {
  question.call();
  fmt::print("{}\n",
             to_json(Json::Object{{"case", question.name}, {"threads", at::get_num_threads()}}));
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    Json answer = Json::Object{};
    if (line == "sample") {
      const Sample sample = measure(question.call);
      answer = Json::Object{{"seconds", sample.seconds},
                            {"cpu_seconds", sample.cpu_seconds},
                            {"page_faults", sample.page_faults}};
    } else if (line.starts_with("output ")) {
      write_raw(question.call(), line.substr(7));
    }
    fmt::print("{}\n", to_json(answer));
    std::fflush(stdout);
  }
}

}  // namespace

int answer(const Question& question, int argc, char** argv) {
  if (argc > 1 && std::string_view{argv[1]} == "--paced") {
    serve(question);
    return 0;
  }
  std::vector<double> seconds, cpu;
  question.call();
  for (int i = 0; i < question.times; ++i) {
    const Sample sample = measure(question.call);
    seconds.push_back(sample.seconds);
    cpu.push_back(sample.cpu_seconds);
  }
  print_result(question.bench, question.name, "s", seconds,
               Json::Object{{"cpu_seconds", median(cpu)}, {"threads", at::get_num_threads()}});
  return 0;
}

}  // namespace comfy::bench
