// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/json.h"
#include "foundation/base/strings.h"
#include "foundation/graph/object_info.h"
#include "foundation/graph/submission.h"
#include "refusing.h"
#include "targets.h"

#include <cmath>
#include <fstream>
#include <iterator>

namespace comfy::fuzz {
namespace {

/// Numbers that are not finite are written as null, on purpose.
bool is_finite(const Json& value) {
  if (value.is_float()) return std::isfinite(value.as_double());
  if (value.is_array()) {
    for (const Json& item : value.as_array()) {
      if (!is_finite(item)) return false;
    }
  }
  if (value.is_object()) {
    for (const auto& [name, item] : value.as_object()) {
      if (!is_finite(item)) return false;
    }
  }
  return true;
}

/// The nodes that the tests of the server know too.
const graph::Catalogue& small_catalogue() {
  static const graph::Catalogue catalogue = [] {
    std::ifstream file{"tests/protocol/object_info_small.json"};
    if (!file) found("run in the root of the repository");
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    return graph::catalogue_from_object_info(parse_json(text));
  }();
  return catalogue;
}

}  // namespace

void fuzz_json(std::string_view input) {
  refusing([input] {
    const Json value = parse_json(input);
    if (value.is_string() && !is_utf8(value.as_string())) found("a text that is no UTF-8");
    if (!is_finite(value)) return;
    for (const std::string& text :
         {to_json(value), to_compact_json(value), to_pretty_json(value)}) {
      if (!(parse_json(text) == value)) found("a value is another one after being written");
    }
  });
}

void fuzz_prompt(std::string_view input) {
  refusing([input] {
    const Json body = parse_json(input, {.max_bytes = 1 << 20, .max_depth = 256});
    const auto outcome = graph::accept(body, small_catalogue());
    if (const auto* refusal = std::get_if<graph::Refusal>(&outcome)) {
      if (refusal->body.at("error").at("type").as_string().empty()) found("an error without type");
      if (!refusal->body.at("node_errors").is_object()) found("a refusal without node_errors");
      return;
    }
    const auto& accepted = std::get<graph::Submission>(outcome);
    if (accepted.outputs.empty()) found("a prompt without outputs was accepted");
  });
}

void fuzz_catalogue(std::string_view input) {
  // What a worker sends, and what another server's /object_info says.
  refusing([input] {
    const Json json = parse_json(input);
    const graph::Catalogue nodes = json.find("nodes") != nullptr
                                       ? graph::Catalogue::from_json(json)
                                       : graph::catalogue_from_object_info(json);
    const graph::Catalogue again = graph::Catalogue::from_json(nodes.to_json());
    if (again.hash() != nodes.hash()) found("nodes are others after being sent");
    graph::object_info(nodes, {});
  });
}

}  // namespace comfy::fuzz
