// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/dynamic_prompt.h"
#include "worker/engine/expansion.h"
#include "worker/engine/testing/nodes.h"

#include <map>
#include <set>

namespace comfy::engine {

namespace {

/// Values that a loop hands from one turn to the next.
using LoopValue = std::optional<Any>;

struct TestIntMathOperation {
  struct In {
    std::int64_t a = 0, b = 0;
    std::string operation;
  };
  struct Out {
    std::int64_t result = 0;
  };
  static auto spec() {
    return node<TestIntMathOperation>("TestIntMathOperation", "Testing/Logic")
        .in("a", &In::a, {.step = 1})
        .in("b", &In::b, {.step = 1})
        .in("operation", &In::operation, {.choices = {"add", "subtract"}})
        .out(&Out::result);
  }
  static Out run(const In& in) { return {in.operation == "add" ? in.a + in.b : in.a - in.b}; }
};

struct TestToBoolNode {
  struct In {
    Any value;
  };
  struct Out {
    bool result = false;
  };
  static auto spec() {
    return node<TestToBoolNode>("TestToBoolNode", "Testing/Logic")
        .in("value", &In::value)
        .out(&Out::result);
  }
  static Out run(const In& in) { return {boolean_from_json(*in.value.json())}; }
};

struct TestWhileLoopOpen {
  struct In {
    bool condition = true;
    LoopValue initial_value0, initial_value1;
  };
  struct Out {
    std::string flow;
    Any value0, value1;
  };
  static auto spec() {
    return node<TestWhileLoopOpen>("TestWhileLoopOpen", "Testing/Flow")
        .in("condition", &In::condition)
        .in("initial_value0", &In::initial_value0)
        .in("initial_value1", &In::initial_value1)
        .out("FLOW_CONTROL", &Out::flow, {.type = "FLOW_CONTROL"})
        .out("value0", &Out::value0)
        .out("value1", &Out::value1);
  }
  static Out run(const In& in) {
    return {"stub", in.initial_value0.value_or(Any{}), in.initial_value1.value_or(Any{})};
  }
};

struct TestWhileLoopClose {
  struct In {
    RawLink flow_control;
    bool condition = false;
    LoopValue initial_value0, initial_value1;
  };
  struct Out {
    Any value0, value1;
    Expansion expansion;
  };
  static auto spec() {
    return node<TestWhileLoopClose>("TestWhileLoopClose", "Testing/Flow")
        .in("flow_control", &In::flow_control, {.type = "FLOW_CONTROL"})
        .in("condition", &In::condition, {.force_input = true})
        .in("initial_value0", &In::initial_value0)
        .in("initial_value1", &In::initial_value1)
        .hidden({Hidden::dynprompt, Hidden::unique_id})
        .out(&Out::value0)
        .out(&Out::value1);
  }

  /// The nodes between the opening and the closing one, both included.
  static std::set<NodeIndex> contained(const DynamicPrompt& prompt, NodeIndex open,
                                       NodeIndex close) {
    std::map<NodeIndex, std::vector<NodeIndex>> consumers;
    std::set<NodeIndex> seen{close};
    for (std::vector<NodeIndex> stack{close}; !stack.empty();) {
      const NodeIndex at = stack.back();
      stack.pop_back();
      for (const PromptInput& input : prompt[at].inputs) {
        if (!input.is_link) continue;
        consumers[input.source].push_back(at);
        if (seen.insert(input.source).second) stack.push_back(input.source);
      }
    }
    std::set<NodeIndex> inside{open, close};
    for (std::vector<NodeIndex> stack{open}; !stack.empty();) {
      const NodeIndex at = stack.back();
      stack.pop_back();
      for (const NodeIndex next : consumers[at])
        if (inside.insert(next).second) stack.push_back(next);
    }
    return inside;
  }

  static Out run(const In& in, Context& context) {
    const Any value0 = in.initial_value0.value_or(Any{}),
              value1 = in.initial_value1.value_or(Any{});
    if (!in.condition) return {value0, value1, {}};
    const DynamicPrompt& prompt = context.dynamic_prompt();
    const NodeIndex close = prompt.find(context.node_id());
    const NodeIndex open = prompt.find(in.flow_control.link.node);
    GraphBuilder graph{context};
    std::map<NodeIndex, GraphBuilder::Node> clones;
    for (const NodeIndex index : contained(prompt, open, close)) {
      auto clone =
          graph.node(prompt[index].class_type, index == close ? "Recurse" : prompt[index].id);
      clones.emplace(index, clone.display_as(prompt[index].id));
    }
    for (auto& [index, clone] : clones)
      for (const PromptInput& input : prompt[index].inputs) {
        if (index == open && input.name.starts_with("initial_value")) continue;
        const auto source = input.is_link ? clones.find(input.source) : clones.end();
        clone.set(input.name,
                  source == clones.end() ? input.value : source->second.out(input.slot));
      }
    clones.at(open).set("initial_value0", value0).set("initial_value1", value1);
    auto& again = clones.at(close);
    return {{}, {}, graph.finish({again.out(0), again.out(1)})};
  }
};

struct TestForLoopOpen {
  struct In {
    std::int64_t remaining = 1;
    LoopValue initial_value0, initial_value1;
  };
  struct Out {
    std::string flow;
    std::int64_t left = 0;
    Any value1;
    Expansion expansion;
  };
  static auto spec() {
    return node<TestForLoopOpen>("TestForLoopOpen", "Testing/Flow")
        .in("remaining", &In::remaining, {.min = 0, .max = 100000, .step = 1})
        .in("initial_value0", &In::initial_value0)
        .in("initial_value1", &In::initial_value1)
        .out("FLOW_CONTROL", &Out::flow, {.type = "FLOW_CONTROL"})
        .out("remaining", &Out::left)
        .out("value1", &Out::value1);
  }
  static Out run(const In& in, Context& context) {
    const Any left = in.initial_value0.value_or(Any{Json{in.remaining}});
    const Any value1 = in.initial_value1.value_or(Any{});
    GraphBuilder graph{context};
    graph.node("TestWhileLoopOpen")
        .set("condition", left)
        .set("initial_value0", left)
        .set("initial_value1", value1);
    return {{}, 0, {}, graph.finish({Any{Json{"stub"}}, left, value1})};
  }
};

struct TestForLoopClose {
  struct In {
    RawLink flow_control;
    std::optional<RawLink> initial_value1;
  };
  struct Out {
    Any value1;
    Expansion expansion;
  };
  static auto spec() {
    return node<TestForLoopClose>("TestForLoopClose", "Testing/Flow")
        .in("flow_control", &In::flow_control, {.type = "FLOW_CONTROL"})
        .in("initial_value1", &In::initial_value1)
        .out(&Out::value1);
  }
  static Out run(const In& in, Context& context) {
    GraphBuilder graph{context};
    auto minus = graph.node("TestIntMathOperation");
    minus.set("operation", "subtract")
        .set("a", graph::Link{in.flow_control.link.node, 1}.to_json())
        .set("b", 1);
    auto more = graph.node("TestToBoolNode");
    more.set("value", minus.out(0));
    auto close = graph.node("TestWhileLoopClose");
    close.set("flow_control", in.flow_control.link.to_json())
        .set("condition", more.out(0))
        .set("initial_value0", minus.out(0));
    if (in.initial_value1) close.set("initial_value1", in.initial_value1->link.to_json());
    return {{}, graph.finish({close.out(1)})};
  }
};

}  // namespace

void register_loop_nodes(Registry& registry) {
  registry.add<TestIntMathOperation>();
  registry.add<TestToBoolNode>();
  registry.add<TestWhileLoopOpen>();
  registry.add<TestWhileLoopClose>();
  registry.add<TestForLoopOpen>();
  registry.add<TestForLoopClose>();
}

}  // namespace comfy::engine
