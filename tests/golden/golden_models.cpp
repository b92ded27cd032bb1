// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/golden_models.h"

#include "foundation/base/error.h"
#include "foundation/base/hash.h"
#include "inference/checkpoint/source.h"
#include "inference/tensor/ops.h"

#include <cstdlib>

namespace comfy::golden {
namespace {

namespace fs = std::filesystem;
using checkpoint::NamedTensors;

fs::path cache_folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const fs::path base =
      cache != nullptr ? fs::path{cache} : fs::path{home != nullptr ? home : "/tmp"} / ".cache";
  return base / "comfyui-distributed" / "golden";
}

NamedTensors all_tensors(const checkpoint::TensorSource& source) {
  NamedTensors tensors;
  for (std::size_t i = 0; i < source.tensors().size(); ++i)
    tensors.emplace_back(source.tensors()[i].name, source.read(i));
  return tensors;
}

/// The heads that the recording notes beside a tiny checkpoint, in the product's own words.
std::string heads_as_config(const Json& recorded) {
  Json config = Json::Object{};
  const Json& unet = recorded.at("unet_config");
  if (unet.int_or("num_heads", -1) > 0) config["unet_heads"] = unet.at("num_heads");
  if (unet.int_or("num_head_channels", -1) > 0)
    config["unet_head_channels"] = unet.at("num_head_channels");
  config["clip_l_heads"] = recorded.at("clip_l").at("num_attention_heads");
  config["clip_g_heads"] = recorded.at("clip_g").at("num_attention_heads");
  return to_json(config);
}

void write_with_heads(const fs::path& from, const fs::path& to) {
  const checkpoint::SourcePtr source = checkpoint::open_source(from);
  const auto recorded = source->metadata().find("case");
  if (recorded == source->metadata().end())
    throw Error(Error::Kind::invalid_input, "expected a case in the metadata of " + from.string());
  checkpoint::write_safetensors(to, all_tensors(*source),
                                {{"comfy.config", heads_as_config(parse_json(recorded->second))}});
}

Tensor tensor_of(const fs::path& file, const std::string& name) {
  const checkpoint::SourcePtr source = checkpoint::open_source(file);
  const auto index = source->find(name);
  if (!index) throw Error(Error::Kind::not_found, file.string() + " has no tensor " + name);
  return source->read(*index).clone();
}

NamedTensors derive(const Json& rule, const NamedTensors& base, const fs::path& models) {
  NamedTensors derived;
  const std::string keep = rule.string_or("keep_prefix", "");
  const std::string replaced = rule.string_or("replace_tensor", "");
  for (const auto& [name, tensor] : base) {
    if (!name.starts_with(keep)) continue;
    const std::string short_name =
        rule.bool_or("strip_prefix", false) ? name.substr(keep.size()) : name;
    if (name == replaced)
      derived.emplace_back(short_name, tensor_of(models / rule.at("with_tensor_of").as_string(),
                                                 rule.at("tensor").as_string()));
    else
      derived.emplace_back(short_name, rule.find("op") != nullptr && tensor.dim() > 0
                                           ? at::roll(tensor, 1, 0)
                                           : tensor);
  }
  return derived;
}

}  // namespace

fs::path offer_models(const fs::path& models) {
  // Without the recorded models there are still the cases that need none.
  if (!fs::exists(models)) return cache_folder();
  const fs::path base =
      cache_folder() / to_hex(sha256(fs::canonical(models).string())).substr(0, 16);
  const fs::path offered = base / "models";
  fs::create_directories(offered / "checkpoints");
  fs::create_directories(offered / "diffusion_models");
  for (const auto& entry : fs::directory_iterator{models}) {
    const fs::path link = offered / entry.path().filename();
    if (!fs::exists(link)) fs::create_directory_symlink(fs::canonical(entry.path()), link);
  }
  for (const auto& entry : fs::directory_iterator{models / "checkpoints"}) {
    const fs::path made = offered / "checkpoints" / entry.path().filename();
    if (!fs::exists(made)) write_with_heads(entry.path(), made);
  }
  return base;
}

void make_derived_models(const Json& derived, const fs::path& models, const fs::path& base) {
  for (const auto& [name, rule] : derived.as_object()) {
    const fs::path made = base / "models" / rule.string_or("folder", "checkpoints") / name;
    if (fs::exists(made)) continue;
    const checkpoint::SourcePtr source =
        checkpoint::open_source(base / "models" / rule.at("base").as_string());
    checkpoint::write_safetensors(made, derive(rule, all_tensors(*source), models),
                                  source->metadata());
  }
}

}  // namespace comfy::golden
