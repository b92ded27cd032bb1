// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/workflow_area.h"

#include "foundation/base/error.h"
#include "foundation/paths/folders.h"
#include "golden/golden_models.h"
#include "inference/residency/residency.h"
#include "inference/tensor/ops.h"
#include "worker/engine/executor.h"
#include "worker/engine/node.h"
#include "worker/nodes/all.h"
#include "worker/nodes/ports.h"
#include "worker/nodes/services.h"

#include <fmt/format.h>

namespace comfy::golden {
namespace {

namespace fs = std::filesystem;
using engine::node;
using engine::Value;

/// What the two test-only nodes read and fill: the case that is being played.
struct Play {
  const Case* recorded = nullptr;
  std::map<std::string, Value> outputs;
};
Play play;

/// Gives a recorded tensor to the workflow.
struct GoldenInput {
  struct In {
    std::string name;
    std::string type;
  };
  struct Out {
    engine::Any value;
  };
  static auto spec() {
    return node<GoldenInput>("GoldenInput", "testing")
        .in("name", &In::name)
        .in("type", &In::type)
        .out(&Out::value);
  }
  static Out run(const In& in) {
    const std::string key = "input." + in.name;
    if (in.type == "IMAGE") return {Value::of(nodes::Image{(*play.recorded)[key]})};
    if (in.type == "MASK") return {Value::of(nodes::Mask{(*play.recorded)[key]})};
    if (in.type == "LATENT") return {Value::of(nodes::Latent{.samples = (*play.recorded)[key]})};
    throw Error(Error::Kind::unsupported, "GoldenInput of type " + in.type);
  }
};

/// Takes an output of the workflow away for comparison.
struct GoldenOutput {
  struct In {
    std::string name;
    engine::Any value;
  };
  struct Out {
    engine::Ui ui;
  };
  static auto spec() {
    return node<GoldenOutput>("GoldenOutput", "testing")
        .in("name", &In::name)
        .in("value", &In::value)
        .as_output_node();
  }
  static Out run(const In& in) { return play.outputs[in.name] = in.value, Out{}; }
};

struct Quiet final : engine::EventSink {
  void event(engine::Event) override {}
  void preview(engine::PreviewEvent) override {}
};

const engine::Registry& registry() {
  static const engine::Registry all = [] {
    engine::Registry made;
    nodes::register_all_nodes(made);
    made.add<GoldenInput>();
    made.add<GoldenOutput>();
    return made;
  }();
  return all;
}

/// The workflow with one GoldenOutput for each recorded output.
Json with_outputs(const Json& info) {
  Json prompt = info.at("workflow");
  const auto take = [&](const std::string& name, Json link) {
    prompt["golden output " + name] =
        Json::Object{{"class_type", "GoldenOutput"},
                     {"inputs", Json::Object{{"name", name}, {"value", std::move(link)}}}};
  };
  const Json& outputs = info.at("outputs");
  if (outputs.is_object())
    for (const auto& [name, link] : outputs.as_object()) take(name, link);
  else
    for (std::int64_t i = 0; i < outputs.as_int(); ++i)
      take(std::to_string(i), Json::Array{"n", i});
  return prompt;
}

std::optional<std::string> missing_class(const Json& workflow) {
  for (const auto& [id, entry] : workflow.as_object())
    if (registry().find(entry.at("class_type").as_string()) == nullptr)
      return entry.at("class_type").as_string();
  return {};
}

struct Tolerance {
  double relative = 0, absolute = 0;
};

/// Compares one tensor; an absolute tolerance is turned into the relative one it means here.
void compare_tensor(Outcome& outcome, const Case& recorded, const std::string& key,
                    const Tensor& actual, const Tolerance& tolerance) {
  const Tensor expected = recorded[key];
  if (!actual.defined()) return outcome.add(key, {false, 0, "expected a tensor, found none"});
  double relative = tolerance.relative;
  if (tolerance.absolute > 0 && expected.numel() > 0) {
    const double largest = expected.to(at::kDouble).abs().max().item<double>();
    relative = std::max(relative, tolerance.absolute / std::max(largest, 1e-30));
  }
  outcome.add(key, compare(expected, actual, relative));
}

void compare_conditioning(Outcome& outcome, const Case& recorded, const std::string& prefix,
                          const nodes::Conditioning& actual, const Tolerance& tolerance) {
  for (std::size_t i = 0; recorded.has(fmt::format("{}.{}.0", prefix, i)); ++i) {
    if (i >= actual.size())
      return outcome.add(prefix,
                         {false, 0, fmt::format("expected more than {} entries", actual.size())});
    compare_tensor(outcome, recorded, fmt::format("{}.{}.0", prefix, i), actual[i].cond, tolerance);
    const std::string pooled = fmt::format("{}.{}.1.pooled_output", prefix, i);
    if (recorded.has(pooled))
      compare_tensor(outcome, recorded, pooled, actual[i].pooled, tolerance);
  }
}

/// Compares a scalar that the recording keeps in its JSON.
void compare_scalar(Outcome& outcome, const std::string& name, const Json& expected,
                    const Json& actual) {
  const bool equal = expected.is_number() && actual.is_number()
                         ? expected.as_double() == actual.as_double()
                         : expected == actual;
  outcome.add(
      name,
      {equal, 0,
       equal ? "" : fmt::format("expected {}, found {}", to_json(expected), to_json(actual))});
}

void compare_output(Outcome& outcome, const Case& recorded, const std::string& name,
                    const Value& value, const Tolerance& tolerance) {
  const std::string key = "expected." + name;
  if (const auto* latent = value.get<nodes::Latent>()) {
    compare_tensor(outcome, recorded, key + ".samples", latent->samples, tolerance);
    if (recorded.has(key + ".noise_mask"))
      compare_tensor(outcome, recorded, key + ".noise_mask", latent->noise_mask, tolerance);
    return;
  }
  if (const auto* image = value.get<nodes::Image>())
    return compare_tensor(outcome, recorded, key, image->pixels, tolerance);
  if (const auto* mask = value.get<nodes::Mask>())
    return compare_tensor(outcome, recorded, key, mask->values, tolerance);
  if (const auto* conditioning = value.get<nodes::Conditioning>())
    return compare_conditioning(outcome, recorded, key, *conditioning, tolerance);
  const Json* scalars = recorded.info().find("scalars");
  const Json* expected = scalars == nullptr ? nullptr : scalars->find(name);
  if (expected != nullptr && value.json() != nullptr)
    return compare_scalar(outcome, name, *expected, *value.json());
  outcome.add(name, {false, 0, "expected a recorded value, found " + to_json(value.describe())});
}

/// The outcome of a prompt that ended in an error.
Outcome of_error(const engine::ExecutionResult& result) {
  const Json& last = result.messages.back().as_array().at(1);
  const std::string message = last.string_or("exception_message", "no message");
  if (message.find("unsupported") != std::string::npos) return Outcome::not_yet(message);
  return Outcome::failed(fmt::format("node {} ({}): {}", last.string_or("node_id", "?"),
                                     last.string_or("node_type", "?"), message));
}

std::optional<Outcome> run_workflow(const fs::path& file, const Tolerance& tolerance) {
  if (file.extension() != ".safetensors") return {};
  const Case recorded = Case::load(file);
  const Json* workflow = recorded.info().find("workflow");
  if (workflow == nullptr) return Outcome::not_yet("no workflow");
  if (const auto missing = missing_class(*workflow)) return Outcome::not_yet("node " + *missing);

  const fs::path models =
      file.parent_path().parent_path() / recorded.info().string_or("models_dir", "e2e/models");
  const fs::path base = offer_models(models);
  if (const Json* derived = recorded.info().find("derived_models"))
    make_derived_models(*derived, models, base);
  const paths::Folders folders{paths::FolderOptions{
      .base = base, .input = {}, .output = {}, .temp = {}, .user = {}, .extra_model_paths = {}}};
  static residency::Residency residency{std::size_t{4} << 30};
  nodes::Services services{.folders = folders, .residency = residency};

  play = {&recorded, {}};
  const Json prompt = with_outputs(recorded.info());
  engine::Execution execution{.prompt_id = "golden", .prompt = prompt, .outputs = {}};
  for (const auto& [id, entry] : prompt.as_object())
    if (entry.at("class_type").as_string() == "GoldenOutput") execution.outputs.push_back(id);
  Quiet quiet;
  const engine::ExecutionResult result =
      engine::Executor{registry(), &services}.run(execution, quiet);
  if (result.status != engine::ExecutionResult::Status::success) return of_error(result);

  Outcome outcome;
  for (const auto& [name, value] : play.outputs)
    compare_output(outcome, recorded, name, value, tolerance);
  return outcome;
}

}  // namespace

// Whole sampling runs on other operation orders: golden/README.md, "Tolerances".
std::optional<Outcome> run_e2e(const fs::path& file) {
  return run_workflow(file, {.relative = 5e-4});
}

std::optional<Outcome> run_nodes(const fs::path& file) {
  return run_workflow(file, {.relative = 0, .absolute = 1e-6});
}

}  // namespace comfy::golden
