// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the executor itself costs: microseconds for each trivial node of a chain, a fan (all nodes
// feed one) and a grid (each node uses two of the row before), first validated, then run; and a
// prompt of 50 nodes whose results are all there already. Processor time, so that what else the
// machine does counts little. TIMES is the number of samples.
#include "worker/engine/executor.h"

#include "bench/result.h"
#include "foundation/graph/validate.h"
#include "worker/engine/node.h"

#include <cstdlib>
#include <ctime>

namespace comfy::bench {
namespace {

struct Add {
  struct In {
    int a = 0, b = 0;
    engine::ExtraInputs more;
  };
  struct Out {
    int sum = 0;
  };
  static auto spec() {
    return engine::node<Add>("Add", "bench")
        .in("a", &In::a)
        .in("b", &In::b)
        .extra_inputs(&In::more)
        .out(&Out::sum);
  }
  static Out run(const In& in) { return {in.a + in.b}; }
};

struct Show {
  struct In {
    int value = 0;
    engine::ExtraInputs more;
  };
  struct Out {
    engine::Ui ui;
  };
  static auto spec() {
    return engine::node<Show>("Show", "bench")
        .in("value", &In::value)
        .extra_inputs(&In::more)
        .as_output_node();
  }
  static Out run(const In& in) {
    Out out;
    out.ui.add("text", std::to_string(in.value));
    return out;
  }
};

/// Seconds of this thread that each of `times` calls took, after one that is not counted.
std::vector<double> processor_time(int times, const std::function<void()>& call) {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  };
  std::vector<double> seconds;
  call();
  for (int i = 0; i < times; ++i) {
    const double start = now();
    call();
    seconds.push_back(now() - start);
  }
  return seconds;
}

Json link(std::size_t node) { return Json::Array{std::to_string(node), 0}; }

void add_node(Json::Object& prompt, std::size_t id, const char* type, Json::Object inputs) {
  prompt[std::to_string(id)] = Json::Object{{"class_type", type}, {"inputs", std::move(inputs)}};
}

/// `salt` makes the first node, and so all, unlike those of other prompts.
Json chain(std::size_t count, int salt) {
  Json::Object prompt;
  add_node(prompt, 0, "Add", {{"a", salt}, {"b", 0}});
  for (std::size_t i = 1; i + 1 < count; ++i)
    add_node(prompt, i, "Add", {{"a", link(i - 1)}, {"b", 1}});
  add_node(prompt, count - 1, "Show", {{"value", link(count - 2)}});
  return prompt;
}

Json fan(std::size_t count, int salt) {
  Json::Object prompt, inputs{{"value", link(0)}};
  for (std::size_t i = 0; i + 1 < count; ++i) {
    add_node(prompt, i, "Add", {{"a", salt}, {"b", i}});
    inputs["more" + std::to_string(i)] = link(i);
  }
  add_node(prompt, count - 1, "Show", std::move(inputs));
  return prompt;
}

Json grid(std::size_t count, int salt) {
  Json::Object prompt;
  std::size_t side = 2;
  while ((side + 1) * (side + 1) < count) ++side;
  add_node(prompt, 0, "Add", {{"a", salt}, {"b", 0}});
  for (std::size_t i = 1; i + 1 < count; ++i)
    add_node(prompt, i, "Add",
             {{"a", link(i < side ? i - 1 : i - side)}, {"b", link(i < side ? 0 : i - side / 2)}});
  add_node(prompt, count - 1, "Show", {{"value", link(count - 2)}});
  return prompt;
}

struct NoSink final : engine::EventSink {
  void event(engine::Event) override {}
  void preview(engine::PreviewEvent) override {}
  void text(engine::NodeText) override {}
};

struct Desk {
  Desk() {
    registry.add<Add>();
    registry.add<Show>();
  }
  graph::ValidationResult validated(Json prompt) const {
    return graph::validate(std::move(prompt), registry.catalogue());
  }
  void run(const graph::ValidationResult& checked) {
    const engine::Execution execution{
        .prompt_id = "p", .prompt = checked.prompt, .outputs = checked.outputs};
    const auto result = executor.run(execution, sink);
    if (result.status != engine::ExecutionResult::Status::success) {
      fmt::print(stderr, "{}\n", to_json(result.status_json()));
      std::exit(1);
    }
  }

  engine::Registry registry;
  engine::Executor executor{registry, nullptr};
  NoSink sink;
};

using Shape = Json (*)(std::size_t, int);

void measure(const char* name, Shape shape, std::size_t count, int times) {
  Desk desk;
  int salt = 0;
  const auto per_node = [&](std::vector<double> seconds) {
    for (double& value : seconds) value *= 1e6 / static_cast<double>(count);
    return seconds;
  };
  const Json prompt = shape(count, 0);
  const auto validation = processor_time(times, [&] { desk.validated(prompt); });
  print_result("executor", fmt::format("validate_{}_{}", name, count), "us/node",
               per_node(validation));
  std::vector<graph::ValidationResult> prompts;
  for (int i = 0; i <= times; ++i) prompts.push_back(desk.validated(shape(count, ++salt)));
  std::size_t next = 0;
  const auto running = processor_time(times, [&] { desk.run(prompts[next++]); });
  print_result("executor", fmt::format("run_{}_{}", name, count), "us/node", per_node(running));
}

}  // namespace
}  // namespace comfy::bench

int main() {
  using namespace comfy::bench;
  const char* set = std::getenv("TIMES");
  const int times = set ? std::atoi(set) : 5;
  for (const std::size_t count : {10, 100, 1'000, 10'000}) {
    measure("chain", chain, count, times);
    measure("fan", fan, count, times);
    measure("grid", grid, count, times);
  }
  Desk desk;
  const auto checked = desk.validated(chain(50, 0));
  auto seconds = processor_time(times * 10, [&] { desk.run(checked); });
  for (double& value : seconds) value *= 1e3;
  print_result("executor", "cached_chain_50", "ms", seconds);
}
