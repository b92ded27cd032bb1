// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/nodes/resident.h"

#include "foundation/base/error.h"
#include "foundation/paths/folders.h"
#include "inference/checkpoint/source.h"
#include "inference/models/text/clip.h"
#include "inference/models/text/embedding_file.h"
#include "inference/residency/residency.h"
#include "inference/tensor/ops.h"
#include "worker/nodes/conditioning/control_port.h"
#include "worker/nodes/log.h"
#include "worker/nodes/services.h"

#include <fmt/format.h>

namespace comfy::nodes {
namespace {

/// What the tensors below a scope take once they are in the type that layers compute in.
std::size_t prepared_bytes(const checkpoint::Weights& weights) {
  std::size_t bytes = 0;
  for (const std::string& name : weights.names()) {
    std::size_t count = 1;
    for (const std::int64_t size : weights.shape(name)) count *= static_cast<std::size_t>(size);
    bytes += count * c10::elementSize(weights.precision().compute);
  }
  return bytes;
}

/// Looks textual inversions up in the embeddings folder, with any of its endings or none.
Tensor find_embedding(const paths::Folders& folders, std::string_view name,
                      std::string_view encoder, std::int64_t width, formats::PickleFiles pickles) {
  for (const char* ending : {"", ".safetensors", ".pt", ".bin"}) {
    const auto file = folders.find_model("embeddings", std::string{name} + ending);
    if (file)
      return models::text::pick_embedding(checkpoint::load_tensors(file->path, pickles).tensors,
                                          encoder, width);
  }
  return {};
}

/// Builds a network and tells which patches did not fit it; like ComfyUI, it goes on without them.
template <class Network, class Build>
residency::Residency::Built<Network> build_telling_misfits(const checkpoint::Weights& weights,
                                                           const Build& build) {
  const std::size_t known = weights.misfits().size();
  residency::Residency::Built<Network> built{build(), prepared_bytes(weights)};
  const std::vector<std::string> misfits = weights.misfits();
  for (std::size_t i = known; i < misfits.size(); ++i)
    log.warn("a patch does not fit and is left out: {}", misfits[i]);
  return built;
}

}  // namespace

std::shared_ptr<const models::DiffusionModel> resident(const models::Model& model,
                                                       Services& services) {
  if (model.empty())
    throw Error(Error::Kind::invalid_input, "expected a MODEL, found none on the socket");
  return services.residency.get<models::DiffusionModel>(model.weights_key(), [&] {
    return build_telling_misfits<models::DiffusionModel>(model.weights(),
                                                         [&] { return model.build(); });
  });
}

std::shared_ptr<const models::Autoencoder> resident(const models::Vae& vae, Services& services) {
  if (vae.empty())
    throw Error(Error::Kind::invalid_input,
                "expected a VAE, found none on the socket: this checkpoint holds no autoencoder; "
                "load one with VAELoader");
  using Built = residency::Residency::Built<models::Autoencoder>;
  return services.residency.get<models::Autoencoder>(
      vae.key(), [&] { return Built{vae.build(), prepared_bytes(vae.weights())}; });
}

std::shared_ptr<const models::control::ControlNet> resident(const checkpoint::Weights& control,
                                                            Services& services) {
  using Network = models::control::ControlNet;
  return services.residency.get<Network>("control|" + control.key(), [&] {
    return residency::Residency::Built<Network>{std::make_shared<const Network>(control),
                                                prepared_bytes(control)};
  });
}

std::shared_ptr<const models::TextEncoder> resident(const models::Clip& clip, Services& services) {
  if (clip.empty())
    throw Error(Error::Kind::invalid_input,
                "expected a CLIP, found none on the socket: this checkpoint holds no text encoder");
  return services.residency.get<models::TextEncoder>(clip.weights_key(), [&] {
    models::text::ClipOptions options;
    // The encoder outlives this call, so it holds on to the folders, which outlive every prompt.
    options.embeddings = [&folders = services.folders, pickles = services.pickles](
                             std::string_view name, std::string_view encoder, std::int64_t width) {
      return find_embedding(folders, name, encoder, width, pickles);
    };
    return build_telling_misfits<models::TextEncoder>(clip.weights(), [&] {
      return models::text::build_clip(models::clip_model(clip.family()), clip.weights(), options);
    });
  });
}

}  // namespace comfy::nodes
