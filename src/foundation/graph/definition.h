// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::graph {

/// The three groups in which a node lists its inputs.
enum class InputCategory { required, optional, hidden };
const char* category_name(InputCategory category);

/// How /object_info writes an entry: `classic` leaves out what is not declared, `schema` is the
/// newer form that names every key.
enum class Style { classic, schema };

/// How a choice is written: not a choice at all, `[["a", "b"], {..}]`, or `["COMBO", {"options":
/// ..}]`.
enum class Combo { none, classic, schema };

/// A mark in place of choices that depend on files; whoever knows the folders fills it
/// (FileChoices).
///
/// Either model folders, by their names ("checkpoints"), or files of the input folder, by kind:
/// "any", "image", "audio", "video", "audio,video", "latent", "3d", "folders".
struct FileMark {
  std::vector<std::string> model_folders = {};
  std::string input_kind = {};
  std::vector<std::string> first = {};  ///< fixed choices before the files, such as "None"
  std::vector<std::string> last = {};   ///< fixed choices after them, such as "pixel_space"

  bool operator==(const FileMark&) const = default;
};

struct InputDefinition {
  InputCategory category = InputCategory::required;
  std::string name = {};
  std::string type = {};  ///< "INT", "IMAGE,MASK", "*"; "COMBO" for every kind of choice
  Combo combo = Combo::none;
  Json::Array choices = {};            ///< fixed choices, strings or numbers
  std::optional<FileMark> files = {};  ///< choices that are files; `choices` is empty then
  /// What /object_info shows after the type, in its order; absent = nothing is shown. A schema
  /// combo keeps the place of its choices by a null member "options".
  std::optional<Json::Object> options = {};
  bool bare = false;  ///< written as its type alone: a classic hidden input

  /// The option of that name, or nothing.
  const Json* option(std::string_view key) const { return options ? options->find(key) : nullptr; }
  bool lazy() const { return flag("lazy"); }
  bool raw_link() const { return flag("rawLink"); }

  bool operator==(const InputDefinition&) const = default;

 private:
  bool flag(std::string_view key) const {
    const Json* found = option(key);
    return found && found->is_bool() && found->as_bool();
  }
};

struct OutputDefinition {
  std::string type = {};
  std::string name = {};
  bool is_list = false;
  std::optional<std::string> tooltip = {};
  Json::Array choices = {};  ///< a classic combo as output: its choices stand for its type

  bool operator==(const OutputDefinition&) const = default;
};

/// Everything the server, the editor and the executor need to know about a class of nodes, as data.
struct NodeDefinition {
  std::string id;
  std::optional<std::string> display_name;  ///< absent is shown as null
  std::string description, category;
  std::string python_module = "nodes";
  Style style = Style::classic;
  std::vector<InputCategory> categories;  ///< those shown, in their order, empty ones too
  std::vector<InputDefinition> inputs;    ///< in declared order
  std::vector<OutputDefinition> outputs;
  std::vector<std::string> further_tooltips;  ///< tooltips shown beyond the outputs
  bool output_node = false, deprecated = false, experimental = false;
  std::optional<bool> api_node;  ///< shown only when set (always in schema style)

  bool is_input_list = false;     ///< gets whole lists, in one call
  bool has_lazy_probe = false;    ///< is asked which of its lazy inputs it needs
  bool has_change_probe = false;  ///< is asked whether its inputs changed by themselves
  bool has_validator = false;     ///< has a validator of its own, which only its worker can run
  /// Inputs whose built-in checks its own validator replaces; "*" replaces all of them.
  std::vector<std::string> validator_inputs;
  bool validator_sees_types = false;  ///< its validator judges the types of links too
  bool never_shared = false;          ///< equal nodes are computed apart (NOT_IDEMPOTENT)
  bool is_async = false;  ///< may wait for something outside without holding up other nodes

  /// The input of that name, hidden ones last, or nothing.
  const InputDefinition* find_input(std::string_view name) const;
  /// Whether its id belongs to its signature: it sees UNIQUE_ID or must not be shared.
  bool id_matters() const;

  bool operator==(const NodeDefinition&) const = default;
};

/// The definition as data of ours (catalogue.json), not in the form of /object_info.
Json to_json(const NodeDefinition& definition);
/// Reads what to_json wrote. Throws Error(invalid_input) naming the field that is missing or
/// mistyped.
NodeDefinition definition_from_json(const Json& json);

}  // namespace comfy::graph
