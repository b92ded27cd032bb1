// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/testing/nodes.h"

namespace comfy::engine {

namespace {

struct EmptyImage {
  struct In {
    int width = 512, height = 512, batch_size = 1, color = 0;
  };
  struct Out {
    Picture image;
  };
  static auto spec() {
    return node<EmptyImage>("EmptyImage", "image")
        .in("width", &In::width, {.min = 1, .max = 16384, .step = 1})
        .in("height", &In::height, {.min = 1, .max = 16384, .step = 1})
        .in("batch_size", &In::batch_size, {.min = 1, .max = 4096})
        .in("color", &In::color, {.min = 0, .max = 0xFFFFFF, .step = 1, .display = "color"})
        .out(&Out::image);
  }
  static Out run(const In& in) {
    return {{in.batch_size, in.width, in.height, in.color / 16777215.0}};
  }
};

struct ImageInvert {
  struct In {
    Picture image;
  };
  struct Out {
    Picture image;
  };
  static auto spec() {
    return node<ImageInvert>("ImageInvert", "image").in("image", &In::image).out(&Out::image);
  }
  static Out run(const In& in) {
    Picture inverted = in.image;
    inverted.grey = 1 - inverted.grey;
    return {inverted};
  }
};

struct ImageBatch {
  struct In {
    Picture image1, image2;
  };
  struct Out {
    Picture image;
  };
  static auto spec() {
    return node<ImageBatch>("ImageBatch", "image")
        .in("image1", &In::image1)
        .in("image2", &In::image2)
        .out(&Out::image);
  }
  static Out run(const In& in) {
    Picture joined = in.image1;
    joined.batch += in.image2.batch;
    return {joined};
  }
};

struct RebatchImages {
  struct In {
    std::vector<Picture> images;
    std::vector<int> batch_size{1};
  };
  struct Out {
    List<Picture> images;
  };
  static auto spec() {
    return node<RebatchImages>("RebatchImages", "image/batch")
        .in("images", &In::images)
        .in("batch_size", &In::batch_size, {.min = 1, .max = 4096})
        .takes_lists()
        .out(&Out::images);
  }
  static Out run(const In& in) {
    int left = 0;
    for (const Picture& picture : in.images) left += picture.batch;
    Out out;
    for (; left > 0; left -= in.batch_size.at(0)) {
      out.images.push_back(in.images.at(0));
      out.images.back().batch = std::min(left, in.batch_size.at(0));
    }
    return out;
  }
};

Ui publish_all(const Picture& picture, Context& context, PublishRequest request) {
  Ui ui;
  for (int i = 0; i < picture.batch; ++i) {
    request.batch_number = i;
    request.width = picture.width;
    request.height = picture.height;
    ui.add("images", context.publish(request).to_json());
  }
  return ui;
}

struct PreviewImage {
  struct In {
    Picture images;
  };
  struct Out {
    Ui ui;
  };
  static auto spec() {
    return node<PreviewImage>("PreviewImage", "image")
        .in("images", &In::images)
        .hidden({Hidden::prompt, Hidden::extra_pnginfo})
        .as_output_node();
  }
  static Out run(const In& in, Context& context) {
    return {publish_all(
        in.images, context,
        {.root = PublishRequest::Root::temp, .prefix = "ComfyUI_temp_" + context.temp_letters()})};
  }
};

struct SaveImage {
  struct In {
    Picture images;
    std::string filename_prefix = "ComfyUI";
  };
  struct Out {
    Ui ui;
  };
  static auto spec() {
    return node<SaveImage>("SaveImage", "image")
        .in("images", &In::images)
        .in("filename_prefix", &In::filename_prefix)
        .hidden({Hidden::prompt, Hidden::extra_pnginfo})
        .as_output_node();
  }
  static Out run(const In& in, Context& context) {
    return {publish_all(in.images, context, {.prefix = in.filename_prefix})};
  }
};

}  // namespace

Registry testing_registry() {
  Registry registry;
  registry.add<EmptyImage>();
  registry.add<ImageInvert>();
  registry.add<ImageBatch>();
  registry.add<RebatchImages>();
  registry.add<PreviewImage>();
  registry.add<SaveImage>();
  return registry;
}

}  // namespace comfy::engine
