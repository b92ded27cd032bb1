// SPDX-License-Identifier: GPL-3.0-or-later
#include "pack.h"

#include <comfy/ops.h>

namespace testing_pack {

using namespace comfy::plugin;
namespace {

struct StubImage {
  struct In {
    std::string content = "WHITE";
    std::int64_t height = 512, width = 512, batch_size = 1;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<StubImage>("StubImage", "Testing/Stub Nodes")
        .display("Stub Image")
        .in("content", &In::content,
            {.choices = {"WHITE", "BLACK", "NOISE"}, .show_default = false})
        .in("height", &In::height, {.min = 1, .max = kMaxCount, .step = 1})
        .in("width", &In::width, {.min = 1, .max = kMaxWidth, .step = 1})
        .in("batch_size", &In::batch_size, {.min = 1, .max = kMaxCount, .step = 1})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    if (in.content == "NOISE") return {{at::rand({in.batch_size, in.height, in.width, 3})}};
    return {grey_image(in.content == "WHITE" ? 1 : 0, in.height, in.width, in.batch_size)};
  }
};

struct StubConstantImage {
  struct In {
    double value = 0.5;
    std::int64_t height = 512, width = 512, batch_size = 1;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<StubConstantImage>("StubConstantImage", "Testing/Stub Nodes")
        .display("Stub Constant Image")
        .in("value", &In::value, {.min = 0, .max = 1, .step = 0.01})
        .in("height", &In::height, {.min = 1, .max = kMaxCount, .step = 1})
        .in("width", &In::width, {.min = 1, .max = kMaxWidth, .step = 1})
        .in("batch_size", &In::batch_size, {.min = 1, .max = kMaxCount, .step = 1})
        .out(&Out::image);
  }

  static Out run(const In& in) {
    return {grey_image(in.value, in.height, in.width, in.batch_size)};
  }
};

struct StubMask {
  struct In {
    double value = 0.5;
    std::int64_t height = 512, width = 512, batch_size = 1;
  };
  struct Out {
    Mask mask;
  };

  static auto spec() {
    return node<StubMask>("StubMask", "Testing/Stub Nodes")
        .display("Stub Mask")
        .in("value", &In::value, {.min = 0, .max = 1, .step = 0.01})
        .in("height", &In::height, {.min = 1, .max = kMaxCount, .step = 1})
        .in("width", &In::width, {.min = 1, .max = kMaxWidth, .step = 1})
        .in("batch_size", &In::batch_size, {.min = 1, .max = kMaxCount, .step = 1})
        .out(&Out::mask);
  }

  static Out run(const In& in) {
    return {{at::full({in.batch_size, in.height, in.width}, in.value)}};
  }
};

struct StubInt {
  struct In {
    std::int64_t value = 0;
  };
  struct Out {
    std::int64_t value = 0;
  };

  static auto spec() {
    return node<StubInt>("StubInt", "Testing/Stub Nodes")
        .display("Stub Int")
        .in("value", &In::value, {.min = -4294967295, .max = 4294967295, .step = 1})
        .out(&Out::value);
  }

  static Out run(const In& in) { return {in.value}; }
};

struct StubFloat {
  struct In {
    double value = 0;
  };
  struct Out {
    double value = 0;
  };

  static auto spec() {
    return node<StubFloat>("StubFloat", "Testing/Stub Nodes")
        .display("Stub Float")
        .in("value", &In::value, {.min = -1e38, .max = 1e38, .step = 0.01})
        .out(&Out::value);
  }

  static Out run(const In& in) { return {in.value}; }
};

}  // namespace

void register_stub_nodes(Registry& registry) {
  registry.add<StubImage>();
  registry.add<StubConstantImage>();
  registry.add<StubMask>();
  registry.add<StubInt>();
  registry.add<StubFloat>();
}

}  // namespace testing_pack
