// SPDX-License-Identifier: GPL-3.0-or-later
#include "pack.h"

#include <comfy/ops.h>

#include <limits>

namespace testing_pack {

using namespace comfy::plugin;
namespace {

struct TestLazyMixImages {
  struct In {
    Lazy<Image> image1, image2;
    Mask mask;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<TestLazyMixImages>("TestLazyMixImages", "Testing/Nodes")
        .display("Lazy Mix Images")
        .in("image1", &In::image1)
        .in("image2", &In::image2)
        .in("mask", &In::mask)
        .out(&Out::image);
  }

  static std::vector<std::string> check_lazy_status(const In& in) {
    std::vector<std::string> needed;
    if (in.mask.values.min().item<double>() != 1.0 && !in.image1) needed.emplace_back("image1");
    if (in.mask.values.max().item<double>() != 0.0 && !in.image2) needed.emplace_back("image2");
    return needed;
  }

  static Out run(const In& in) {
    const Tensor mask = in.mask.values.unsqueeze(-1);  // [B, H, W, 1]
    if (in.mask.values.max().item<double>() == 0.0) return {*in.image1};
    if (in.mask.values.min().item<double>() == 1.0) return {*in.image2};
    return {{in.image1->pixels * (1 - mask) + in.image2->pixels * mask}};
  }
};

struct TestVariadicAverage {
  struct In {
    Image input1;
    ExtraInputs more;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<TestVariadicAverage>("TestVariadicAverage", "Testing/Nodes")
        .display("Variadic Average")
        .in("input1", &In::input1)
        .extra_inputs(&In::more)
        .out(&Out::image);
  }

  static Out run(const In& in) {
    std::vector<Tensor> all{in.input1.pixels};
    for (const auto& [name, value] : in.more) all.push_back(unbox<Image>(value).pixels);
    return {{at::stack(all).mean(0)}};
  }
};

struct TestCustomIsChanged {
  struct In {
    Image image;
    bool should_change = false;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<TestCustomIsChanged>("TestCustomIsChanged", "Testing/Nodes")
        .display("Custom IsChanged")
        .in("image", &In::image)
        .optional_in("should_change", &In::should_change, {.type = "BOOL"})
        .out(&Out::image);
  }

  static Json fingerprint(const In& in, Context&) {
    return in.should_change ? Json{std::numeric_limits<double>::quiet_NaN()} : Json{false};
  }

  static Out run(const In& in) { return {in.image}; }
};

struct TestIsChangedWithConstants {
  struct In {
    Image image;
    double value = 1;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<TestIsChangedWithConstants>("TestIsChangedWithConstants", "Testing/Nodes")
        .display("IsChanged With Constants")
        .in("image", &In::image)
        .in("value", &In::value, {.min = 0, .max = 10})
        .out(&Out::image);
  }

  static Json fingerprint(const In& in, Context&) { return in.value; }

  static Out run(const In& in) { return {{in.image.pixels * in.value}}; }
};

}  // namespace

void register_special_nodes(Registry& registry) {
  registry.add<TestLazyMixImages>();
  registry.add<TestVariadicAverage>();
  registry.add<TestCustomIsChanged>();
  registry.add<TestIsChangedWithConstants>();
}

}  // namespace testing_pack
