// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <span>
#include <string_view>

namespace comfy::fuzz {

/// One reader of foreign bytes. It may refuse its input by an Error of a kind that is the client's
/// fault; anything else that it does wrong ends the process.
struct Target {
  std::string_view name;  ///< also its folder below tests/fuzz/corpus
  void (*run)(std::string_view input);
  int changes = 400;  ///< of each known input, for the replay
};

std::span<const Target> targets();

// json_targets.cpp
void fuzz_json(std::string_view input);
void fuzz_prompt(std::string_view input);
void fuzz_catalogue(std::string_view input);
// http_targets.cpp
void fuzz_http_head(std::string_view input);
void fuzz_multipart(std::string_view input);
void fuzz_websocket(std::string_view input);
// file_targets.cpp
void fuzz_path(std::string_view input);
void fuzz_save_name(std::string_view input);
void fuzz_png_text(std::string_view input);
void fuzz_picture(std::string_view input);
void fuzz_model_file(std::string_view input);
// link_targets.cpp
void fuzz_link(std::string_view input);
void fuzz_broker_address(std::string_view input);
// access_targets.cpp
void fuzz_token(std::string_view input);
void fuzz_key_file(std::string_view input);
void fuzz_config(std::string_view input);
void fuzz_options(std::string_view input);
// text_targets.cpp
void fuzz_tokens(std::string_view input);
void fuzz_regex(std::string_view input);

}  // namespace comfy::fuzz
