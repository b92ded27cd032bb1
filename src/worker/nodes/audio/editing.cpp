// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/audio/audio.h"
#include "worker/nodes/audio/register.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace comfy::nodes {
namespace {

using engine::node;

/// The lowest number of seconds, as ComfyUI writes it; the highest is an integer there.
constexpr double kMost = 18446744073709551615.0;

std::int64_t samples_of(double seconds, std::int64_t sample_rate) {
  return std::llrint(seconds * static_cast<double>(sample_rate));
}

/// Two sounds at the higher of their rates.
struct Pair {
  Tensor first, second;
  std::int64_t sample_rate;
};

Pair at_one_rate(const Audio& first, const Audio& second) {
  const std::int64_t rate = std::max(first.sample_rate, second.sample_rate);
  return {resampled(first.waveform, first.sample_rate, rate),
          resampled(second.waveform, second.sample_rate, rate), rate};
}

struct EmptyLatentAudio {
  struct In {
    double seconds = 47.6;
    int batch_size = 1;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<EmptyLatentAudio>("EmptyLatentAudio", "latent/audio")
        .display("Empty Latent Audio")
        .module("comfy_extras.nodes_audio")
        .in("seconds", &In::seconds, {.min = 1.0, .max = 1000.0, .step = 0.1})
        .in("batch_size", &In::batch_size,
            {.min = 1, .max = 4096, .tooltip = "How many latents at once."})
        .out(&Out::latent);
  }

  /// Stable Audio's latents: 64 channels, one for 2,048 samples, an even number of them.
  static Out run(const In& in) {
    const std::int64_t length = std::llrint(in.seconds * 44100 / 2048 / 2) * 2;
    return {{.samples = at::zeros({in.batch_size, 64, length})}};
  }
};

struct EmptyAudio {
  struct In {
    double duration = 60.0;
    int sample_rate = 44100;
    int channels = 2;
  };
  struct Out {
    Audio audio;
  };

  static auto spec() {
    return node<EmptyAudio>("EmptyAudio", "audio")
        .display("Empty Audio")
        .module("comfy_extras.nodes_audio")
        .in("duration", &In::duration,
            {.min = 0.0,
             .extra = {{"max", ~std::uint64_t{0}}, {"step", 0.01}},
             .tooltip = "In seconds."})
        .in("sample_rate", &In::sample_rate, {.tooltip = "Samples a second."})
        .in("channels", &In::channels, {.min = 1, .max = 2, .tooltip = "1 for mono, 2 for stereo."})
        .out(&Out::audio);
  }

  static Out run(const In& in) {
    return {{at::zeros({1, in.channels, samples_of(in.duration, in.sample_rate)}), in.sample_rate}};
  }
};

struct TrimAudioDuration {
  struct In {
    Audio audio;
    double start_index = 0.0;
    double duration = 60.0;
  };
  struct Out {
    Audio audio;
  };

  static auto spec() {
    return node<TrimAudioDuration>("TrimAudioDuration", "audio")
        .display("Trim Audio Duration")
        .doc("Cuts a part out of a sound.")
        .module("comfy_extras.nodes_audio")
        .in("audio", &In::audio)
        .in("start_index", &In::start_index,
            {.extra = {{"min", -kMost}, {"max", ~std::uint64_t{0}}, {"step", 0.01}},
             .tooltip = "Where the part begins, in seconds; negative numbers count from the end."})
        .in("duration", &In::duration,
            {.min = 0.0, .step = 0.01, .tooltip = "How long the part is, in seconds."})
        .out(&Out::audio);
  }

  static Out run(const In& in) {
    const Audio& audio = in.audio;
    const std::int64_t length = audio.waveform.size(-1);
    const std::int64_t begin = samples_of(in.start_index, audio.sample_rate);
    const std::int64_t start =
        std::clamp<std::int64_t>(in.start_index < 0 ? length + begin : begin, 0, length - 1);
    const std::int64_t end =
        std::clamp<std::int64_t>(start + samples_of(in.duration, audio.sample_rate), 0, length);
    if (start >= end)
      throw Error(Error::Kind::invalid_input,
                  fmt::format("the part must lie within the sound of {} samples, got {} to {}",
                              length, start, end));
    return {{audio.waveform.slice(-1, start, end), audio.sample_rate}};
  }
};

struct SplitAudioChannels {
  struct In {
    Audio audio;
  };
  struct Out {
    Audio left;
    Audio right;
  };

  static auto spec() {
    return node<SplitAudioChannels>("SplitAudioChannels", "audio")
        .display("Split Audio Channels")
        .doc("Takes the left and the right channel of a stereo sound apart.")
        .module("comfy_extras.nodes_audio")
        .in("audio", &In::audio)
        .out("left", &Out::left)
        .out("right", &Out::right);
  }

  static Out run(const In& in) {
    const Tensor& waveform = in.audio.waveform;
    if (waveform.size(1) != 2)
      throw Error(Error::Kind::invalid_input,
                  fmt::format("expected a sound of two channels, got {}", waveform.size(1)));
    return {{waveform.narrow(-2, 0, 1), in.audio.sample_rate},
            {waveform.narrow(-2, 1, 1), in.audio.sample_rate}};
  }
};

struct AudioConcat {
  struct In {
    Audio audio1;
    Audio audio2;
    std::string direction = "after";
  };
  struct Out {
    Audio audio;
  };

  static auto spec() {
    return node<AudioConcat>("AudioConcat", "audio")
        .display("Audio Concat")
        .doc("Puts one sound behind the other.")
        .module("comfy_extras.nodes_audio")
        .in("audio1", &In::audio1)
        .in("audio2", &In::audio2)
        .in("direction", &In::direction,
            {.choices = {"after", "before"},
             .tooltip = "Whether the second sound comes after or before the first."})
        .out(&Out::audio);
  }

  static Out run(const In& in) {
    const auto stereo = [](Audio audio) {
      if (audio.waveform.size(1) == 1) audio.waveform = audio.waveform.repeat({1, 2, 1});
      return audio;
    };
    const Pair pair = at_one_rate(stereo(in.audio1), stereo(in.audio2));
    const bool after = in.direction == "after";
    return {{at::cat({after ? pair.first : pair.second, after ? pair.second : pair.first}, 2),
             pair.sample_rate}};
  }
};

struct AudioMerge {
  struct In {
    Audio audio1;
    Audio audio2;
    std::string merge_method;
  };
  struct Out {
    Audio audio;
  };

  static auto spec() {
    return node<AudioMerge>("AudioMerge", "audio")
        .display("Audio Merge")
        .doc("Lays one sound over the other, as long as the first one lasts.")
        .module("comfy_extras.nodes_audio")
        .in("audio1", &In::audio1)
        .in("audio2", &In::audio2)
        .in("merge_method", &In::merge_method,
            {.choices = {"add", "mean", "subtract", "multiply"},
             .tooltip = "What becomes of the samples of both."})
        .out(&Out::audio);
  }

  static Out run(const In& in) {
    const Pair pair = at_one_rate(in.audio1, in.audio2);
    const std::int64_t length = pair.first.size(-1), other = pair.second.size(-1);
    const Tensor second = other > length ? pair.second.narrow(-1, 0, length)
                                         : at::constant_pad_nd(pair.second, {0, length - other});
    Tensor merged = pair.first + second;
    if (in.merge_method == "subtract") merged = pair.first - second;
    if (in.merge_method == "multiply") merged = pair.first * second;
    if (in.merge_method == "mean") merged = (pair.first + second) / 2;
    const double loudest = merged.abs().max().item<double>();
    return {{loudest > 1.0 ? merged / loudest : merged, pair.sample_rate}};
  }
};

struct AudioAdjustVolume {
  struct In {
    Audio audio;
    int volume = 1;
  };
  struct Out {
    Audio audio;
  };

  static auto spec() {
    return node<AudioAdjustVolume>("AudioAdjustVolume", "audio")
        .display("Audio Adjust Volume")
        .module("comfy_extras.nodes_audio")
        .in("audio", &In::audio)
        .in("volume", &In::volume,
            {.min = -100,
             .max = 100,
             .tooltip = "In decibels: 6 is about twice as loud, -6 half as loud."})
        .out(&Out::audio);
  }

  static Out run(const In& in) {
    if (in.volume == 0) return {in.audio};
    constexpr double kDecibelsOfTenfold = 20;
    return {
        {in.audio.waveform * std::pow(10.0, in.volume / kDecibelsOfTenfold), in.audio.sample_rate}};
  }
};

}  // namespace

void register_audio_editing(engine::Registry& registry) {
  registry.add<EmptyLatentAudio>();
  registry.add<EmptyAudio>();
  registry.add<TrimAudioDuration>();
  registry.add<SplitAudioChannels>();
  registry.add<AudioConcat>();
  registry.add<AudioMerge>();
  registry.add<AudioAdjustVolume>();
}

}  // namespace comfy::nodes
