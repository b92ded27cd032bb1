// SPDX-License-Identifier: GPL-3.0-or-later
#include "pack.h"

#include <cmath>
#include <regex>

namespace testing_pack {

using namespace comfy::plugin;
namespace {

/// The original's range exceeds 64 bits; as floats its ends can be told.
Json::Object unbounded() {
  return {{"min", -18446744073709551615.0}, {"max", 18446744073709551615u}};
}

[[noreturn]] void no_such_operation(const std::string& operation) {
  throw Error(Error::Kind::invalid_input, "expected an operation, got \"" + operation + "\"");
}

/// Division and remainder as Python's // and %: towards minus infinity.
std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  if (b == 0) throw Error(Error::Kind::invalid_input, "division by zero");
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

struct TestIntMathOperation {
  struct In {
    std::int64_t a = 0, b = 0;
    std::string operation = "add";
  };
  struct Out {
    std::int64_t result = 0;
  };

  static auto spec() {
    return node<TestIntMathOperation>("TestIntMathOperation", "Testing/Logic")
        .display("Int Math Operation")
        .in("a", &In::a, {.step = 1, .extra = unbounded()})
        .in("b", &In::b, {.step = 1, .extra = unbounded()})
        .in("operation", &In::operation,
            {.choices = {"add", "subtract", "multiply", "divide", "modulo", "power"},
             .show_default = false})
        .out(&Out::result);
  }

  static Out run(const In& in) {
    if (in.operation == "add") return {in.a + in.b};
    if (in.operation == "subtract") return {in.a - in.b};
    if (in.operation == "multiply") return {in.a * in.b};
    if (in.operation == "divide") return {floor_divide(in.a, in.b)};
    if (in.operation == "modulo") return {in.a - floor_divide(in.a, in.b) * in.b};
    if (in.operation == "power")
      return {static_cast<std::int64_t>(
          std::llround(std::pow(static_cast<double>(in.a), static_cast<double>(in.b))))};
    no_such_operation(in.operation);
  }
};

struct TestMakeListNode {
  struct In {
    Any value1;
    Passed value2, value3, value4, value5, value6, value7, value8, value9;
  };
  struct Out {
    List<Any> list;
  };

  static auto spec() {
    return node<TestMakeListNode>("TestMakeListNode", "Testing/Lists")
        .display("Make List")
        .in("value1", &In::value1)
        .optional_in("value1", &In::value1)
        .in("value2", &In::value2)
        .in("value3", &In::value3)
        .in("value4", &In::value4)
        .in("value5", &In::value5)
        .in("value6", &In::value6)
        .in("value7", &In::value7)
        .in("value8", &In::value8)
        .in("value9", &In::value9)
        .out(&Out::list);
  }

  static Out run(const In& in) {
    Out out;
    out.list.push_back(in.value1);
    for (const Passed* more : {&in.value2, &in.value3, &in.value4, &in.value5, &in.value6,
                               &in.value7, &in.value8, &in.value9})
      if (*more) out.list.push_back(**more);
    return out;
  }
};

template <class Number>
bool compare(const Number& a, const Number& b, const std::string& operation) {
  if (operation == "==") return a == b;
  if (operation == "!=") return a != b;
  if (operation == "<") return a < b;
  if (operation == ">") return a > b;
  if (operation == "<=") return a <= b;
  if (operation == ">=") return a >= b;
  no_such_operation(operation);
}

struct TestIntConditions {
  struct In {
    std::int64_t a = 0, b = 0;
    std::string operation = "==";
  };
  struct Out {
    bool result = false;
  };

  static auto spec() {
    return node<TestIntConditions>("TestIntConditions", "Testing/Logic")
        .display("Int Condition")
        .in("a", &In::a, {.step = 1, .extra = unbounded()})
        .in("b", &In::b, {.step = 1, .extra = unbounded()})
        .in("operation", &In::operation,
            {.choices = {"==", "!=", "<", ">", "<=", ">="}, .show_default = false})
        .out(&Out::result);
  }

  static Out run(const In& in) { return {compare(in.a, in.b, in.operation)}; }
};

struct TestFloatConditions {
  struct In {
    double a = 0, b = 0;
    std::string operation = "==";
  };
  struct Out {
    bool result = false;
  };

  static auto spec() {
    return node<TestFloatConditions>("TestFloatConditions", "Testing/Logic")
        .display("Float Condition")
        .in("a", &In::a, {.min = -999999999999.0, .max = 999999999999.0, .step = 1})
        .in("b", &In::b, {.min = -999999999999.0, .max = 999999999999.0, .step = 1})
        .in("operation", &In::operation,
            {.choices = {"==", "!=", "<", ">", "<=", ">="}, .show_default = false})
        .out(&Out::result);
  }

  static Out run(const In& in) { return {compare(in.a, in.b, in.operation)}; }
};

std::string lower_case(std::string text) {
  for (char& letter : text)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return text;
}

struct TestStringConditions {
  struct In {
    std::string a, b, operation = "a == b";
    bool case_sensitive = true;
  };
  struct Out {
    bool result = false;
  };

  static auto spec() {
    return node<TestStringConditions>("TestStringConditions", "Testing/Logic")
        .display("String Condition")
        .in("a", &In::a, {.multiline = false})
        .in("b", &In::b, {.multiline = false})
        .in("operation", &In::operation,
            {.choices = {"a == b", "a != b", "a IN b", "a MATCH REGEX(b)", "a BEGINSWITH b",
                         "a ENDSWITH b"},
             .show_default = false})
        .in("case_sensitive", &In::case_sensitive)
        .out(&Out::result);
  }

  static Out run(const In& in) {
    const std::string a = in.case_sensitive ? in.a : lower_case(in.a);
    const std::string b = in.case_sensitive ? in.b : lower_case(in.b);
    if (in.operation == "a == b") return {a == b};
    if (in.operation == "a != b") return {a != b};
    if (in.operation == "a IN b") return {b.find(a) != std::string::npos};
    if (in.operation == "a MATCH REGEX(b)") return {matches(a, b)};
    if (in.operation == "a BEGINSWITH b") return {a.starts_with(b)};
    if (in.operation == "a ENDSWITH b") return {a.ends_with(b)};
    no_such_operation(in.operation);
  }

  /// From the front on, as Python's re.match; a bad expression matches nothing.
  static bool matches(const std::string& text, const std::string& expression) {
    try {
      return std::regex_search(text, std::regex{expression},
                               std::regex_constants::match_continuous);
    } catch (const std::regex_error&) {
      return false;
    }
  }
};

struct TestToBoolNode {
  struct In {
    Any value;
    bool invert = false;
  };
  struct Out {
    bool result = false;
  };

  static auto spec() {
    return node<TestToBoolNode>("TestToBoolNode", "Testing/Logic")
        .display("To Bool")
        .in("value", &In::value)
        .optional_in("invert", &In::invert)
        .out(&Out::result);
  }

  static Out run(const In& in) { return {is_true(in.value) != in.invert}; }
};

struct TestBoolOperationNode {
  struct In {
    bool a = false, b = false;
    std::string op = "a AND b";
  };
  struct Out {
    bool result = false;
  };

  static auto spec() {
    return node<TestBoolOperationNode>("TestBoolOperationNode", "Testing/Logic")
        .display("Bool Operation")
        .in("a", &In::a, {.show_default = false})
        .in("b", &In::b, {.show_default = false})
        .in("op", &In::op,
            {.choices = {"a AND b", "a OR b", "a XOR b", "NOT a"}, .show_default = false})
        .out(&Out::result);
  }

  static Out run(const In& in) {
    if (in.op == "a AND b") return {in.a && in.b};
    if (in.op == "a OR b") return {in.a || in.b};
    if (in.op == "a XOR b") return {in.a != in.b};
    if (in.op == "NOT a") return {!in.a};
    no_such_operation(in.op);
  }
};

}  // namespace

void register_logic_nodes(Registry& registry) {
  registry.add<TestIntMathOperation>();
  registry.add<TestMakeListNode>();
  registry.add<TestIntConditions>();
  registry.add<TestFloatConditions>();
  registry.add<TestStringConditions>();
  registry.add<TestToBoolNode>();
  registry.add<TestBoolOperationNode>();
}

}  // namespace testing_pack
