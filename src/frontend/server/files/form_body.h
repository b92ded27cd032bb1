// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// For tests: forms as browsers send them.

#include "foundation/base/json.h"
#include "frontend/server/files/base64.h"
#include "frontend/server/loopback_server.h"

#include <optional>
#include <string>
#include <vector>

namespace comfy::server {

struct Field {
  std::string name;
  std::string content;
  std::optional<std::string> filename = {};
};

inline Ask form_ask(const std::string& target, const std::vector<Field>& fields) {
  Ask ask{.method = "POST",
          .target = target,
          .headers = {{"Content-Type", "multipart/form-data; boundary=----test"}}};
  for (const Field& field : fields) {
    ask.body += "------test\r\nContent-Disposition: form-data; name=\"" + field.name + "\"";
    if (field.filename)
      ask.body += "; filename=\"" + *field.filename + "\"\r\nContent-Type: image/png";
    ask.body += "\r\n\r\n" + field.content + "\r\n";
  }
  ask.body += "------test--\r\n";
  return ask;
}

/// A field as the recordings hold it.
inline Field recorded_field(const Json& field) {
  Field made{.name = field.at("name").as_string(), .content = field.string_or("value", "")};
  if (field.find("base64")) made.content = decode_base64(field.at("base64").as_string()).value();
  if (field.find("filename")) made.filename = field.at("filename").as_string();
  return made;
}

}  // namespace comfy::server
