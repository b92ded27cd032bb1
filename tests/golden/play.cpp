// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/play.h"

#include "foundation/base/error.h"
#include "foundation/paths/folders.h"
#include "golden/recorded_sampling.h"
#include "inference/residency/residency.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/nodes/all.h"
#include "worker/nodes/audio/audio.h"
#include "worker/nodes/ports.h"
#include "worker/nodes/sampling/custom_ports.h"
#include "worker/nodes/services.h"

#include <fmt/format.h>

namespace comfy::golden {
namespace {

using engine::node;
using engine::Value;

/// What the two test-only nodes read and fill: the case that is being played.
struct Scene {
  const Case* recorded = nullptr;
  std::map<std::string, Value> outputs;
};
Scene scene;

/// Gives a recorded tensor to the workflow.
struct GoldenInput {
  struct In {
    std::string name;
    std::string type;
    std::int64_t sample_rate = 0;  ///< of an AUDIO
  };
  struct Out {
    engine::Any value;
  };
  static auto spec() {
    return node<GoldenInput>("GoldenInput", "testing")
        .in("name", &In::name)
        .in("type", &In::type)
        .optional_in("sample_rate", &In::sample_rate)
        .out(&Out::value);
  }
  static Out run(const In& in) {
    const std::string key = "input." + in.name;
    if (in.type == "IMAGE") return {Value::of(nodes::Image{(*scene.recorded)[key]})};
    if (in.type == "MASK") return {Value::of(nodes::Mask{(*scene.recorded)[key]})};
    if (in.type == "AUDIO")
      return {Value::of(nodes::Audio{(*scene.recorded)[key], in.sample_rate})};
    if (in.type == "SIGMAS")
      return {Value::of(nodes::SigmaList{as_sigmas((*scene.recorded)[key])})};
    if (in.type == "LATENT") return {Value::of(nodes::Latent{.samples = (*scene.recorded)[key]})};
    throw Error(Error::Kind::unsupported, "GoldenInput of type " + in.type);
  }
};

/// A model with one of the parameterizations that schedules were recorded for.
struct GoldenSampling {
  struct In {
    nodes::Model model;
    std::string parameterization;
  };
  struct Out {
    nodes::Model model;
  };
  static auto spec() {
    return node<GoldenSampling>("GoldenSampling", "testing")
        .in("model", &In::model)
        .in("parameterization", &In::parameterization)
        .out(&Out::model);
  }
  static Out run(const In& in) {
    return {in.model.with_sampling(recorded_parameterizations().at(in.parameterization))};
  }
};

/// Takes an output of the workflow away for comparison; of a list each element, as `name.0` ...
struct GoldenOutput {
  struct In {
    std::vector<std::string> name;
    std::vector<engine::Any> value;
    std::vector<int> of_list{0};
  };
  struct Out {
    engine::Ui ui;
  };
  static auto spec() {
    return node<GoldenOutput>("GoldenOutput", "testing")
        .in("name", &In::name)
        .in("value", &In::value)
        .optional_in("of_list", &In::of_list)
        .takes_lists()
        .as_output_node();
  }
  static Out run(const In& in) {
    const std::string& name = in.name.at(0);
    for (std::size_t i = 0; i < in.value.size(); ++i)
      scene.outputs[in.of_list.at(0) == 0 ? name : fmt::format("{}.{}", name, i)] = in.value[i];
    return {};
  }
};

struct Quiet final : engine::EventSink {
  void event(engine::Event) override {}
  void preview(engine::PreviewEvent) override {}
  void text(engine::NodeText) override {}
};

const engine::Registry& registry() {
  static const engine::Registry all = [] {
    engine::Registry made;
    nodes::register_all_nodes(made);
    made.add<GoldenInput>();
    made.add<GoldenOutput>();
    made.add<GoldenSampling>();
    return made;
  }();
  return all;
}

}  // namespace

Played play_prompt(const Case& recorded, const Json& prompt, const Stage& stage) {
  const paths::Folders folders{paths::FolderOptions{.base = stage.base,
                                                    .input = {},
                                                    .output = {},
                                                    .temp = {},
                                                    .user = {},
                                                    .extra_model_paths = {}}};
  static residency::Residency residency{std::size_t{4} << 30};
  nodes::Services services{.folders = folders, .residency = residency};
  scene = {&recorded, {}};
  engine::Execution execution{.prompt_id = "golden",
                              .prompt = prompt,
                              .extra_data = stage.extra_data,
                              .publisher = stage.publisher};
  for (const auto& [id, entry] : prompt.as_object()) {
    const std::string& class_type = entry.at("class_type").as_string();
    if (class_type == "GoldenOutput" || class_type == "SaveImage") execution.outputs.push_back(id);
  }
  Quiet quiet;
  engine::ExecutionResult result = engine::Executor{registry(), &services}.run(execution, quiet);
  return {std::move(result), std::move(scene.outputs)};
}

Outcome Played::failure() const {
  const Json& last = result.messages.back().as_array().at(1);
  const std::string message = last.string_or("exception_message", "no message");
  if (message.find("unsupported") != std::string::npos) return Outcome::not_yet(message);
  return Outcome::failed(fmt::format("node {} ({}): {}", last.string_or("node_id", "?"),
                                     last.string_or("node_type", "?"), message));
}

const engine::NodeType* find_class(const std::string& class_type) {
  return registry().find(class_type);
}

std::optional<std::string> missing_class(const Json& workflow) {
  for (const auto& [id, entry] : workflow.as_object())
    if (registry().find(entry.at("class_type").as_string()) == nullptr)
      return entry.at("class_type").as_string();
  return {};
}

bool gives_list(const Json& workflow, const Json& link) {
  const Json* node = workflow.find(link.as_array()[0].as_string());
  const engine::NodeType* type =
      node == nullptr ? nullptr : registry().find(node->at("class_type").as_string());
  const std::uint64_t slot = link.as_array()[1].as_uint();
  return type != nullptr && slot < type->definition.outputs.size() &&
         type->definition.outputs[slot].is_list;
}

Json step(const char* class_type, Json inputs) {
  return Json::Object{{"class_type", class_type}, {"inputs", std::move(inputs)}};
}

Json link(const char* node, int slot) { return Json::Array{node, slot}; }

Json golden_input(const char* name, const char* type) {
  return step("GoldenInput", Json::Object{{"name", name}, {"type", type}});
}

Json golden_output(const char* name, const Json& from) {
  return step("GoldenOutput", Json::Object{{"name", name}, {"value", from}});
}

}  // namespace comfy::golden
