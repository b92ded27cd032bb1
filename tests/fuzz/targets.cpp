// SPDX-License-Identifier: GPL-3.0-or-later
#include "targets.h"

#include <array>

namespace comfy::fuzz {
namespace {

/// For what takes long: the command line makes a table of some 150 options each time, and a pattern
/// is given up only after a second.
constexpr int kFew = 10;

}  // namespace

std::span<const Target> targets() {
  static constexpr std::array kTargets{Target{"broker_address", fuzz_broker_address},
                                       Target{"catalogue", fuzz_catalogue},
                                       Target{"config", fuzz_config},
                                       Target{"http_head", fuzz_http_head},
                                       Target{"json", fuzz_json},
                                       Target{"key_file", fuzz_key_file},
                                       Target{"link", fuzz_link},
                                       Target{"model_file", fuzz_model_file},
                                       Target{"multipart", fuzz_multipart},
                                       Target{"options", fuzz_options, kFew},
                                       Target{"path", fuzz_path},
                                       Target{"picture", fuzz_picture},
                                       Target{"png_text", fuzz_png_text},
                                       Target{"prompt", fuzz_prompt},
                                       Target{"regex", fuzz_regex, kFew},
                                       Target{"save_name", fuzz_save_name},
                                       Target{"token", fuzz_token},
                                       Target{"tokens", fuzz_tokens},
                                       Target{"websocket", fuzz_websocket}};
  return kTargets;
}

}  // namespace comfy::fuzz
