// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "worker/nodes/ports.h"

#include <cstdint>

namespace comfy::nodes {

/// Sound: float32 [B, channels, samples], -1..1.
struct Audio {
  Tensor waveform;
  std::int64_t sample_rate = 44100;
};

inline std::size_t memory_of(const Audio& audio) { return memory_of(audio.waveform); }

/// The same sound at another rate: a windowed sinc, as torchaudio's default.
/// waveform: [B, channels, samples].
Tensor resampled(const Tensor& waveform, std::int64_t from, std::int64_t to);

}  // namespace comfy::nodes

namespace comfy::engine {

template <>
struct Port<nodes::Audio> : Socket<"AUDIO"> {};

}  // namespace comfy::engine
