// SPDX-License-Identifier: GPL-3.0-or-later
#include <comfy/ops.h>
#include <comfy/plugin.h>

// A plug-in of two nodes. docs/plugins.md goes through it line by line.

namespace {

using namespace comfy::plugin;

/// Makes pictures darker or brighter.
struct ExampleBrightness {
  struct In {
    Image image;
    double factor = 1;
  };
  struct Out {
    Image image;
  };

  static auto spec() {
    return node<ExampleBrightness>("ExampleBrightness", "example")
        .display("Brightness (example)")
        .doc("Multiplies all colours by a factor.")
        .in("image", &In::image)
        .in("factor", &In::factor,
            {.min = 0, .max = 10, .step = 0.01, .tooltip = "Below 1 is darker."})
        .out(&Out::image);
  }

  static Out run(const In& in) { return {{at::clamp(at::mul(in.image.pixels, in.factor), 0, 1)}}; }
};

/// Shows the mean colour of each picture below the node.
struct ExampleMeanColour {
  struct In {
    Image image;
  };
  struct Out {
    std::string text;
    Ui ui;
  };

  static auto spec() {
    return node<ExampleMeanColour>("ExampleMeanColour", "example")
        .display("Mean Colour (example)")
        .in("image", &In::image)
        .out("text", &Out::text)
        .as_output_node();
  }

  static Out run(const In& in, Context& context) {
    const std::int64_t count = in.image.pixels.size(0);
    Out out;
    for (std::int64_t i = 0; i < count; ++i) {
      context.progress(i, count);  // an interrupt ends the node here
      const Tensor mean = at::round(at::mul(in.image.pixels[i].mean({0, 1}), 255));
      std::string text = "#";
      for (std::int64_t channel = 0; channel < 3; ++channel)
        text += two_digits(mean[channel].item<int>());
      out.ui.add("text", text);
      out.text += (i == 0 ? "" : " ") + text;
    }
    return out;
  }

  static std::string two_digits(int value) {
    constexpr const char* kDigits = "0123456789abcdef";
    return {kDigits[value / 16], kDigits[value % 16]};
  }
};

}  // namespace

void comfy_register_nodes(Registry& registry) {
  registry.add<ExampleBrightness>();
  registry.add<ExampleMeanColour>();
}
