// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/workflow_area.h"

#include "golden/golden_models.h"
#include "golden/play.h"
#include "golden/recorded_sampling.h"
#include "inference/tensor/ops.h"
#include "worker/nodes/audio/audio.h"
#include "worker/nodes/ports.h"
#include "worker/nodes/sampling/custom_ports.h"

#include <fmt/format.h>

namespace comfy::golden {
namespace {

namespace fs = std::filesystem;
using engine::Value;

/// The workflow with one GoldenOutput for each recorded output.
Json with_outputs(const Case& recorded) {
  const Json& info = recorded.info();
  Json prompt = info.at("workflow");
  const auto take = [&](const std::string& name, Json link) {
    const int of_list = gives_list(info.at("workflow"), link) ? 1 : 0;
    prompt["golden output " + name] = Json::Object{
        {"class_type", "GoldenOutput"},
        {"inputs", Json::Object{{"name", name}, {"value", std::move(link)}, {"of_list", of_list}}}};
  };
  // Where the number of outputs was not noted, the recorded tensors tell it.
  const Json* outputs = info.find("outputs");
  if (outputs != nullptr && outputs->is_object())
    for (const auto& [name, link] : outputs->as_object()) take(name, link);
  else
    for (std::int64_t i = 0;
         outputs != nullptr ? i < outputs->as_int()
                            : recorded.has(fmt::format("expected.{}.waveform", i));
         ++i)
      take(std::to_string(i), Json::Array{"n", i});
  return prompt;
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
  if (const auto* sigmas = value.get<nodes::SigmaList>())
    return compare_tensor(outcome, recorded, key, as_tensor(sigmas->values), tolerance);
  if (const auto* audio = value.get<nodes::Audio>())
    return compare_tensor(outcome, recorded, key + ".waveform", audio->waveform, tolerance);
  if (const auto* image = value.get<nodes::Image>())
    return compare_tensor(outcome, recorded, key, image->pixels, tolerance);
  if (const auto* mask = value.get<nodes::Mask>())
    return compare_tensor(outcome, recorded, key, mask->values, tolerance);
  if (const auto* conditioning = value.get<nodes::Conditioning>())
    return compare_conditioning(outcome, recorded, key, *conditioning, tolerance);
  const Json* scalars = recorded.info().find("scalars");
  const Json* expected = scalars == nullptr ? nullptr : scalars->find(name);
  if (scalars != nullptr && expected == nullptr) expected = scalars->find(key);
  if (expected != nullptr && value.json() != nullptr)
    return compare_scalar(outcome, name, *expected, *value.json());
  outcome.add(name, {false, 0, "expected a recorded value, found " + to_json(value.describe())});
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
  const Played played = play_prompt(recorded, with_outputs(recorded), {base});
  if (!played.succeeded()) return played.failure();

  Outcome outcome;
  for (const auto& [name, value] : played.outputs)
    compare_output(outcome, recorded, name, value, tolerance);
  return outcome;
}

/// One call of a scheduler node, with the model and the sigmas that it may ask for.
Json sigma_prompt(const std::string& node, const Json& params, int slot) {
  Json inputs = params;
  Json prompt = Json::Object{};
  if (const Json* parameterization = params.find("model_sampling")) {
    prompt["checkpoint"] =
        step("CheckpointLoaderSimple", Json::Object{{"ckpt_name", "tiny_sd15.safetensors"}});
    prompt["model"] = step("GoldenSampling", Json::Object{{"model", link("checkpoint", 0)},
                                                          {"parameterization", *parameterization}});
    inputs.as_object().erase("model_sampling");
    inputs["model"] = link("model", 0);
  }
  prompt["sigmas"] = golden_input("sigmas", "SIGMAS");
  if (const engine::NodeType* type = find_class(node))
    for (const auto& input : type->definition.inputs)
      if (input.name == "sigmas") inputs["sigmas"] = link("sigmas", 0);
  prompt["n"] = step(node.c_str(), std::move(inputs));
  prompt["out"] = golden_output("out", link("n", slot));
  return prompt;
}

Tensor sigmas_of(const Value& value) {
  if (const auto* list = value.get<nodes::SigmaList>()) return as_tensor(list->values);
  return as_tensor({value.json()->as_double()});
}

/// Such a folder tree that the checkpoint is found in it as "sd15_random.safetensors".
fs::path base_with(const fs::path& checkpoint) {
  const fs::path base = checkpoint.parent_path().parent_path() / "golden" / "sd15_full";
  const fs::path place = base / "models" / "checkpoints";
  fs::create_directories(place);
  if (!fs::exists(place / checkpoint.filename()))
    fs::create_symlink(checkpoint, place / checkpoint.filename());
  return base;
}

}  // namespace

std::optional<Outcome> run_sigma_nodes(const fs::path& file) {
  constexpr double kSigmas = 2e-6;  // golden/README.md
  const Case recorded = Case::load(file);
  const fs::path models = file.parent_path().parent_path() / "e2e" / "models";
  const Stage stage{offer_models(models)};
  Outcome outcome;
  std::string last;
  for (const Json& call : recorded.info().at("calls").as_array()) {
    if (!call.find("i")) continue;
    const std::string& node = call.at("node").as_string();
    // The outputs of a node follow one another under the same parameters.
    const std::string said = node + to_json(call.at("params"));
    const int slot = said == last ? 1 : 0;
    last = said;
    if (find_class(node) == nullptr) return Outcome::not_yet("node " + node);
    const Played played = play_prompt(recorded, sigma_prompt(node, call.at("params"), slot), stage);
    if (!played.succeeded()) return played.failure();
    const std::string name = fmt::format("expected.{}", call.at("i").as_int());
    outcome.add(name + " " + said,
                compare(recorded[name], sigmas_of(played.outputs.at("out")), kSigmas));
  }
  return outcome;
}

std::optional<Outcome> run_inpaint_encoding(const fs::path& file) {
  const Case recorded = Case::load(file);
  const Json prompt = Json::Object{
      {"model",
       step("CheckpointLoaderSimple", Json::Object{{"ckpt_name", "tiny_sd15.safetensors"}})},
      {"pixels", golden_input("pixels", "IMAGE")},
      {"mask", golden_input("mask", "MASK")},
      {"encode", step("VAEEncodeForInpaint",
                      Json::Object{{"pixels", link("pixels", 0)},
                                   {"vae", link("model", 2)},
                                   {"mask", link("mask", 0)},
                                   {"grow_mask_by", recorded.info().at("grow_mask_by")}})},
      {"latent", golden_output("latent", link("encode", 0))}};
  const fs::path golden = file.parent_path().parent_path();
  const Played played = play_prompt(recorded, prompt, {offer_models(golden / "e2e" / "models")});
  if (!played.succeeded()) return played.failure();
  Outcome outcome;
  const auto* latent = played.outputs.at("latent").get<nodes::Latent>();
  if (latent == nullptr) return Outcome::failed("expected a latent");
  compare_tensor(outcome, recorded, "expected.latent", latent->samples, {.relative = 1e-5});
  compare_tensor(outcome, recorded, "expected.noise_mask", latent->noise_mask, {.relative = 1e-5});
  return outcome;
}

std::optional<Outcome> run_full_sampling(const fs::path& file, const fs::path& checkpoint) {
  const Case recorded = Case::load(file);
  const Json& info = recorded.info();
  const auto text = [&](const char* name) {
    return step("CLIPTextEncode",
                Json::Object{{"text", info.at(name)}, {"clip", link("model", 1)}});
  };
  const Json prompt = Json::Object{
      {"model",
       step("CheckpointLoaderSimple", Json::Object{{"ckpt_name", checkpoint.filename().string()}})},
      {"positive", text("text")},
      {"negative", text("negative")},
      {"empty",
       step("EmptyLatentImage", Json::Object{{"width", 256}, {"height", 256}, {"batch_size", 1}})},
      {"sample", step("KSampler", Json::Object{{"model", link("model", 0)},
                                               {"positive", link("positive", 0)},
                                               {"negative", link("negative", 0)},
                                               {"latent_image", link("empty", 0)},
                                               {"seed", info.at("seed")},
                                               {"steps", info.at("steps")},
                                               {"cfg", info.at("cfg")},
                                               {"sampler_name", info.at("sampler")},
                                               {"scheduler", info.at("scheduler")},
                                               {"denoise", 1.0}})},
      {"decode",
       step("VAEDecode", Json::Object{{"samples", link("sample", 0)}, {"vae", link("model", 2)}})},
      {"latent", golden_output("latent", link("sample", 0))},
      {"image", golden_output("image", link("decode", 0))}};
  const Played played = play_prompt(recorded, prompt, {base_with(checkpoint)});
  if (!played.succeeded()) return played.failure();
  Outcome outcome;
  const auto* latent = played.outputs.at("latent").get<nodes::Latent>();
  const auto* image = played.outputs.at("image").get<nodes::Image>();
  if (latent == nullptr || image == nullptr)
    return Outcome::failed("expected a latent and an image");
  compare_tensor(outcome, recorded, "expected.latent", latent->samples, {.relative = 1e-3});
  // Recorded in float16.
  compare_tensor(outcome, recorded, "expected.image", image->pixels, {.absolute = 2e-3});
  return outcome;
}

// Whole sampling runs on other operation orders: golden/README.md, "Tolerances".
std::optional<Outcome> run_e2e(const fs::path& file) {
  return run_workflow(file, {.relative = 5e-4});
}

std::optional<Outcome> run_nodes(const fs::path& file) {
  // A sharpening kernel is 12 times as large as what comes of it, and so is the rounding.
  const bool sharpens = file.filename().string().starts_with("ImageSharpen");
  return run_workflow(file, {.relative = 0, .absolute = sharpens ? 5e-6 : 1e-6});
}

}  // namespace comfy::golden
