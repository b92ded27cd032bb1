// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::server {

struct MultipartLimits {
  std::size_t parts = 64;
  std::size_t part_headers = 8'192;  ///< bytes
  std::size_t boundary = 70;         ///< bytes, as RFC 2046 has it
};

/// One field of a form. The views point into the body.
struct FormPart {
  std::string name;
  std::optional<std::string> filename;  ///< there when it is a file, even when it is empty
  std::string_view content;
};

/// The fields of a form in the order they came.
class Form {
 public:
  /// Reads a body of that Content-Type, multipart/form-data, in one pass whose cost grows linearly.
  /// Throws Error(invalid_input) when it is another type or broken, Error(too_large) above a limit.
  Form(std::string_view content_type, std::string_view body, const MultipartLimits& limits = {});

  /// The first field of that name.
  const FormPart* find(std::string_view name) const;
  /// The text of the first field of that name that is no file, else `otherwise`.
  std::string text_or(std::string_view name, std::string_view otherwise) const;
  const std::vector<FormPart>& parts() const { return parts_; }

 private:
  std::vector<FormPart> parts_;
};

}  // namespace comfy::server
