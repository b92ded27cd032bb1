// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/error.h"
#include "foundation/graph/validate.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace comfy::graph {

/// The fields of a POST /prompt body, checked for shape.
struct Submission {
  Json prompt;                           ///< as sent; after accept(): coerced
  std::optional<std::string> prompt_id;  ///< chosen by the client
  std::string client_id;                 ///< empty when there is none
  std::optional<double> number;
  bool front = false;
  /// Milliseconds since 1970 after which it shall not be started any more (our own field).
  std::optional<std::int64_t> expires_at;
  Json extra_data = Json::Object{};  ///< an object; holds client_id when there is one
  std::optional<std::vector<std::string>> partial_execution_targets;

  std::vector<std::string> outputs;  ///< filled by accept()
  Json::Object node_errors;          ///< filled by accept(): outputs that will not run
};

/// A body that is not accepted: what to answer, and the kind from which the server takes the
/// status.
struct Refusal {
  Error::Kind kind = Error::Kind::invalid_prompt;
  Json body;
};

/// Reads the fields of a POST /prompt body. Every malformed shape becomes a refusal.
std::variant<Submission, Refusal> read_submission(const Json& body);

/// read_submission, then validate. `options.partial_execution_targets` is taken from the body.
std::variant<Submission, Refusal> accept(const Json& body, const Catalogue& catalogue,
                                         ValidationOptions options = {});

/// {"error": {type, message, details, extra_info: {}}, "node_errors": {}}.
Json refusal_body(std::string_view type, std::string_view message, std::string_view details = {});

}  // namespace comfy::graph
