// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/error.h"

#include <string>
#include <string_view>
#include <vector>

namespace comfy::paths {

/// Error::details of every refusal of a ClientPath, for whoever looks out for such attempts.
inline constexpr const char* kRefusedPath = "refused_path";

/// A path below some root as a client wrote it, checked before any file system sees it.
///
/// Paths from outside (requests, workflows, messages) travel as this type until Root opens them.
/// Refused: NUL and control bytes, invalid UTF-8, "\", absolute paths, "." and ".." components,
/// drive letters, device names, components ending in a blank or a dot or longer than 255 bytes,
/// more than 1,024 bytes in all.
class ClientPath {
 public:
  /// The root itself.
  ClientPath() = default;

  /// Throws Error(refusal), with kRefusedPath as its details, naming the rule that the text breaks.
  /// An empty text is refused too, but is no attempt at anything: its details are empty.
  static ClientPath parse(std::string_view text, Error::Kind refusal = Error::Kind::invalid_input);
  /// The same for a folder, where an empty text is the root itself.
  static ClientPath parse_folder(std::string_view text,
                                 Error::Kind refusal = Error::Kind::invalid_input);

  const std::vector<std::string>& parts() const { return parts_; }
  bool empty() const { return parts_.empty(); }
  /// The components joined by "/".
  std::string text() const;
  /// The last component; empty for the root itself.
  std::string_view name() const;
  /// All but the last component.
  ClientPath folder() const;
  /// The same folder with another last component, which is checked like the rest.
  ClientPath renamed(std::string_view name) const;
  ClientPath operator/(const ClientPath& below) const;

  friend bool operator==(const ClientPath&, const ClientPath&) = default;

 private:
  std::vector<std::string> parts_;
};

/// Whether a name found on disk could be asked for by a client (see ClientPath), so that listings
/// offer nothing that opening would refuse.
bool is_client_name(std::string_view name);

}  // namespace comfy::paths
