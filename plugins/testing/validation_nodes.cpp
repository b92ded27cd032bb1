// SPDX-License-Identifier: GPL-3.0-or-later
#include "pack.h"

#include <comfy/ops.h>

namespace testing_pack {

using namespace comfy::plugin;
namespace {

[[noreturn]] void complain(std::string text) {
  throw Error(Error::Kind::invalid_input, std::move(text));
}

/// A picture or a number as a factor.
Tensor factor(const Any& value) {
  if (const Image* image = value.get<Image>()) return image->pixels;
  return at::full({1, 512, 512, 3}, unbox<double>(value));
}

/// The validator sees literals only; a wire is null to it.
void expect_number(const char* name, const Any& value) {
  const Json* json = value.json();
  if (!json || json->is_null()) return;
  if (!json->is_number() || json->is_integer())
    complain(std::string{"Invalid type of "} + name + ": " + json->type_name());
}

void expect_image_or_number(const char* name, const LinkTypes& types) {
  const Json* type = types.find(name);
  if (type && *type != Json{"IMAGE"} && *type != Json{"FLOAT"})
    complain(std::string{"Invalid type of "} + name + ": " +
             (type->is_string() ? type->as_string() : to_json(*type)));
}

struct TestCustomValidation1 {
  struct In {
    Any input1, input2;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<TestCustomValidation1>("TestCustomValidation1", "Testing/Nodes")
        .display("Custom Validation 1")
        .in("input1", &In::input1, {.type = "IMAGE,FLOAT"})
        .in("input2", &In::input2, {.type = "IMAGE,FLOAT"})
        .validates({"input1", "input2"})
        .out(&Out::image);
  }

  static void validate(const In& in) {
    expect_number("input1", in.input1);
    expect_number("input2", in.input2);
  }

  static Out run(const In& in) { return {{factor(in.input1) * factor(in.input2)}}; }
};

/// Judges the types of wires as well as literals.
struct TestCustomValidation2 {
  using In = TestCustomValidation1::In;
  using Out = TestCustomValidation1::Out;

  static auto spec() {
    return node<TestCustomValidation2>("TestCustomValidation2", "Testing/Nodes")
        .display("Custom Validation 2")
        .in("input1", &In::input1, {.type = "IMAGE,FLOAT"})
        .in("input2", &In::input2, {.type = "IMAGE,FLOAT"})
        .validates({"input1", "input2"})
        .out(&Out::image);
  }

  static void validate(const In& in, const LinkTypes& types) {
    expect_number("input1", in.input1);
    expect_number("input2", in.input2);
    expect_image_or_number("input1", types);
    expect_image_or_number("input2", types);
  }

  static Out run(const In& in) { return TestCustomValidation1::run(in); }
};

/// Judges the types of wires only.
struct TestCustomValidation3 {
  using In = TestCustomValidation1::In;
  using Out = TestCustomValidation1::Out;

  static auto spec() {
    return node<TestCustomValidation3>("TestCustomValidation3", "Testing/Nodes")
        .display("Custom Validation 3")
        .in("input1", &In::input1, {.type = "IMAGE,FLOAT"})
        .in("input2", &In::input2, {.type = "IMAGE,FLOAT"})
        .out(&Out::image);
  }

  static void validate(const In&, const LinkTypes& types) {
    expect_image_or_number("input1", types);
    expect_image_or_number("input2", types);
  }

  static Out run(const In& in) { return TestCustomValidation1::run(in); }
};

struct TestCustomValidation4 {
  struct In {
    double input1 = 0, input2 = 0;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<TestCustomValidation4>("TestCustomValidation4", "Testing/Nodes")
        .display("Custom Validation 4")
        .in("input1", &In::input1, {.show_default = false})
        .in("input2", &In::input2, {.show_default = false})
        .validates({"input1", "input2"})
        .out(&Out::image);
  }

  static void validate(const In& in) {
    if (in.input1 == 7.0 || in.input2 == 7.0) complain("7s are not allowed. I've never liked 7s.");
  }

  static Out run(const In& in) { return {grey_image(in.input1 * in.input2)}; }
};

/// Its validator takes every input, and so replaces the range checks of all.
struct TestCustomValidation5 {
  using In = TestCustomValidation4::In;
  using Out = TestCustomValidation4::Out;

  static auto spec() {
    return node<TestCustomValidation5>("TestCustomValidation5", "Testing/Nodes")
        .display("Custom Validation 5")
        .in("input1", &In::input1, {.min = 0, .max = 1, .show_default = false})
        .in("input2", &In::input2, {.min = 0, .max = 1, .show_default = false})
        .validates({"*"})
        .out(&Out::image);
  }

  static void validate(const In& in) {
    if (in.input2 == 7.0) complain("7s are not allowed. I've never liked 7s.");
  }

  static Out run(const In& in) { return {grey_image(in.input1 * in.input2)}; }
};

}  // namespace

void register_validation_nodes(Registry& registry) {
  registry.add<TestCustomValidation1>();
  registry.add<TestCustomValidation2>();
  registry.add<TestCustomValidation3>();
  registry.add<TestCustomValidation4>();
  registry.add<TestCustomValidation5>();
}

}  // namespace testing_pack
