// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/features.h"

namespace comfy::server {

Json features(const Settings& settings) {
  return Json::Object{
      {"supports_preview_metadata", true},
      {"supports_progress_text_metadata", true},
      {"max_upload_size", settings.limits.upload_body},
      {"extension", Json::Object{{"manager", Json::Object{{"supports_v4", false}}}}},
      {"node_replacements", false},
      {"assets", false},
  };
}

}  // namespace comfy::server
