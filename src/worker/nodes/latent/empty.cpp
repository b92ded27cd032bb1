// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/latent/register.h"
#include "worker/nodes/ports.h"

namespace comfy::nodes {
namespace {

using engine::node;

Latent zeros(const std::vector<std::int64_t>& sizes) { return {.samples = at::zeros(sizes)}; }

/// How many latent frames a video of `length` frames has when one of them stands for `step`.
std::int64_t frames(int length, int step) { return (length - 1) / step + 1; }

struct EmptySD3LatentImage {
  struct In {
    int width = 1024;
    int height = 1024;
    int batch_size = 1;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<EmptySD3LatentImage>("EmptySD3LatentImage", "latent/sd3")
        .module("comfy_extras.nodes_sd3")
        .schema()
        .in("width", &In::width, {.min = 16, .max = kMaxSide, .step = 16})
        .in("height", &In::height, {.min = 16, .max = kMaxSide, .step = 16})
        .in("batch_size", &In::batch_size, {.min = 1, .max = 4096})
        .out(&Out::latent);
  }

  static Out run(const In& in) { return {zeros({in.batch_size, 16, in.height / 8, in.width / 8})}; }
};

/// In the space of pixels.
struct EmptyChromaRadianceLatentImage {
  using In = EmptySD3LatentImage::In;
  using Out = EmptySD3LatentImage::Out;

  static auto spec() {
    return node<EmptyChromaRadianceLatentImage>("EmptyChromaRadianceLatentImage",
                                                "latent/chroma_radiance")
        .module("comfy_extras.nodes_chroma_radiance")
        .schema()
        .in("width", &In::width, {.min = 16, .max = kMaxSide, .step = 16})
        .in("height", &In::height, {.min = 16, .max = kMaxSide, .step = 16})
        .in("batch_size", &In::batch_size, {.min = 1, .max = 4096})
        .out(&Out::latent);
  }

  static Out run(const In& in) { return {zeros({in.batch_size, 3, in.height, in.width})}; }
};

struct EmptyHunyuanImageLatent {
  struct In {
    int width = 2048;
    int height = 2048;
    int batch_size = 1;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<EmptyHunyuanImageLatent>("EmptyHunyuanImageLatent", "latent")
        .module("comfy_extras.nodes_hunyuan")
        .in("width", &In::width, {.min = 64, .max = kMaxSide, .step = 32})
        .in("height", &In::height, {.min = 64, .max = kMaxSide, .step = 32})
        .in("batch_size", &In::batch_size, {.min = 1, .max = 4096})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    return {zeros({in.batch_size, 64, in.height / 32, in.width / 32})};
  }
};

struct EmptyCosmosLatentVideo {
  struct In {
    int width = 1280;
    int height = 704;
    int length = 121;
    int batch_size = 1;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<EmptyCosmosLatentVideo>("EmptyCosmosLatentVideo", "latent/video")
        .module("comfy_extras.nodes_cosmos")
        .schema()
        .in("width", &In::width, {.min = 16, .max = kMaxSide, .step = 16})
        .in("height", &In::height, {.min = 16, .max = kMaxSide, .step = 16})
        .in("length", &In::length, {.min = 1, .max = kMaxSide, .step = 8})
        .in("batch_size", &In::batch_size, {.min = 1, .max = 4096})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    return {zeros({in.batch_size, 16, frames(in.length, 8), in.height / 8, in.width / 8})};
  }
};

struct EmptyHunyuanLatentVideo {
  struct In {
    int width = 848;
    int height = 480;
    int length = 25;
    int batch_size = 1;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<EmptyHunyuanLatentVideo>("EmptyHunyuanLatentVideo", "latent/video")
        .module("comfy_extras.nodes_hunyuan")
        .in("width", &In::width, {.min = 16, .max = kMaxSide, .step = 16})
        .in("height", &In::height, {.min = 16, .max = kMaxSide, .step = 16})
        .in("length", &In::length, {.min = 1, .max = kMaxSide, .step = 4})
        .in("batch_size", &In::batch_size, {.min = 1, .max = 4096})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    return {zeros({in.batch_size, 16, frames(in.length, 4), in.height / 8, in.width / 8})};
  }
};

struct EmptyLTXVLatentVideo {
  struct In {
    int width = 768;
    int height = 512;
    int length = 97;
    int batch_size = 1;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<EmptyLTXVLatentVideo>("EmptyLTXVLatentVideo", "latent/video/ltxv")
        .module("comfy_extras.nodes_lt")
        .schema()
        .in("width", &In::width, {.min = 64, .max = kMaxSide, .step = 32})
        .in("height", &In::height, {.min = 64, .max = kMaxSide, .step = 32})
        .in("length", &In::length, {.min = 1, .max = kMaxSide, .step = 8})
        .in("batch_size", &In::batch_size, {.min = 1, .max = 4096})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    return {zeros({in.batch_size, 128, frames(in.length, 8), in.height / 32, in.width / 32})};
  }
};

struct EmptyMochiLatentVideo {
  struct In {
    int width = 848;
    int height = 480;
    int length = 25;
    int batch_size = 1;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<EmptyMochiLatentVideo>("EmptyMochiLatentVideo", "latent/video")
        .module("comfy_extras.nodes_mochi")
        .schema()
        .in("width", &In::width, {.min = 16, .max = kMaxSide, .step = 16})
        .in("height", &In::height, {.min = 16, .max = kMaxSide, .step = 16})
        .in("length", &In::length, {.min = 7, .max = kMaxSide, .step = 6})
        .in("batch_size", &In::batch_size, {.min = 1, .max = 4096})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    return {zeros({in.batch_size, 12, frames(in.length, 6), in.height / 8, in.width / 8})};
  }
};

struct StableCascade_EmptyLatentImage {
  struct In {
    int width = 1024;
    int height = 1024;
    int compression = 42;
    int batch_size = 1;
  };
  struct Out {
    Latent stage_c;
    Latent stage_b;
  };

  static auto spec() {
    return node<StableCascade_EmptyLatentImage>("StableCascade_EmptyLatentImage",
                                                "latent/stable_cascade")
        .module("comfy_extras.nodes_stable_cascade")
        .schema()
        .in("width", &In::width, {.min = 256, .max = kMaxSide, .step = 8})
        .in("height", &In::height, {.min = 256, .max = kMaxSide, .step = 8})
        .in("compression", &In::compression, {.min = 4, .max = 128, .step = 1})
        .in("batch_size", &In::batch_size, {.min = 1, .max = 4096})
        .out("stage_c", &Out::stage_c)
        .out("stage_b", &Out::stage_b);
  }

  static Out run(const In& in) {
    return {zeros({in.batch_size, 16, in.height / in.compression, in.width / in.compression}),
            zeros({in.batch_size, 4, in.height / 4, in.width / 4})};
  }
};

}  // namespace

void register_empty_latents(engine::Registry& registry) {
  registry.add<EmptyHunyuanImageLatent>();
  registry.add<EmptyHunyuanLatentVideo>();
  registry.add<EmptySD3LatentImage>();
  registry.add<EmptyMochiLatentVideo>();
  registry.add<EmptyLTXVLatentVideo>();
  registry.add<EmptyCosmosLatentVideo>();
  registry.add<StableCascade_EmptyLatentImage>();
  registry.add<EmptyChromaRadianceLatentImage>();
}

}  // namespace comfy::nodes
