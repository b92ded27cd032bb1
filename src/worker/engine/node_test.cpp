// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/node.h"

#include "foundation/graph/object_info.h"
#include "worker/engine/registry.h"
#include "worker/engine/testing/nodes.h"

#include <gtest/gtest.h>

namespace comfy::engine {
namespace {

std::vector<std::string> sampler_names() { return {"euler", "heun"}; }

struct Everything {
  struct In {
    Picture image;
    std::uint64_t seed = 0;
    double cfg = 8.0;
    std::string sampler;
    std::string text;
    bool tiled = false;
    ModelFile<"vae"> vae;
    InputImage file;
    std::optional<Mask> mask;
    std::optional<int> count;
    Lazy<Picture> late;
  };
  struct Out {
    Picture image;
    List<int> numbers;
    Ui ui;
  };
  static auto spec() {
    return node<Everything>("Everything", "testing")
        .doc("Has it all.")
        .display("All of it")
        .module("comfy_extras.nodes_all")
        .in("image", &In::image, {.tooltip = "A picture."})
        .in("seed", &In::seed,
            {.min = 0, .max = 18446744073709551615ULL, .control_after_generate = true})
        .in("cfg", &In::cfg, {.min = 0.0, .max = 100.0, .step = 0.1, .round = 0.01})
        .in("sampler", &In::sampler, {.choices = sampler_names})
        .in("text", &In::text, {.multiline = true, .dynamic_prompts = true})
        .in("tiled", &In::tiled, {.label_on = "yes"})
        .in("vae", &In::vae, {.last = {"pixel_space"}})
        .in("file", &In::file, {.image_upload = true})
        .in("mask", &In::mask)
        .in("count", &In::count, {.min = 1})
        .in("late", &In::late)
        .out("picture", &Out::image, {.tooltip = "The result."})
        .out(&Out::numbers)
        .hidden({Hidden::prompt, Hidden::unique_id})
        .as_output_node()
        .experimental();
  }
  static Out run(const In& in) {
    Out out;
    out.image = in.image;
    out.numbers = {1, 2};
    out.ui.add("text", in.sampler);
    return out;
  }
};

TEST(Node, ShowsEverythingItDeclares) {
  const NodeType type = Everything::spec().build();
  const graph::FileChoices files{
      .models = [](const std::string&) { return std::vector<std::string>{"a.safetensors"}; },
      .inputs = [](const std::string&) { return std::vector<std::string>{"x.png"}; }};
  EXPECT_EQ(
      to_json(graph::object_info(type.definition, files)),
      R"({"input": {"required": {"image": ["IMAGE", {"tooltip": "A picture."}], "seed": ["INT", )"
      R"({"default": 0, "min": 0, "max": 18446744073709551615, "control_after_generate": true}], )"
      R"("cfg": ["FLOAT", {"default": 8.0, "min": 0.0, "max": 100.0, "step": 0.1, "round": 0.01}], )"
      R"("sampler": [["euler", "heun"]], "text": ["STRING", {"multiline": true, "dynamicPrompts": )"
      R"(true}], "tiled": ["BOOLEAN", {"default": false, "label_on": "yes"}], "vae": )"
      R"([["a.safetensors", "pixel_space"]], "file": [["x.png"], {"image_upload": true}], "late": )"
      R"(["IMAGE", {"lazy": true}]}, "optional": {"mask": ["MASK"], "count": ["INT", {"min": 1}]}, )"
      R"("hidden": {"prompt": "PROMPT", "unique_id": "UNIQUE_ID"}}, "input_order": {"required": )"
      R"(["image", "seed", "cfg", "sampler", "text", "tiled", "vae", "file", "late"], "optional": )"
      R"(["mask", "count"], "hidden": ["prompt", "unique_id"]}, "output": ["IMAGE", "INT"], )"
      R"("output_is_list": [false, true], "output_name": ["picture", "INT"], "name": "Everything", )"
      R"("display_name": "All of it", "description": "Has it all.", "python_module": )"
      R"("comfy_extras.nodes_all", "category": "testing", "output_node": true, "output_tooltips": )"
      R"(["The result.", null], "experimental": true})");
  EXPECT_TRUE(type.definition.id_matters());
}

struct Trim {
  struct In {
    std::string text;
    std::string mode = "Both";
    Picture image;
  };
  struct Out {
    std::string text;
  };
  static auto spec() {
    return node<Trim>("Trim", "utils/string")
        .schema()
        .display("Trim")
        .in("string", &In::text, {.multiline = true, .tooltip = "Text."})
        .in("mode", &In::mode, {.choices = {"Both", "Left"}, .show_default = false})
        .in("image", &In::image)
        .out(&Out::text);
  }
  static Out run(const In& in) { return {in.text}; }
};

TEST(Node, ShowsTheNewerForm) {
  EXPECT_EQ(
      to_json(graph::object_info(Trim::spec().build().definition, {})),
      R"({"input": {"required": {"string": ["STRING", {"tooltip": "Text.", "multiline": true}], )"
      R"("mode": ["COMBO", {"multiselect": false, "options": ["Both", "Left"]}], "image": )"
      R"(["IMAGE", {}]}}, "input_order": {"required": ["string", "mode", "image"]}, "output": )"
      R"(["STRING"], "output_is_list": [false], "output_name": ["STRING"], "output_tooltips": )"
      R"([null], "name": "Trim", "display_name": "Trim", "description": "", "python_module": )"
      R"("nodes", "category": "utils/string", "output_node": false, "deprecated": false, )"
      R"("experimental": false, "api_node": false})");
}

template <int Default, bool Lists>
struct Contradictory {
  struct In {
    int value = Default;
    std::vector<Picture> images;
  };
  struct Out {};
  static auto spec() {
    auto built = node<Contradictory>("Contradictory", "x")
                     .in("value", &In::value, {.min = 1, .max = 10})
                     .in("images", &In::images);
    return Lists ? std::move(built).takes_lists() : std::move(built);
  }
  static Out run(const In&) { return {}; }
};

TEST(Node, RefusesDeclarationsThatContradictThemselves) {
  EXPECT_NO_THROW((Contradictory<5, true>::spec().build()));
  EXPECT_THROW((Contradictory<11, true>::spec().build()), Error);
  EXPECT_THROW((Contradictory<5, false>::spec().build()), Error);
}

/// Judges its wire; takes a value that other programs fill in.
struct Judge {
  struct In {
    Any value;
    ExtraInputs more;
  };
  struct Out {
    std::int64_t more = 0;
  };
  static auto spec() {
    return node<Judge>("Judge", "x")
        .in("value", &In::value)
        .optional_in("value", &In::value)
        .hidden_in("start", "*")
        .hidden({Hidden::unique_id, Hidden::api_key_comfy_org})
        .extra_inputs(&In::more)
        .out(&Out::more);
  }
  static void validate(const In&, const LinkTypes& types) {
    if (const Json* type = types.find("value"); type && *type != Json{"INT"})
      throw Error(Error::Kind::invalid_input, "no " + type->as_string());
  }
  static Out run(const In& in) { return {std::ssize(in.more)}; }
};

TEST(Node, DeclaresHiddenInputsAndOneNameInTwoCategories) {
  const NodeType type = Judge::spec().build();
  EXPECT_EQ(to_json(graph::object_info(type.definition, {}).at("input")),
            R"({"required": {"value": ["*"]}, "optional": {"value": ["*"]}, "hidden": )"
            R"({"start": ["*"], "unique_id": "UNIQUE_ID", "api_key_comfy_org": )"
            R"("API_KEY_COMFY_ORG"}})");
  EXPECT_TRUE(type.definition.has_validator);
  EXPECT_TRUE(type.definition.validator_sees_types);
  EXPECT_NO_THROW(type.validate({}, {{"value", "INT"}}));
  EXPECT_THROW(type.validate({}, {{"value", "IMAGE"}}), Error);
}

TEST(Registry, TakesOverWhatIsNew) {
  Registry registry, plugin{"custom_nodes.mine"};
  registry.add<Trim>();
  plugin.add<Trim>();
  plugin.add<Judge>();
  EXPECT_EQ(registry.absorb(std::move(plugin)), std::vector<std::string>{"Trim"});
  EXPECT_EQ(registry.size(), 2u);
  EXPECT_EQ(registry.find("Trim")->definition.python_module, "nodes");
  EXPECT_EQ(registry.find("Judge")->definition.python_module, "custom_nodes.mine");
  EXPECT_NE(registry.catalogue().find("Judge"), nullptr);
}

template <class Options>
concept HasMultiline = requires(Options options) { options.multiline; };
static_assert(HasMultiline<Port<std::string>::Options>);
static_assert(!HasMultiline<Port<int>::Options>, "an INT has no multiline option");

TEST(Registry, RefusesANodeTwiceAndListsThemInOrder) {
  Registry registry;
  registry.add<Trim>();
  registry.add<Everything>();
  EXPECT_THROW(registry.add<Trim>(), Error);
  EXPECT_EQ(registry.catalogue().begin()->id, "Trim");
  EXPECT_EQ(registry.find("Nothing"), nullptr);
}

TEST(Port, ReadsNumbersWithinTheirRange) {
  EXPECT_EQ(Port<std::uint64_t>::from_json(18446744073709551615ULL), 18446744073709551615ULL);
  EXPECT_EQ(Port<int>::from_json(true), 1);
  EXPECT_EQ(Port<int>::from_json(3.7), 3);
  EXPECT_THROW(Port<int>::from_json(std::int64_t{1} << 40), Error);
  EXPECT_THROW(Port<int>::from_json("3"), Error);
  EXPECT_THROW(Port<std::uint64_t>::from_json(-1), Error);
  EXPECT_THROW(Port<std::int64_t>::from_json(18446744073709551615ULL), Error);
  EXPECT_THROW(Port<double>::from_json(Json{}), Error);
}

TEST(Value, HoldsExactlyOneType) {
  const Value picture = Value::of(Picture{.width = 4, .height = 2});
  EXPECT_NE(picture.get<Picture>(), nullptr);
  EXPECT_EQ(picture.get<Mask>(), nullptr);
  EXPECT_EQ(picture.describe(), Json{"a picture of 4x2"});
  EXPECT_EQ(Value{Json{5}}.describe(), Json{5});
  EXPECT_TRUE(Value{Json{}}.is_null());
  EXPECT_THROW(unbox<Mask>(picture), Error);
}

}  // namespace
}  // namespace comfy::engine
