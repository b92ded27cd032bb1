// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/conditioning.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/conditioning/register.h"
#include "worker/nodes/ports.h"

namespace comfy::nodes {
namespace {

using engine::node;
namespace edit = comfy::conditioning;

struct ConditioningCombine {
  struct In {
    Conditioning conditioning_1;
    Conditioning conditioning_2;
  };
  struct Out {
    Conditioning conditioning;
  };

  static auto spec() {
    return node<ConditioningCombine>("ConditioningCombine", "conditioning")
        .display("Conditioning (Combine)")
        .in("conditioning_1", &In::conditioning_1)
        .in("conditioning_2", &In::conditioning_2)
        .out(&Out::conditioning);
  }

  static Out run(const In& in) { return {edit::combine(in.conditioning_1, in.conditioning_2)}; }
};

struct ConditioningConcat {
  struct In {
    Conditioning conditioning_to;
    Conditioning conditioning_from;
  };
  struct Out {
    Conditioning conditioning;
  };

  static auto spec() {
    return node<ConditioningConcat>("ConditioningConcat", "conditioning")
        .display("Conditioning (Concat)")
        .in("conditioning_to", &In::conditioning_to)
        .in("conditioning_from", &In::conditioning_from)
        .out(&Out::conditioning);
  }

  static Out run(const In& in) { return {edit::concat(in.conditioning_to, in.conditioning_from)}; }
};

struct ConditioningAverage {
  struct In {
    Conditioning conditioning_to;
    Conditioning conditioning_from;
    double conditioning_to_strength = 1.0;
  };
  struct Out {
    Conditioning conditioning;
  };

  static auto spec() {
    return node<ConditioningAverage>("ConditioningAverage", "conditioning")
        .in("conditioning_to", &In::conditioning_to)
        .in("conditioning_from", &In::conditioning_from)
        .in("conditioning_to_strength", &In::conditioning_to_strength,
            {.min = 0.0, .max = 1.0, .step = 0.01})
        .out(&Out::conditioning);
  }

  static Out run(const In& in) {
    return {edit::average(in.conditioning_to, in.conditioning_from, in.conditioning_to_strength)};
  }
};

struct ConditioningSetArea {
  struct In {
    Conditioning conditioning;
    int width = 64;
    int height = 64;
    int x = 0;
    int y = 0;
    double strength = 1.0;
  };
  struct Out {
    Conditioning conditioning;
  };

  static auto spec() {
    return node<ConditioningSetArea>("ConditioningSetArea", "conditioning")
        .display("Conditioning (Set Area)")
        .in("conditioning", &In::conditioning)
        .in("width", &In::width, {.min = 64, .max = kMaxSide, .step = 8})
        .in("height", &In::height, {.min = 64, .max = kMaxSide, .step = 8})
        .in("x", &In::x, {.min = 0, .max = kMaxSide, .step = 8})
        .in("y", &In::y, {.min = 0, .max = kMaxSide, .step = 8})
        .in("strength", &In::strength, {.min = 0.0, .max = 10.0, .step = 0.01})
        .out(&Out::conditioning);
  }

  static Out run(const In& in) {
    const edit::PixelArea area{.width = in.width, .height = in.height, .x = in.x, .y = in.y};
    return {edit::set_area(in.conditioning, area, in.strength)};
  }
};

struct ConditioningSetAreaPercentage {
  struct In {
    Conditioning conditioning;
    double width = 1.0;
    double height = 1.0;
    double x = 0;
    double y = 0;
    double strength = 1.0;
  };
  struct Out {
    Conditioning conditioning;
  };

  static auto spec() {
    return node<ConditioningSetAreaPercentage>("ConditioningSetAreaPercentage", "conditioning")
        .display("Conditioning (Set Area with Percentage)")
        .in("conditioning", &In::conditioning)
        .in("width", &In::width, {.min = 0, .max = 1.0, .step = 0.01})
        .in("height", &In::height, {.min = 0, .max = 1.0, .step = 0.01})
        .in("x", &In::x, {.min = 0, .max = 1.0, .step = 0.01})
        .in("y", &In::y, {.min = 0, .max = 1.0, .step = 0.01})
        .in("strength", &In::strength, {.min = 0.0, .max = 10.0, .step = 0.01})
        .out(&Out::conditioning);
  }

  static Out run(const In& in) {
    edit::RelativeArea area{.size = {in.height, in.width}, .offset = {in.y, in.x}};
    return {edit::set_area(in.conditioning, std::move(area), in.strength)};
  }
};

struct ConditioningSetAreaStrength {
  struct In {
    Conditioning conditioning;
    double strength = 1.0;
  };
  struct Out {
    Conditioning conditioning;
  };

  static auto spec() {
    return node<ConditioningSetAreaStrength>("ConditioningSetAreaStrength", "conditioning")
        .in("conditioning", &In::conditioning)
        .in("strength", &In::strength, {.min = 0.0, .max = 10.0, .step = 0.01})
        .out(&Out::conditioning);
  }

  static Out run(const In& in) { return {edit::set_area_strength(in.conditioning, in.strength)}; }
};

struct ConditioningSetAreaPercentageVideo {
  struct In {
    Conditioning conditioning;
    double width = 1.0;
    double height = 1.0;
    double temporal = 1.0;
    double x = 0;
    double y = 0;
    double z = 0;
    double strength = 1.0;
  };
  struct Out {
    Conditioning conditioning;
  };

  static auto spec() {
    return node<ConditioningSetAreaPercentageVideo>("ConditioningSetAreaPercentageVideo",
                                                    "conditioning")
        .module("comfy_extras.nodes_video_model")
        .in("conditioning", &In::conditioning)
        .in("width", &In::width, {.min = 0, .max = 1.0, .step = 0.01})
        .in("height", &In::height, {.min = 0, .max = 1.0, .step = 0.01})
        .in("temporal", &In::temporal, {.min = 0, .max = 1.0, .step = 0.01})
        .in("x", &In::x, {.min = 0, .max = 1.0, .step = 0.01})
        .in("y", &In::y, {.min = 0, .max = 1.0, .step = 0.01})
        .in("z", &In::z, {.min = 0, .max = 1.0, .step = 0.01})
        .in("strength", &In::strength, {.min = 0.0, .max = 10.0, .step = 0.01})
        .out(&Out::conditioning);
  }

  static Out run(const In& in) {
    edit::RelativeArea area{.size = {in.temporal, in.height, in.width},
                            .offset = {in.z, in.y, in.x}};
    return {edit::set_area(in.conditioning, std::move(area), in.strength)};
  }
};

struct ConditioningSetMask {
  struct In {
    Conditioning conditioning;
    Mask mask;
    double strength = 1.0;
    std::string set_cond_area;
  };
  struct Out {
    Conditioning conditioning;
  };

  static auto spec() {
    return node<ConditioningSetMask>("ConditioningSetMask", "conditioning")
        .display("Conditioning (Set Mask)")
        .in("conditioning", &In::conditioning)
        .in("mask", &In::mask)
        .in("strength", &In::strength, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("set_cond_area", &In::set_cond_area, {.choices = {"default", "mask bounds"}})
        .out(&Out::conditioning);
  }

  static Out run(const In& in) {
    const auto bounds =
        in.set_cond_area == "default" ? edit::MaskBounds::whole : edit::MaskBounds::bounding_box;
    return {edit::set_mask(in.conditioning, in.mask.values, in.strength, bounds)};
  }
};

struct ConditioningSetTimestepRange {
  struct In {
    Conditioning conditioning;
    double start = 0.0;
    double end = 1.0;
  };
  struct Out {
    Conditioning conditioning;
  };

  static auto spec() {
    return node<ConditioningSetTimestepRange>("ConditioningSetTimestepRange",
                                              "advanced/conditioning")
        .in("conditioning", &In::conditioning)
        .in("start", &In::start, {.min = 0.0, .max = 1.0, .step = 0.001})
        .in("end", &In::end, {.min = 0.0, .max = 1.0, .step = 0.001})
        .out(&Out::conditioning);
  }

  static Out run(const In& in) {
    return {edit::set_timestep_range(in.conditioning, in.start, in.end)};
  }
};

struct ConditioningZeroOut {
  struct In {
    Conditioning conditioning;
  };
  struct Out {
    Conditioning conditioning;
  };

  static auto spec() {
    return node<ConditioningZeroOut>("ConditioningZeroOut", "advanced/conditioning")
        .in("conditioning", &In::conditioning)
        .out(&Out::conditioning);
  }

  static Out run(const In& in) { return {edit::zero_out(in.conditioning)}; }
};

}  // namespace

void register_conditioning_edits(engine::Registry& registry) {
  registry.add<ConditioningAverage>();
  registry.add<ConditioningCombine>();
  registry.add<ConditioningConcat>();
  registry.add<ConditioningSetArea>();
  registry.add<ConditioningSetAreaPercentage>();
  registry.add<ConditioningSetAreaStrength>();
  registry.add<ConditioningSetAreaPercentageVideo>();
  registry.add<ConditioningSetMask>();
  registry.add<ConditioningSetTimestepRange>();
  registry.add<ConditioningZeroOut>();
}

}  // namespace comfy::nodes
