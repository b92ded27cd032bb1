// SPDX-License-Identifier: GPL-3.0-or-later
#include "pack.h"

#include <map>
#include <set>

namespace testing_pack {

using namespace comfy::plugin;
namespace {

struct TestExecutionBlocker {
  struct In {
    Any input;
    bool block = false, verbose = false;
  };
  struct Out {
    Any output;
    std::optional<Blocker> block;
  };

  static auto spec() {
    return node<TestExecutionBlocker>("TestExecutionBlocker", "Testing/Flow")
        .display("Execution Blocker")
        .in("input", &In::input)
        .in("block", &In::block, {.show_default = false})
        .in("verbose", &In::verbose)
        .out("output", &Out::output);
  }

  static Out run(const In& in) {
    Out out{.output = in.input, .block = {}};
    if (in.block)
      out.block = Blocker{in.verbose ? std::optional<std::string>{"Verbose Block!"} : std::nullopt};
    return out;
  }
};

struct TestWhileLoopOpen {
  struct In {
    bool condition = true;
    Passed initial_value0, initial_value1, initial_value2, initial_value3, initial_value4;
  };
  struct Out {
    std::string flow = "stub";
    Any value0, value1, value2, value3, value4;
  };

  static auto spec() {
    return node<TestWhileLoopOpen>("TestWhileLoopOpen", "Testing/Flow")
        .display("While Loop Open")
        .in("condition", &In::condition)
        .in("initial_value0", &In::initial_value0)
        .in("initial_value1", &In::initial_value1)
        .in("initial_value2", &In::initial_value2)
        .in("initial_value3", &In::initial_value3)
        .in("initial_value4", &In::initial_value4)
        .out("FLOW_CONTROL", &Out::flow, {.type = "FLOW_CONTROL"})
        .out("value0", &Out::value0)
        .out("value1", &Out::value1)
        .out("value2", &Out::value2)
        .out("value3", &Out::value3)
        .out("value4", &Out::value4);
  }

  static Out run(const In& in) {
    const auto passed = [](const Passed& value) { return value.value_or(Any{}); };
    return {.value0 = passed(in.initial_value0),
            .value1 = passed(in.initial_value1),
            .value2 = passed(in.initial_value2),
            .value3 = passed(in.initial_value3),
            .value4 = passed(in.initial_value4)};
  }
};

/// The nodes between the opening and the closing one of a loop, both included.
std::set<NodeIndex> nodes_of_loop(const DynamicPrompt& prompt, NodeIndex open, NodeIndex close) {
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

struct TestWhileLoopClose {
  struct In {
    RawLink flow_control;
    bool condition = false;
    Passed initial_value0, initial_value1, initial_value2, initial_value3, initial_value4;
  };
  struct Out {
    Any value0, value1, value2, value3, value4;
    Expansion expansion;
  };

  static auto spec() {
    return node<TestWhileLoopClose>("TestWhileLoopClose", "Testing/Flow")
        .display("While Loop Close")
        .in("flow_control", &In::flow_control, {.type = "FLOW_CONTROL"})
        .in("condition", &In::condition, {.force_input = true})
        .in("initial_value0", &In::initial_value0)
        .in("initial_value1", &In::initial_value1)
        .in("initial_value2", &In::initial_value2)
        .in("initial_value3", &In::initial_value3)
        .in("initial_value4", &In::initial_value4)
        .hidden({Hidden::dynprompt, Hidden::unique_id})
        .out("value0", &Out::value0)
        .out("value1", &Out::value1)
        .out("value2", &Out::value2)
        .out("value3", &Out::value3)
        .out("value4", &Out::value4);
  }

  /// Another turn: copies of the loop's nodes, the values going in at the opening one.
  static Expansion another_turn(const RawLink& flow, const std::vector<Any>& values,
                                Context& context) {
    const DynamicPrompt& prompt = context.dynamic_prompt();
    const NodeIndex close = prompt.find(context.node_id());
    const NodeIndex open = prompt.find(flow.link.node);
    GraphBuilder graph{context};
    std::map<NodeIndex, GraphBuilder::Node> copies;
    for (const NodeIndex index : nodes_of_loop(prompt, open, close)) {
      auto copy =
          graph.node(prompt[index].class_type, index == close ? "Recurse" : prompt[index].id);
      copies.emplace(index, copy.display_as(prompt[index].id));
    }
    for (auto& [index, copy] : copies)
      for (const PromptInput& input : prompt[index].inputs) {
        if (index == open && input.name.starts_with("initial_value")) continue;
        const auto source = input.is_link ? copies.find(input.source) : copies.end();
        copy.set(input.name, source == copies.end() ? input.value : source->second.out(input.slot));
      }
    std::vector<Value> results;
    for (std::size_t i = 0; i < values.size(); ++i) {
      copies.at(open).set("initial_value" + std::to_string(i), values[i]);
      results.push_back(copies.at(close).out(i));
    }
    return graph.finish(std::move(results));
  }

  static Out run(const In& in, Context& context) {
    const auto passed = [](const Passed& value) { return value.value_or(Any{}); };
    const std::vector<Any> values{passed(in.initial_value0), passed(in.initial_value1),
                                  passed(in.initial_value2), passed(in.initial_value3),
                                  passed(in.initial_value4)};
    Out out;
    if (in.condition) {
      out.expansion = another_turn(in.flow_control, values, context);
      return out;
    }
    out.value0 = values[0];
    out.value1 = values[1];
    out.value2 = values[2];
    out.value3 = values[3];
    out.value4 = values[4];
    return out;
  }
};

struct TestForLoopOpen {
  struct In {
    std::int64_t remaining = 1;
    Passed initial_value1, initial_value2, initial_value3, initial_value4;
    ExtraInputs hidden;
  };
  struct Out {
    std::string flow;
    std::int64_t left = 0;
    Any value1, value2, value3, value4;
    Expansion expansion;
  };

  static auto spec() {
    return node<TestForLoopOpen>("TestForLoopOpen", "Testing/Flow")
        .display("For Loop Open")
        .in("remaining", &In::remaining, {.min = 0, .max = 100000, .step = 1})
        .in("initial_value1", &In::initial_value1)
        .in("initial_value2", &In::initial_value2)
        .in("initial_value3", &In::initial_value3)
        .in("initial_value4", &In::initial_value4)
        .hidden_in("initial_value0", "*")
        .extra_inputs(&In::hidden)
        .out("flow_control", &Out::flow, {.type = "FLOW_CONTROL"})
        .out("remaining", &Out::left)
        .out("value1", &Out::value1)
        .out("value2", &Out::value2)
        .out("value3", &Out::value3)
        .out("value4", &Out::value4);
  }

  static Out run(const In& in, Context& context) {
    // What a turn before this one left goes before what the user typed.
    Any left = Json{in.remaining};
    for (const auto& [name, value] : in.hidden)
      if (name == "initial_value0") left = value;
    const auto passed = [](const Passed& value) { return value.value_or(Any{}); };
    const std::vector<Value> values{passed(in.initial_value1), passed(in.initial_value2),
                                    passed(in.initial_value3), passed(in.initial_value4)};
    GraphBuilder graph{context};
    auto open = graph.node("TestWhileLoopOpen");
    open.set("condition", left).set("initial_value0", left);
    std::vector<Value> results{Json{"stub"}, left};
    for (std::size_t i = 0; i < values.size(); ++i) {
      open.set("initial_value" + std::to_string(i + 1), values[i]);
      results.push_back(values[i]);
    }
    Out out;
    out.expansion = graph.finish(std::move(results));
    return out;
  }
};

struct TestForLoopClose {
  struct In {
    RawLink flow_control;
    std::optional<RawLink> initial_value1, initial_value2, initial_value3, initial_value4;
  };
  struct Out {
    Any value1, value2, value3, value4;
    Expansion expansion;
  };

  static auto spec() {
    return node<TestForLoopClose>("TestForLoopClose", "Testing/Flow")
        .display("For Loop Close")
        .in("flow_control", &In::flow_control, {.type = "FLOW_CONTROL"})
        .in("initial_value1", &In::initial_value1)
        .in("initial_value2", &In::initial_value2)
        .in("initial_value3", &In::initial_value3)
        .in("initial_value4", &In::initial_value4)
        .out("value1", &Out::value1)
        .out("value2", &Out::value2)
        .out("value3", &Out::value3)
        .out("value4", &Out::value4);
  }

  static Out run(const In& in, Context& context) {
    GraphBuilder graph{context};
    auto minus = graph.node("TestIntMathOperation");
    minus.set("operation", "subtract")
        .set("a", Json{Json::Array{in.flow_control.link.node, 1}})
        .set("b", 1);
    auto more = graph.node("TestToBoolNode");
    more.set("value", minus.out(0));
    auto close = graph.node("TestWhileLoopClose");
    close.set("flow_control", in.flow_control.link.to_json())
        .set("condition", more.out(0))
        .set("initial_value0", minus.out(0));
    const std::optional<RawLink>* const wires[] = {&in.initial_value1, &in.initial_value2,
                                                   &in.initial_value3, &in.initial_value4};
    std::vector<Value> results;
    for (std::size_t i = 1; i <= std::size(wires); ++i) {
      if (const auto& wire = *wires[i - 1])
        close.set("initial_value" + std::to_string(i), wire->link.to_json());
      results.push_back(close.out(i));
    }
    Out out;
    out.expansion = graph.finish(std::move(results));
    return out;
  }
};

}  // namespace

void register_flow_nodes(Registry& registry) {
  registry.add<TestWhileLoopOpen>();
  registry.add<TestWhileLoopClose>();
  registry.add<TestExecutionBlocker>();
}

void register_loop_nodes(Registry& registry) {
  registry.add<TestForLoopOpen>();
  registry.add<TestForLoopClose>();
}

}  // namespace testing_pack
