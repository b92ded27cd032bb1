// SPDX-License-Identifier: GPL-3.0-or-later
#include "pack.h"

#include <comfy/ops.h>

#include <chrono>
#include <semaphore>
#include <stdexcept>
#include <thread>

namespace testing_pack {

using namespace comfy::plugin;
namespace {

using Seconds = std::chrono::duration<double>;

/// Sleeps in small steps, so that an interrupt ends it.
void sleep_for(double seconds, const Context& context) {
  const auto end = std::chrono::steady_clock::now() + Seconds{seconds};
  while (std::chrono::steady_clock::now() < end) {
    context.check_cancelled();
    std::this_thread::sleep_for(std::min(Seconds{0.01}, Seconds{seconds}));
  }
}

std::string text_of(double value) { return to_json(Json{value}); }

struct TestAsyncValidation {
  struct In {
    double value = 5, threshold = 10;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<TestAsyncValidation>("TestAsyncValidation", "_for_testing/async")
        .display("Test Async Validation")
        .in("value", &In::value)
        .in("threshold", &In::threshold)
        .validates({"value", "threshold"})
        .out(&Out::image);
  }

  static void validate(const In& in) {
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    if (in.value > in.threshold)
      throw Error(Error::Kind::invalid_input,
                  "Value " + text_of(in.value) + " exceeds threshold " + text_of(in.threshold));
  }

  static Out run(const In& in) {
    // A grey that shows the share of the threshold.
    return {grey_image(in.value / in.threshold)};
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
    return node<TestAsyncError>("TestAsyncError", "_for_testing/async")
        .display("Test Async Error")
        .in("value", &In::value, {.show_empty = true})
        .in("error_after", &In::error_after, {.min = 0, .max = 10})
        .out(&Out::value);
  }

  static Async<Out> run(const In& in, Context& context) {
    return Async<Out>::start([seconds = in.error_after, &context]() -> Out {
      sleep_for(seconds, context);
      throw std::runtime_error("Intentional async execution error for testing");
    });
  }
};

struct TestAsyncValidationError {
  struct In {
    double value = 5, max_value = 10;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<TestAsyncValidationError>("TestAsyncValidationError", "_for_testing/async")
        .display("Test Async Validation Error")
        .in("value", &In::value)
        .in("max_value", &In::max_value)
        .validates({"value", "max_value"})
        .out(&Out::image);
  }

  static void validate(const In& in) {
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    if (in.value > in.max_value)
      throw Error(Error::Kind::invalid_input,
                  "Async validation failed: " + text_of(in.value) + " > " + text_of(in.max_value));
  }

  static Out run(const In& in) { return {grey_image(in.value / in.max_value)}; }
};

struct TestAsyncTimeout {
  struct In {
    Any value;
    double timeout = 1, operation_time = 2;
  };
  struct Out {
    Any value;
  };

  static auto spec() {
    return node<TestAsyncTimeout>("TestAsyncTimeout", "_for_testing/async")
        .display("Test Async Timeout")
        .in("value", &In::value, {.show_empty = true})
        .in("timeout", &In::timeout, {.min = 0.1, .max = 10})
        .in("operation_time", &In::operation_time, {.min = 0.1, .max = 10})
        .out(&Out::value);
  }

  static Async<Out> run(const In& in, Context& context) {
    return Async<Out>::start([in, &context]() -> Out {
      sleep_for(std::min(in.timeout, in.operation_time), context);
      if (in.operation_time > in.timeout)
        throw std::runtime_error("Operation timed out after " + text_of(in.timeout) + " seconds");
      return {in.value};
    });
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
    return node<TestSyncError>("TestSyncError", "_for_testing/async")
        .display("Test Sync Error")
        .in("value", &In::value, {.show_empty = true})
        .out(&Out::value);
  }

  static Out run(const In&) {
    throw std::runtime_error("Intentional sync execution error for testing");
  }
};

struct TestAsyncLazyCheck {
  struct In {
    Lazy<Any> input1, input2;
    bool condition = true;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<TestAsyncLazyCheck>("TestAsyncLazyCheck", "_for_testing/async")
        .display("Test Async Lazy Check")
        .in("input1", &In::input1)
        .in("input2", &In::input2)
        .in("condition", &In::condition)
        .out(&Out::image);
  }

  static std::vector<std::string> check_lazy_status(const In& in) {
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    if (in.condition && !in.input1) return {"input1"};
    if (!in.condition && !in.input2) return {"input2"};
    return {};
  }

  static Out run(const In&) { return {grey_image(1)}; }
};

struct TestDynamicAsyncGeneration {
  struct In {
    Image image1, image2;
    int num_async_nodes = 3;
    double sleep_duration = 0.2;
  };
  struct Out {
    Image image;
    Expansion expansion;
  };

  static auto spec() {
    return node<TestDynamicAsyncGeneration>("TestDynamicAsyncGeneration", "_for_testing/async")
        .display("Test Dynamic Async Generation")
        .in("image1", &In::image1)
        .in("image2", &In::image2)
        .in("num_async_nodes", &In::num_async_nodes, {.min = 1, .max = 10})
        .in("sleep_duration", &In::sleep_duration, {.min = 0.1, .max = 1})
        .out(&Out::image);
  }

  static Out run(const In& in, Context& context) {
    GraphBuilder graph{context};
    std::vector<Value> slept;
    for (int i = 0; i < in.num_async_nodes; ++i) {
      auto sleep = graph.node("TestSleep");
      sleep.set("value", Value::of(i % 2 == 0 ? in.image1 : in.image2))
          .set("seconds", in.sleep_duration);
      slept.push_back(sleep.out(0));
    }
    auto average = graph.node("TestVariadicAverage");
    for (std::size_t i = 0; i < slept.size(); ++i)
      average.set("input" + std::to_string(i + 1), slept[i]);
    Out out;
    out.expansion = graph.finish({average.out(0)});
    return out;
  }
};

struct TestAsyncResourceUser {
  struct In {
    Any value;
    std::string resource_id = "resource_0";
    double duration = 0.1;
  };
  struct Out {
    Any value;
  };

  static auto spec() {
    return node<TestAsyncResourceUser>("TestAsyncResourceUser", "_for_testing/async")
        .display("Test Async Resource User")
        .in("value", &In::value, {.show_empty = true})
        .in("resource_id", &In::resource_id)
        .in("duration", &In::duration, {.min = 0, .max = 1})
        .out(&Out::value);
  }

  static Async<Out> run(const In& in, Context& context) {
    return Async<Out>::start([in, &context]() -> Out {
      sleep_for(in.duration, context);
      return {in.value};
    });
  }
};

struct TestAsyncBatchProcessing {
  struct In {
    Image images;
    double process_time_per_item = 0.1;
  };
  struct Out {
    Image images;
  };

  static auto spec() {
    return node<TestAsyncBatchProcessing>("TestAsyncBatchProcessing", "_for_testing/async")
        .display("Test Async Batch Processing")
        .in("images", &In::images)
        .in("process_time_per_item", &In::process_time_per_item, {.min = 0.01, .max = 1})
        .hidden({Hidden::unique_id})
        .out(&Out::images);
  }

  static Async<Out> run(const In& in, Context& context) {
    return Async<Out>::start([in, &context]() -> Out {
      const std::int64_t count = in.images.pixels.size(0);
      for (std::int64_t i = 0; i < count; ++i) {
        sleep_for(in.process_time_per_item, context);
        context.progress(i + 1, count);
      }
      return {{1.0 - in.images.pixels}};
    });
  }
};

struct TestAsyncConcurrentLimit {
  struct In {
    Any value;
    double duration = 0.5;
    int node_id = 0;
  };
  struct Out {
    Any value;
  };

  static auto spec() {
    return node<TestAsyncConcurrentLimit>("TestAsyncConcurrentLimit", "_for_testing/async")
        .display("Test Async Concurrent Limit")
        .in("value", &In::value, {.show_empty = true})
        .in("duration", &In::duration, {.min = 0.1, .max = 2})
        .in("node_id", &In::node_id)
        .out(&Out::value);
  }

  static Async<Out> run(const In& in, Context& context) {
    return Async<Out>::start([in, &context]() -> Out {
      // All nodes of the class share it: no more than two work at once.
      static std::counting_semaphore<2> places{2};
      while (!places.try_acquire_for(std::chrono::milliseconds{10})) context.check_cancelled();
      const struct Leave {
        ~Leave() { places.release(); }
      } leave;
      sleep_for(in.duration, context);
      return {in.value};
    });
  }
};

struct TestAsyncProgressUpdate {
  struct In {
    Any value;
    double sleep_seconds = 1;
  };
  struct Out {
    Any value;
  };

  static auto spec() {
    return node<TestAsyncProgressUpdate>("TestAsyncProgressUpdate", "_for_testing/async")
        .display("Async Progress Update Test Node")
        .in("value", &In::value, {.show_empty = true})
        .in("sleep_seconds", &In::sleep_seconds)
        .out(&Out::value);
  }

  static Async<Out> run(const In& in, Context& context) {
    return Async<Out>::start([in, &context]() -> Out {
      report_while_sleeping(in.sleep_seconds, context);
      return {in.value};
    });
  }

  static void report_while_sleeping(double seconds, Context& context) {
    const auto start = std::chrono::steady_clock::now();
    for (Seconds passed{0}; passed.count() < seconds;
         passed = std::chrono::steady_clock::now() - start) {
      context.progress(passed.count(), seconds);
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
  }
};

struct TestSyncProgressUpdate {
  using In = TestAsyncProgressUpdate::In;
  using Out = TestAsyncProgressUpdate::Out;

  static auto spec() {
    return node<TestSyncProgressUpdate>("TestSyncProgressUpdate", "_for_testing/async")
        .display("Sync Progress Update Test Node")
        .in("value", &In::value, {.show_empty = true})
        .in("sleep_seconds", &In::sleep_seconds)
        .out(&Out::value);
  }

  static Out run(const In& in, Context& context) {
    TestAsyncProgressUpdate::report_while_sleeping(in.sleep_seconds, context);
    return {in.value};
  }
};

}  // namespace

void register_async_nodes(Registry& registry) {
  registry.add<TestAsyncValidation>();
  registry.add<TestAsyncError>();
  registry.add<TestAsyncValidationError>();
  registry.add<TestAsyncTimeout>();
  registry.add<TestSyncError>();
  registry.add<TestAsyncLazyCheck>();
  registry.add<TestDynamicAsyncGeneration>();
  registry.add<TestAsyncResourceUser>();
  registry.add<TestAsyncBatchProcessing>();
  registry.add<TestAsyncConcurrentLimit>();
  registry.add<TestAsyncProgressUpdate>();
  registry.add<TestSyncProgressUpdate>();
}

}  // namespace testing_pack
