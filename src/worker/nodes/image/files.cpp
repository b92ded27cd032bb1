// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/hash.h"
#include "foundation/media/encode.h"
#include "foundation/media/load_image.h"
#include "foundation/paths/folders.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/image/register.h"
#include "worker/nodes/image/saving.h"
#include "worker/nodes/ports.h"
#include "worker/nodes/services.h"

#include <limits>

namespace comfy::nodes {
namespace {

using engine::Context;
using engine::Hidden;
using engine::node;

constexpr std::size_t kLargestPicture = std::size_t{2} << 30;

std::string read_input(const std::string& name, Context& context) {
  return paths::read_all(
      context.services().folders.open_annotated(name, paths::Area::input, context.user()),
      kLargestPicture);
}

std::string content_hash(const std::string& name, Context& context) {
  return to_hex(sha256(read_input(name, context)));
}

/// The batch as a tensor [frames, height, width, channels] of its own memory.
Tensor to_tensor(const media::FloatBatch& batch) {
  return at::tensor(at::ArrayRef<float>{batch.values})
      .view({batch.frames, batch.height, batch.width, batch.channels});
}

struct LoadImage {
  struct In {
    engine::InputImage image;
  };
  struct Out {
    Image image;
    Mask mask;
  };

  static auto spec() {
    return node<LoadImage>("LoadImage", "image")
        .display("Load Image")
        .in("image", &In::image, {.image_upload = true})
        .out(&Out::image)
        .out(&Out::mask);
  }

  static Out run(const In& in, Context& context) {
    const media::LoadedImage loaded =
        media::load_image(read_input(in.image, context), context.services().decode_limits);
    return {{to_tensor(loaded.image)}, {to_tensor(loaded.mask).squeeze(-1)}};
  }

  static std::string fingerprint(const In& in, Context& context) {
    return content_hash(in.image, context);
  }
};

media::Channel channel_of(const std::string& name) {
  if (name == "red") return media::Channel::red;
  if (name == "green") return media::Channel::green;
  return name == "blue" ? media::Channel::blue : media::Channel::alpha;
}

struct LoadImageMask {
  struct In {
    engine::InputFile<"any"> image;
    std::string channel;
  };
  struct Out {
    Mask mask;
  };

  static auto spec() {
    return node<LoadImageMask>("LoadImageMask", "mask")
        .display("Load Image (as Mask)")
        .in("image", &In::image, {.image_upload = true})
        .in("channel", &In::channel, {.choices = {"alpha", "red", "green", "blue"}})
        .out(&Out::mask);
  }

  static Out run(const In& in, Context& context) {
    const std::string file = read_input(in.image, context);
    return {
        {to_tensor(media::load_mask(file, channel_of(in.channel), context.services().decode_limits))
             .squeeze(-1)}};
  }

  static std::string fingerprint(const In& in, Context& context) {
    return content_hash(in.image, context);
  }
};

/// How one node saves: where to, and how hard zlib works.
struct SaveStyle {
  engine::PublishRequest::Root root;
  std::string prefix;
  int compression;
};

engine::Ui save_images(const Image& images, const SaveStyle& style, Context& context) {
  engine::Ui ui;
  const std::vector<media::TextEntry> texts = workflow_texts(context);
  for (std::int64_t i = 0; i < images.pixels.size(0); ++i) {
    const media::Picture picture = picture_at(images, i);
    engine::PublishRequest request{
        .root = style.root,
        .prefix = style.prefix,
        .extension = ".png",
        .bytes = media::encode_png(picture, {.compression = style.compression, .texts = texts}),
        .width = picture.width,
        .height = picture.height,
        .batch_number = static_cast<int>(i)};
    ui.add("images", context.publish(std::move(request)).to_json());
  }
  return ui;
}

struct SaveImage {
  struct In {
    Image images;
    std::string filename_prefix = "ComfyUI";
  };
  struct Out {
    engine::Ui ui;
  };

  static auto spec() {
    return node<SaveImage>("SaveImage", "image")
        .display("Save Image")
        .doc("Writes the pictures as PNG files into the output folder, with the workflow inside.")
        .in("images", &In::images, {.tooltip = "The pictures to write."})
        .in("filename_prefix", &In::filename_prefix,
            {.tooltip = "How the names of the files begin; folders, %date:yyyy-MM-dd% and values "
                        "of other nodes such as "
                        "%Empty Latent Image.width% may be part of it."})
        .hidden({Hidden::prompt, Hidden::extra_pnginfo})
        .as_output_node();
  }

  static Out run(const In& in, Context& context) {
    constexpr int kCompression = 4;
    return {save_images(in.images,
                        {engine::PublishRequest::Root::output, in.filename_prefix, kCompression},
                        context)};
  }
};

struct PreviewImage {
  struct In {
    Image images;
  };
  struct Out {
    engine::Ui ui;
  };

  static auto spec() {
    return node<PreviewImage>("PreviewImage", "image")
        .display("Preview Image")
        .doc("Shows the pictures in the editor; the files are dropped when the server ends.")
        .in("images", &In::images)
        .hidden({Hidden::prompt, Hidden::extra_pnginfo})
        .as_output_node();
  }

  static Out run(const In& in, Context& context) {
    const std::string prefix = "ComfyUI_temp_" + context.temp_letters();
    return {save_images(in.images, {engine::PublishRequest::Root::temp, prefix, 1}, context)};
  }
};

struct MaskPreview {
  struct In {
    Mask mask;
  };
  struct Out {
    engine::Ui ui;
  };

  static auto spec() {
    return node<MaskPreview>("MaskPreview", "mask")
        .doc("Shows masks as grey pictures; the files are dropped when the server ends.")
        .module("comfy_extras.nodes_mask")
        .in("mask", &In::mask)
        .hidden({Hidden::prompt, Hidden::extra_pnginfo})
        .as_output_node();
  }

  static Out run(const In& in, Context& context) {
    const Tensor& mask = in.mask.values;
    const Image grey{mask.reshape({-1, mask.size(-2), mask.size(-1), 1}).expand({-1, -1, -1, 3})};
    const std::string prefix = "ComfyUI_temp_" + context.temp_letters();
    return {save_images(grey, {engine::PublishRequest::Root::temp, prefix, 4}, context)};
  }
};

struct SaveImageWebsocket {
  struct In {
    Image images;
  };
  struct Out {
    engine::Ui ui;
  };

  static auto spec() {
    return node<SaveImageWebsocket>("SaveImageWebsocket", "api/image")
        .module("custom_nodes.websocket_image_save")
        .in("images", &In::images)
        .as_output_node();
  }

  static Out run(const In& in, Context& context) {
    const std::int64_t count = in.images.pixels.size(0);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::string file = media::encode_png(picture_at(in.images, i), {});
      engine::Preview picture;
      picture.format = engine::Preview::Format::png;
      picture.purpose = engine::Preview::Purpose::result;
      picture.bytes.assign(file.begin(), file.end());
      context.progress(i, count, std::move(picture));
    }
    return {};
  }

  /// What went to a socket is gone: the next prompt sends it again.
  static Json fingerprint(const In&, Context&) { return std::numeric_limits<double>::quiet_NaN(); }
};

}  // namespace

std::vector<media::TextEntry> workflow_texts(engine::Context& context) {
  if (context.services().metadata == Metadata::left_out) return {};
  std::vector<media::TextEntry> texts{{"prompt", to_json(context.prompt())}};
  const Json* extra = context.extra_pnginfo();
  if (extra == nullptr || !extra->is_object()) return texts;
  for (const auto& [key, value] : extra->as_object()) texts.push_back({key, to_json(value)});
  return texts;
}

media::Picture picture_at(const Image& images, std::int64_t index) {
  const Tensor one = images.pixels[index].to(at::kCPU, at::kFloat).contiguous();
  const std::span<const float> values{one.const_data_ptr<float>(),
                                      static_cast<std::size_t>(one.numel())};
  return media::picture_from_floats(values, static_cast<int>(one.size(1)),
                                    static_cast<int>(one.size(0)), static_cast<int>(one.size(2)));
}

void register_image_files(engine::Registry& registry) {
  registry.add<SaveImage>();
  registry.add<PreviewImage>();
  registry.add<SaveImageWebsocket>();
  registry.add<MaskPreview>();
  registry.add<LoadImage>();
  registry.add<LoadImageMask>();
}

}  // namespace comfy::nodes
