// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// For this layer's tests only: a network that records its calls and answers what a test wants.
#include "inference/checkpoint/source.h"
#include "inference/conditioning/evaluate.h"
#include "inference/models/model.h"
#include "inference/tensor/ops.h"

#include <functional>
#include <memory>
#include <vector>

namespace comfy::conditioning {

struct FakeNetwork : models::DiffusionModel {
  using Answer = std::function<Tensor(const models::DiffusionCall&)>;
  explicit FakeNetwork(Answer a) : answer{std::move(a)} {}
  Tensor operator()(const models::DiffusionCall& call) const override {
    calls.push_back(call);
    return answer(call);
  }
  Answer answer;
  mutable std::vector<models::DiffusionCall> calls;
};

/// The clean sample is what the text says: each item's first number.
inline Tensor says_what_its_text_says(const models::DiffusionCall& call) {
  const Tensor word = call.context.select(2, 0).select(1, 0).view({-1, 1, 1, 1});
  return call.x.slice(1, 0, 4).mul(0).add(word);
}

/// Predicts clean samples, so that a test sees the network's answer unchanged.
inline models::Architecture fake_architecture(const models::LatentFormat& latent) {
  return {.name = "Fake",
          .detect = [](const models::Weights&) { return true; },
          .build = [](const models::Weights&) { return std::unique_ptr<models::DiffusionModel>{}; },
          .latent = &latent,
          .sampling =
              [](const models::Weights&, const models::Weights&) {
                return sampling::SamplingSettings{.prediction = sampling::Prediction::x0};
              }};
}

inline models::Model fake_model(const models::Architecture& architecture) {
  const models::Weights file{checkpoint::dictionary_source({{"net.weight", at::zeros({1})}})};
  return models::Model{architecture, file / "net", file};
}

/// A text of `length` equal tokens.
inline Entry text(double word, std::int64_t length = 3) {
  return {.cond = at::full({1, length, 2}, word)};
}

}  // namespace comfy::conditioning
