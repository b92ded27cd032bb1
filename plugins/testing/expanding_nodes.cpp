// SPDX-License-Identifier: GPL-3.0-or-later
#include "pack.h"

#include <comfy/ops.h>

#include <chrono>
#include <thread>

namespace testing_pack {

using namespace comfy::plugin;
namespace {

struct TestDynamicDependencyCycle {
  struct In {
    Image input1, input2;
  };
  struct Out {
    Image image;
    Expansion expansion;
  };

  static auto spec() {
    return node<TestDynamicDependencyCycle>("TestDynamicDependencyCycle", "Testing/Nodes")
        .display("Dynamic Dependency Cycle")
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

/// Up to 0.2 two constants, above it a grey that an expansion computes, and a constant.
struct TestMixedExpansionReturns {
  struct In {
    double input1 = 0;
  };
  struct Out {
    Image grey, white;
    Expansion expansion;
  };

  static auto spec() {
    return node<TestMixedExpansionReturns>("TestMixedExpansionReturns", "Testing/Nodes")
        .display("Mixed Expansion Returns")
        .in("input1", &In::input1, {.show_default = false})
        .out(&Out::grey)
        .out(&Out::white);
  }

  static Out run(const In& in, Context& context) {
    const Image white = grey_image(1);
    if (in.input1 <= 0.2)
      return {.grey = grey_image(in.input1 <= 0.1 ? 0.1 : 0.2), .white = white, .expansion = {}};
    GraphBuilder graph{context};
    auto mask = graph.node("StubMask");
    mask.set("value", 0.3).set("height", 512).set("width", 512).set("batch_size", 1);
    const auto stub = [&](const char* content) {
      auto made = graph.node("StubImage");
      made.set("content", content).set("height", 512).set("width", 512).set("batch_size", 1);
      return made.out(0);
    };
    const Value left = stub("BLACK"), right = stub("WHITE");
    auto mix = graph.node("TestLazyMixImages");
    mix.set("image1", left).set("image2", right).set("mask", mask.out(0));
    return {.grey = {}, .white = {}, .expansion = graph.finish({mix.out(0), Value::of(white)})};
  }
};

struct TestSamplingInExpansion {
  struct In {
    Model model;
    Clip clip;
    Vae vae;
    std::uint64_t seed = 0;
    int steps = 20;
    double cfg = 7;
    std::string prompt = "a beautiful landscape with mountains and trees";
    std::string negative_prompt = "blurry, bad quality, worst quality";
  };
  struct Out {
    Image image;
    Expansion expansion;
  };

  static auto spec() {
    return node<TestSamplingInExpansion>("TestSamplingInExpansion", "Testing/Nodes")
        .display("Sampling In Expansion")
        .in("model", &In::model)
        .in("clip", &In::clip)
        .in("vae", &In::vae)
        .in("seed", &In::seed, {.min = 0, .max = 18446744073709551615u})
        .in("steps", &In::steps, {.min = 1, .max = 100})
        .in("cfg", &In::cfg, {.min = 0, .max = 30})
        .in("prompt", &In::prompt,
            {.multiline = true, .show_default = false, .extra = {{"default", In{}.prompt}}})
        .in("negative_prompt", &In::negative_prompt,
            {.multiline = true,
             .show_default = false,
             .extra = {{"default", In{}.negative_prompt}}})
        .out(&Out::image);
  }

  static Out run(const In& in, Context& context) {
    GraphBuilder graph{context};
    const auto encoded = [&](const std::string& text) {
      return graph.node("CLIPTextEncode").set("text", text).set("clip", Value::of(in.clip)).out(0);
    };
    const Value positive = encoded(in.prompt), negative = encoded(in.negative_prompt);
    auto latent = graph.node("EmptyLatentImage");
    latent.set("width", 512).set("height", 512).set("batch_size", 1);
    auto sampled = graph.node("KSampler");
    sampled.set("model", Value::of(in.model))
        .set("positive", positive)
        .set("negative", negative)
        .set("latent_image", latent.out(0))
        .set("seed", in.seed)
        .set("steps", in.steps)
        .set("cfg", in.cfg)
        .set("sampler_name", "euler_ancestral")
        .set("scheduler", "normal")
        .set("denoise", 1.0);
    auto decoded = graph.node("VAEDecode");
    decoded.set("samples", sampled.out(0)).set("vae", Value::of(in.vae));
    return {.image = {}, .expansion = graph.finish({decoded.out(0)})};
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
    return node<TestSleep>("TestSleep", "_for_testing")
        .display("Test Sleep")
        .in("value", &In::value, {.show_empty = true})
        .in("seconds", &In::seconds,
            {.min = 0, .max = 9999, .step = 0.01, .tooltip = "The amount of seconds to sleep."})
        .out(&Out::value)
        .hidden({Hidden::unique_id});
  }

  static Async<Out> run(const In& in, Context& context) {
    return Async<Out>::start([in, &context]() -> Out {
      using Seconds = std::chrono::duration<double>;
      const auto start = std::chrono::steady_clock::now();
      Seconds passed{0};
      while (passed.count() < in.seconds) {
        context.progress(passed.count(), in.seconds);
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
        passed = std::chrono::steady_clock::now() - start;
      }
      return {in.value};
    });
  }
};

struct TestParallelSleep {
  struct In {
    Image image1, image2, image3;
    double sleep1 = 0.5, sleep2 = 0.5, sleep3 = 0.5;
  };
  struct Out {
    Image image;
    Expansion expansion;
  };

  static auto spec() {
    return node<TestParallelSleep>("TestParallelSleep", "_for_testing")
        .display("Test Parallel Sleep")
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
    const auto sleep = [&](const Image& image, double seconds) {
      auto made = graph.node("TestSleep");
      made.set("value", Value::of(image)).set("seconds", seconds);
      return made.out(0);
    };
    const Value a = sleep(in.image1, in.sleep1), b = sleep(in.image2, in.sleep2),
                c = sleep(in.image3, in.sleep3);
    auto average = graph.node("TestVariadicAverage");
    average.set("input1", a).set("input2", b).set("input3", c);
    return {.image = {}, .expansion = graph.finish({average.out(0)})};
  }
};

struct TestOutputNodeWithSocketOutput {
  struct In {
    Image image;
    double value = 1;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<TestOutputNodeWithSocketOutput>("TestOutputNodeWithSocketOutput", "_for_testing")
        .display("Test Output Node With Socket Output")
        .in("image", &In::image)
        .in("value", &In::value, {.min = 0, .max = 10})
        .out(&Out::image)
        .as_output_node();
  }

  static Out run(const In& in) { return {{in.image.pixels * in.value}}; }
};

}  // namespace

void register_expanding_nodes(Registry& registry) {
  registry.add<TestDynamicDependencyCycle>();
  registry.add<TestMixedExpansionReturns>();
  registry.add<TestSamplingInExpansion>();
}

void register_waiting_nodes(Registry& registry) {
  registry.add<TestSleep>();
  registry.add<TestParallelSleep>();
  registry.add<TestOutputNodeWithSocketOutput>();
}

}  // namespace testing_pack
