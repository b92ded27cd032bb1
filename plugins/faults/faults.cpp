// SPDX-License-Identifier: GPL-3.0-or-later
#include <comfy/ops.h>
#include <comfy/plugin.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

// Nodes that do what nodes must not do, for the fault tests. Never ship them.

namespace {

using namespace comfy::plugin;

/// Ends its process, or never ends, in one of several ways; "none" passes the picture on.
struct FaultPoison {
  struct In {
    Image image;
    std::string kind = "none";
  };
  struct Out {
    Image image;
  };

  static std::vector<std::string> kinds() {
    return {"none", "abort", "segfault", "exit", "allocate", "loop", "throw"};
  }

  static auto spec() {
    return node<FaultPoison>("FaultPoison", "_for_testing/faults")
        .in("image", &In::image)
        .in("kind", &In::kind, {.choices = kinds})
        .never_cached()
        .out(&Out::image);
  }

  static Out run(const In& in) {
    if (in.kind == "abort") std::abort();
    if (in.kind == "segfault") std::raise(SIGSEGV);
    if (in.kind == "exit") ::_exit(3);
    if (in.kind == "allocate") allocate_until_killed();
    if (in.kind == "loop") loop();
    if (in.kind == "throw") throw Error(Error::Kind::invalid_input, "expected no poison, got some");
    return {in.image};
  }

  /// The test gives its process a limit; without one the whole machine would suffer.
  [[noreturn]] static void allocate_until_killed() {
    constexpr std::size_t kBlock = 64U << 20;
    std::vector<std::string> held;
    while (true) held.emplace_back(kBlock, 'x');
  }

  /// Hears of nothing, not even of a cancel.
  [[noreturn]] static void loop() {
    while (true) {
      asm volatile("");  // or the compiler takes it for never reached
    }
  }
};

/// Takes its time as a sampler does: in steps, and an interrupt ends it.
struct FaultSleep {
  struct In {
    Image image;
    double seconds = 0.1;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<FaultSleep>("FaultSleep", "_for_testing/faults")
        .in("image", &In::image)
        .in("seconds", &In::seconds, {.min = 0, .max = 3600, .step = 0.001})
        .never_cached()
        .out(&Out::image);
  }

  static Out run(const In& in, Context& context) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::duration<double>{in.seconds};
    constexpr std::int64_t kSteps = 20;
    for (std::int64_t step = 0; step < kSteps; ++step) {
      context.progress(step, kSteps);
      const auto next =
          end - (kSteps - step - 1) * std::chrono::duration<double>{in.seconds / kSteps};
      std::this_thread::sleep_until(std::chrono::time_point_cast<Clock::duration>(next));
    }
    return {in.image};
  }
};

}  // namespace

void comfy_register_nodes(Registry& registry) {
  registry.add<FaultPoison>();
  registry.add<FaultSleep>();
}
