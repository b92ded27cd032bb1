// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace comfy::jobs {

/// A WebSocket text message, serialized once for all who get it: {"type": ..., "data": ...}.
struct TextEvent {
  std::optional<std::string> client_id = {};  ///< the session it is for; nothing = every session
  std::string owner = {};                     ///< the prompt's user; empty without authentication
  std::string prompt_id = {};                 ///< empty for `status`
  std::string type = {};                      ///< "execution_start", "progress", ...
  std::uint64_t seq = 0;  ///< place in the prompt's lifecycle, for `?since=`; or 0
  std::shared_ptr<const std::string> text = {};
};

/// A binary message for a prompt's client.
struct PreviewEvent {
  std::optional<std::string> client_id = {};  ///< nothing = every session
  std::string owner = {};
  std::string prompt_id = {};
  int kind = 1;        ///< 1 picture, 3 text, 4 picture with metadata (what the worker made)
  bool asked = false;  ///< the prompt asked for previews (extra_data.preview_method)
  /// Kinds 1 and 4: node_id, prompt_id, display_node_id, parent_node_id, real_node_id, image_type
  /// ("image/jpeg" or "image/png"). Kind 3: node_id.
  Json metadata = {};
  std::shared_ptr<const std::string> bytes = {};  ///< the encoded picture, or the text
};

/// Where messages for browsers go. Calls come one at a time, in the order that must be kept, from
/// threads of the store and link; they must be quick, must not throw and must not call Jobs.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void send(const TextEvent& event) = 0;
  virtual void send(const PreviewEvent& event) = 0;
};

}  // namespace comfy::jobs
