// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/expansion.h"
#include "worker/engine/testing/nodes.h"

#include <chrono>
#include <limits>
#include <thread>

namespace comfy::engine {

namespace {

struct TestLazyMixImages {
  struct In {
    Lazy<Picture> image1, image2;
    Mask mask;
  };
  struct Out {
    Picture image;
  };
  static auto spec() {
    return node<TestLazyMixImages>("TestLazyMixImages", "Testing/Nodes")
        .in("image1", &In::image1)
        .in("image2", &In::image2)
        .in("mask", &In::mask)
        .out(&Out::image);
  }
  static std::vector<std::string> check_lazy_status(const In& in) {
    std::vector<std::string> needed;
    if (in.mask.value < 1 && !in.image1) needed.emplace_back("image1");
    if (in.mask.value > 0 && !in.image2) needed.emplace_back("image2");
    return needed;
  }
  static Out run(const In& in) {
    if (in.mask.value == 0) return {*in.image1};
    if (in.mask.value == 1) return {*in.image2};
    Picture mixed = *in.image1;
    mixed.grey = mixed.grey * (1 - in.mask.value) + in.image2->grey * in.mask.value;
    return {mixed};
  }
};

struct TestVariadicAverage {
  struct In {
    Picture input1;
    ExtraInputs more;
  };
  struct Out {
    Picture image;
  };
  static auto spec() {
    return node<TestVariadicAverage>("TestVariadicAverage", "Testing/Nodes")
        .in("input1", &In::input1)
        .extra_inputs(&In::more)
        .out(&Out::image);
  }
  static Out run(const In& in) {
    Picture average = in.input1;
    for (const auto& [name, value] : in.more) average.grey += unbox<Picture>(value).grey;
    average.grey /= static_cast<double>(in.more.size() + 1);
    return {average};
  }
};

struct TestCustomIsChanged {
  struct In {
    Picture image;
    bool should_change = false;
  };
  struct Out {
    Picture image;
  };
  static auto spec() {
    return node<TestCustomIsChanged>("TestCustomIsChanged", "Testing/Nodes")
        .in("image", &In::image)
        .optional_in("should_change", &In::should_change, {.type = "BOOL"})
        .out(&Out::image);
  }
  static Json fingerprint(const In& in, Context&) {
    return in.should_change ? Json{std::numeric_limits<double>::quiet_NaN()} : Json{false};
  }
  static Out run(const In& in) { return {in.image}; }
};

struct TestOutputNodeWithSocketOutput {
  struct In {
    Picture image;
    double value = 1;
  };
  struct Out {
    Picture image;
  };
  static auto spec() {
    return node<TestOutputNodeWithSocketOutput>("TestOutputNodeWithSocketOutput", "Testing/Nodes")
        .in("image", &In::image)
        .in("value", &In::value, {.min = 0, .max = 10})
        .out(&Out::image)
        .as_output_node();
  }
  static Out run(const In& in) {
    Picture scaled = in.image;
    scaled.grey *= in.value;
    return {scaled};
  }
};

struct TestExecutionBlocker {
  struct In {
    Any input;
    bool block = false, verbose = false;
  };
  struct Out {
    Any value;
    std::optional<Blocker> block;
  };
  static auto spec() {
    return node<TestExecutionBlocker>("TestExecutionBlocker", "Testing/Flow")
        .in("input", &In::input)
        .in("block", &In::block)
        .in("verbose", &In::verbose)
        .out(&Out::value);
  }
  static Out run(const In& in) {
    Out out{.value = in.input, .block = {}};
    if (in.block)
      out.block = Blocker{in.verbose ? std::optional<std::string>{"Verbose Block!"} : std::nullopt};
    return out;
  }
};

struct TestDynamicDependencyCycle {
  struct In {
    Picture input1, input2;
  };
  struct Out {
    Picture image;
    Expansion expansion;
  };
  static auto spec() {
    return node<TestDynamicDependencyCycle>("TestDynamicDependencyCycle", "Testing/Nodes")
        .in("input1", &In::input1)
        .in("input2", &In::input2)
        .out(&Out::image);
  }
  static Out run(const In& in, Context& context) {
    GraphBuilder graph{context};
    auto mask = graph.node("StubMask");
    mask.set("value", 0.5).set("height", 512).set("width", 512).set("batch_size", 1);
    auto mix1 = graph.node("TestLazyMixImages");
    mix1.set("image1", Value::of(in.input1)).set("mask", mask.out(0));
    auto mix2 = graph.node("TestLazyMixImages");
    mix2.set("image1", mix1.out(0)).set("image2", Value::of(in.input2)).set("mask", mask.out(0));
    mix1.set("image2", mix2.out(0));
    return {.image = {}, .expansion = graph.finish({mix2.out(0)})};
  }
};

/// Below 0.15 two constants, below 0.25 a constant and an expansion, else an expansion of two.
struct TestMixedExpansionReturns {
  struct In {
    double input1 = 0;
  };
  struct Out {
    Picture white, mixed;
    Expansion expansion;
  };
  static auto spec() {
    return node<TestMixedExpansionReturns>("TestMixedExpansionReturns", "Testing/Nodes")
        .in("input1", &In::input1, {.show_default = false})
        .out(&Out::white)
        .out(&Out::mixed);
  }
  static Out run(const In& in, Context& context) {
    const Picture white{.batch = 1, .width = 512, .height = 512, .grey = 1};
    Picture mixed = white;
    mixed.grey = in.input1;
    if (in.input1 < 0.15) return {.white = white, .mixed = mixed, .expansion = {}};
    GraphBuilder graph{context};
    if (in.input1 < 0.25)
      return {.white = {},
              .mixed = {},
              .expansion = graph.finish({Value::of(white), Value::of(mixed)})};
    const auto stub = [&](const char* content) {
      auto made = graph.node("StubImage");
      made.set("content", content).set("height", 512).set("width", 512).set("batch_size", 1);
      return made.out(0);
    };
    auto mask = graph.node("StubMask");
    mask.set("value", in.input1).set("height", 512).set("width", 512).set("batch_size", 1);
    const Value left = stub("BLACK"), right = stub("WHITE");
    auto mix = graph.node("TestLazyMixImages");
    mix.set("image1", left).set("image2", right).set("mask", mask.out(0));
    return {.white = {}, .mixed = {}, .expansion = graph.finish({mix.out(0), mix.out(0)})};
  }
};

struct TestMakeListNode {
  struct In {
    Any value1;
    std::optional<Any> value2, value3, value4;
  };
  struct Out {
    List<Any> list;
  };
  static auto spec() {
    return node<TestMakeListNode>("TestMakeListNode", "Testing/Lists")
        .in("value1", &In::value1)
        .in("value2", &In::value2)
        .in("value3", &In::value3)
        .in("value4", &In::value4)
        .out(&Out::list);
  }
  static Out run(const In& in) {
    Out out;
    out.list.push_back(in.value1);
    for (const auto* more : {&in.value2, &in.value3, &in.value4})
      if (*more) out.list.push_back(**more);
    return out;
  }
};

struct TestSyncError {
  struct In {
    Any value;
  };
  struct Out {
    Any value;
  };
  static auto spec() {
    return node<TestSyncError>("TestSyncError", "Testing/Nodes")
        .in("value", &In::value, {.show_empty = true})
        .out(&Out::value);
  }
  static Out run(const In&) {
    throw std::runtime_error("Intentional sync execution error for testing");
  }
};

struct TestAsyncError {
  struct In {
    Any value;
    double error_after = 0.1;
  };
  struct Out {
    Any value;
  };
  static auto spec() {
    return node<TestAsyncError>("TestAsyncError", "Testing/Nodes")
        .in("value", &In::value, {.show_empty = true})
        .in("error_after", &In::error_after, {.min = 0, .max = 10})
        .out(&Out::value);
  }
  static Async<Out> run(const In& in) {
    return Async<Out>::start([seconds = in.error_after]() -> Out {
      std::this_thread::sleep_for(std::chrono::duration<double>{seconds});
      throw std::runtime_error("Intentional async execution error for testing");
    });
  }
};

struct TestSleep {
  struct In {
    Any value;
    double seconds = 1;
  };
  struct Out {
    Any value;
  };
  static auto spec() {
    return node<TestSleep>("TestSleep", "Testing/Nodes")
        .in("value", &In::value, {.show_empty = true})
        .in("seconds", &In::seconds, {.min = 0, .max = 9999, .step = 0.01})
        .out(&Out::value)
        .hidden({Hidden::unique_id});
  }
  static Async<Out> run(const In& in, Context& context) {
    return Async<Out>::start([in, &context]() -> Out {
      const int steps = static_cast<int>(in.seconds / 0.01);
      for (int i = 0; i < steps; ++i) {
        context.progress(i * 0.01, in.seconds);
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
      }
      return {in.value};
    });
  }
};

struct TestParallelSleep {
  struct In {
    Picture image1, image2, image3;
    double sleep1 = 0.5, sleep2 = 0.5, sleep3 = 0.5;
  };
  struct Out {
    Picture image;
    Expansion expansion;
  };
  static auto spec() {
    return node<TestParallelSleep>("TestParallelSleep", "Testing/Nodes")
        .in("image1", &In::image1)
        .in("image2", &In::image2)
        .in("image3", &In::image3)
        .in("sleep1", &In::sleep1, {.min = 0, .max = 10, .step = 0.01})
        .in("sleep2", &In::sleep2, {.min = 0, .max = 10, .step = 0.01})
        .in("sleep3", &In::sleep3, {.min = 0, .max = 10, .step = 0.01})
        .out(&Out::image)
        .as_output_node()
        .hidden({Hidden::unique_id});
  }
  static Out run(const In& in, Context& context) {
    GraphBuilder graph{context};
    const auto sleep = [&](const Picture& picture, double seconds) {
      auto made = graph.node("TestSleep");
      made.set("value", Value::of(picture)).set("seconds", seconds);
      return made.out(0);
    };
    const Value a = sleep(in.image1, in.sleep1), b = sleep(in.image2, in.sleep2),
                c = sleep(in.image3, in.sleep3);
    auto average = graph.node("TestVariadicAverage");
    average.set("input1", a).set("input2", b).set("input3", c);
    return {.image = {}, .expansion = graph.finish({average.out(0)})};
  }
};

}  // namespace

void register_flow_nodes(Registry& registry) {
  registry.add<TestLazyMixImages>();
  registry.add<TestVariadicAverage>();
  registry.add<TestCustomIsChanged>();
  registry.add<TestOutputNodeWithSocketOutput>();
  registry.add<TestExecutionBlocker>();
  registry.add<TestDynamicDependencyCycle>();
  registry.add<TestMixedExpansionReturns>();
  registry.add<TestMakeListNode>();
  registry.add<TestSyncError>();
  registry.add<TestAsyncError>();
  registry.add<TestSleep>();
  registry.add<TestParallelSleep>();
}

}  // namespace comfy::engine
