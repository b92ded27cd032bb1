// SPDX-License-Identifier: GPL-3.0-or-later
#include "targets.h"

#include <array>

namespace comfy::fuzz {

std::span<const Target> targets() {
  static constexpr std::array kTargets{Target{"broker_address", fuzz_broker_address},
                                       Target{"config", fuzz_config},
                                       Target{"http_head", fuzz_http_head},
                                       Target{"json", fuzz_json},
                                       Target{"key_file", fuzz_key_file},
                                       Target{"link", fuzz_link},
                                       Target{"model_file", fuzz_model_file},
                                       Target{"multipart", fuzz_multipart},
                                       Target{"path", fuzz_path},
                                       Target{"picture", fuzz_picture},
                                       Target{"png_text", fuzz_png_text},
                                       Target{"prompt", fuzz_prompt},
                                       Target{"token", fuzz_token},
                                       Target{"websocket", fuzz_websocket}};
  return kTargets;
}

}  // namespace comfy::fuzz
