// SPDX-License-Identifier: GPL-3.0-or-later
#include "pack.h"

namespace testing_pack {

using namespace comfy::plugin;

/// Values collected one by one.
struct Accumulation {
  std::vector<Value> items;
};

}  // namespace testing_pack

template <>
struct comfy::engine::Port<testing_pack::Accumulation> : Socket<"ACCUMULATION"> {};

namespace testing_pack {
namespace {

/// The place of an index that may count from the end, as in Python.
std::size_t place(const Accumulation& accumulation, std::int64_t index) {
  const auto size = static_cast<std::int64_t>(accumulation.items.size());
  const std::int64_t at = index < 0 ? index + size : index;
  if (at < 0 || at >= size)
    throw Error(Error::Kind::invalid_input, "index must lie in [-" + std::to_string(size) + ", " +
                                                std::to_string(size) + "), got " +
                                                std::to_string(index));
  return static_cast<std::size_t>(at);
}

struct TestAccumulateNode {
  struct In {
    Any to_add;
    std::optional<Accumulation> accumulation;
  };
  struct Out {
    Accumulation accumulation;
  };

  static auto spec() {
    return node<TestAccumulateNode>("TestAccumulateNode", "Testing/Lists")
        .display("Accumulate")
        .in("to_add", &In::to_add)
        .in("accumulation", &In::accumulation)
        .out(&Out::accumulation);
  }

  static Out run(const In& in) {
    Out out{in.accumulation.value_or(Accumulation{})};
    out.accumulation.items.push_back(in.to_add);
    return out;
  }
};

struct TestAccumulationHeadNode {
  struct In {
    Accumulation accumulation;
  };
  struct Out {
    Accumulation rest;
    Any value;
  };

  static auto spec() {
    return node<TestAccumulationHeadNode>("TestAccumulationHeadNode", "Testing/Lists")
        .display("Accumulation Head")
        .in("accumulation", &In::accumulation)
        .out(&Out::rest)
        .out(&Out::value);
  }

  static Out run(const In& in) {
    Out out{in.accumulation, {}};
    if (out.rest.items.empty()) return out;
    out.value = out.rest.items.front();
    out.rest.items.erase(out.rest.items.begin());
    return out;
  }
};

struct TestAccumulationTailNode {
  struct In {
    Accumulation accumulation;
  };
  struct Out {
    Accumulation rest;
    Any value;
  };

  static auto spec() {
    return node<TestAccumulationTailNode>("TestAccumulationTailNode", "Testing/Lists")
        .display("Accumulation Tail")
        .in("accumulation", &In::accumulation)
        .out(&Out::rest)
        .out(&Out::value);
  }

  static Out run(const In& in) {
    Out out{in.accumulation, {}};
    if (out.rest.items.empty()) return out;
    out.value = out.rest.items.back();
    out.rest.items.pop_back();
    return out;
  }
};

struct TestAccumulationToListNode {
  struct In {
    Accumulation accumulation;
  };
  struct Out {
    List<Any> list;
  };

  static auto spec() {
    return node<TestAccumulationToListNode>("TestAccumulationToListNode", "Testing/Lists")
        .display("Accumulation to List")
        .in("accumulation", &In::accumulation)
        .out(&Out::list);
  }

  static Out run(const In& in) {
    Out out;
    out.list.assign(in.accumulation.items.begin(), in.accumulation.items.end());
    return out;
  }
};

struct TestListToAccumulationNode {
  struct In {
    std::vector<Any> list;
  };
  struct Out {
    Accumulation accumulation;
  };

  static auto spec() {
    return node<TestListToAccumulationNode>("TestListToAccumulationNode", "Testing/Lists")
        .display("List to Accumulation")
        .in("list", &In::list)
        .takes_lists()
        .out(&Out::accumulation);
  }

  static Out run(const In& in) { return {{in.list}}; }
};

struct TestAccumulationGetLengthNode {
  struct In {
    Accumulation accumulation;
  };
  struct Out {
    std::int64_t length = 0;
  };

  static auto spec() {
    return node<TestAccumulationGetLengthNode>("TestAccumulationGetLengthNode", "Testing/Lists")
        .display("Accumulation Get Length")
        .in("accumulation", &In::accumulation)
        .out(&Out::length);
  }

  static Out run(const In& in) { return {std::ssize(in.accumulation.items)}; }
};

struct TestAccumulationGetItemNode {
  struct In {
    Accumulation accumulation;
    std::int64_t index = 0;
  };
  struct Out {
    Any value;
  };

  static auto spec() {
    return node<TestAccumulationGetItemNode>("TestAccumulationGetItemNode", "Testing/Lists")
        .display("Accumulation Get Item")
        .in("accumulation", &In::accumulation)
        .in("index", &In::index, {.step = 1})
        .out(&Out::value);
  }

  static Out run(const In& in) { return {in.accumulation.items[place(in.accumulation, in.index)]}; }
};

struct TestAccumulationSetItemNode {
  struct In {
    Accumulation accumulation;
    std::int64_t index = 0;
    Any value;
  };
  struct Out {
    Accumulation accumulation;
  };

  static auto spec() {
    return node<TestAccumulationSetItemNode>("TestAccumulationSetItemNode", "Testing/Lists")
        .display("Accumulation Set Item")
        .in("accumulation", &In::accumulation)
        .in("index", &In::index, {.step = 1})
        .in("value", &In::value)
        .out(&Out::accumulation);
  }

  static Out run(const In& in) {
    Out out{in.accumulation};
    out.accumulation.items[place(in.accumulation, in.index)] = in.value;
    return out;
  }
};

}  // namespace

void register_list_nodes(Registry& registry) {
  registry.add<TestAccumulateNode>();
  registry.add<TestAccumulationHeadNode>();
  registry.add<TestAccumulationTailNode>();
  registry.add<TestAccumulationToListNode>();
  registry.add<TestListToAccumulationNode>();
  registry.add<TestAccumulationGetLengthNode>();
  registry.add<TestAccumulationGetItemNode>();
  registry.add<TestAccumulationSetItemNode>();
}

}  // namespace testing_pack
