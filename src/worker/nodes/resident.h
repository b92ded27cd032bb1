// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/models/model.h"

#include <memory>

namespace comfy::nodes {

struct Services;

/// What a socket stands for, built and kept in memory: the same weights with the same patches are
/// built once, whatever node asks.
std::shared_ptr<const models::DiffusionModel> resident(const models::Model& model,
                                                       Services& services);
std::shared_ptr<const models::Autoencoder> resident(const models::Vae& vae, Services& services);
std::shared_ptr<const models::TextEncoder> resident(const models::Clip& clip, Services& services);

}  // namespace comfy::nodes
