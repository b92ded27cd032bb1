// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/media/encode_animation.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/image/register.h"
#include "worker/nodes/image/saving.h"
#include "worker/nodes/ports.h"

namespace comfy::nodes {
namespace {

using engine::Context;
using engine::Hidden;
using engine::node;

std::vector<media::Picture> frames_of(const Image& images) {
  std::vector<media::Picture> frames;
  for (std::int64_t i = 0; i < images.pixels.size(0); ++i) frames.push_back(picture_at(images, i));
  return frames;
}

int milliseconds_of(double fps) { return static_cast<int>(1000.0 / fps); }

struct File {
  std::string extension, bytes;
};

engine::Ui publish(File file, const media::Picture& first, const std::string& prefix,
                   Context& context) {
  engine::PublishRequest request{.prefix = prefix,
                                 .extension = std::move(file.extension),
                                 .bytes = std::move(file.bytes),
                                 .width = first.width,
                                 .height = first.height};
  engine::Ui ui;
  ui.add("images", context.publish(std::move(request)).to_json());
  return ui;
}

struct SaveAnimatedWEBP {
  struct In {
    Image images;
    std::string filename_prefix = "ComfyUI";
    double fps = 6.0;
    bool lossless = true;
    int quality = 80;
    std::string method;
  };
  struct Out {
    engine::Ui ui;
  };

  static auto spec() {
    return node<SaveAnimatedWEBP>("SaveAnimatedWEBP", "image/animation")
        .module("comfy_extras.nodes_images")
        .in("images", &In::images)
        .in("filename_prefix", &In::filename_prefix)
        .in("fps", &In::fps, {.min = 0.01, .max = 1000.0, .step = 0.01})
        .in("lossless", &In::lossless)
        .in("quality", &In::quality, {.min = 0, .max = 100})
        .in("method", &In::method, {.choices = {"default", "fastest", "slowest"}})
        .hidden({Hidden::prompt, Hidden::extra_pnginfo})
        .as_output_node();
  }

  static Out run(const In& in, Context& context) {
    const std::vector<media::Picture> frames = frames_of(in.images);
    std::string file =
        media::encode_webp_animation(frames, {.milliseconds = milliseconds_of(in.fps),
                                              .lossless = in.lossless,
                                              .quality = in.quality,
                                              .method = in.method == "fastest"   ? 0
                                                        : in.method == "slowest" ? 6
                                                                                 : 4,
                                              .texts = workflow_texts(context)});
    Out out{publish({".webp", std::move(file)}, frames[0], in.filename_prefix, context)};
    out.ui.add("animated", frames.size() != 1);
    return out;
  }
};

struct SaveAnimatedPNG {
  struct In {
    Image images;
    std::string filename_prefix = "ComfyUI";
    double fps = 6.0;
    int compress_level = 4;
  };
  struct Out {
    engine::Ui ui;
  };

  static auto spec() {
    return node<SaveAnimatedPNG>("SaveAnimatedPNG", "image/animation")
        .module("comfy_extras.nodes_images")
        .in("images", &In::images)
        .in("filename_prefix", &In::filename_prefix)
        .in("fps", &In::fps, {.min = 0.01, .max = 1000.0, .step = 0.01})
        .in("compress_level", &In::compress_level, {.min = 0, .max = 9})
        .hidden({Hidden::prompt, Hidden::extra_pnginfo})
        .as_output_node();
  }

  static Out run(const In& in, Context& context) {
    const std::vector<media::Picture> frames = frames_of(in.images);
    std::string file = media::encode_apng(frames, {.milliseconds = milliseconds_of(in.fps),
                                                   .compression = in.compress_level,
                                                   .texts = workflow_texts(context)});
    Out out{publish({".png", std::move(file)}, frames[0], in.filename_prefix, context)};
    out.ui.add("animated", true);
    return out;
  }
};

}  // namespace

void register_animations(engine::Registry& registry) {
  registry.add<SaveAnimatedWEBP>();
  registry.add<SaveAnimatedPNG>();
}

}  // namespace comfy::nodes
