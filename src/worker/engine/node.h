// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/error.h"
#include "worker/engine/async.h"
#include "worker/engine/context.h"
#include "worker/engine/node_type.h"
#include "worker/engine/port.h"

#include <concepts>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

/// How a node is declared: a struct with a struct In, a struct Out, a static spec() that names each
/// member once, and a static run. Optional static members: check_lazy_status, fingerprint, and
/// validate, which takes the inputs and, when it judges wires too, their types (LinkTypes).

namespace comfy::engine {

/// What a node shows under itself: arrays by name, such as "images". A member `Ui ui` of Out.
struct Ui {
  Json::Object entries;
  /// Appends `item` to the array of that name.
  void add(std::string_view name, Json item);
};

/// The values a node may ask for without a wire; reading them needs no declaration, but it shows in
/// /object_info, and unique_id makes equal nodes different. The last two are what the client sent
/// along for paid services: Context::extra_data() holds them.
enum class Hidden {
  prompt,
  dynprompt,
  extra_pnginfo,
  unique_id,
  auth_token_comfy_org,
  api_key_comfy_org
};

/// The type of what is linked, by input: what a validator learns about wires.
using LinkTypes = Json::Object;

struct OutputOptions {
  std::string_view type = {};  ///< in place of the port's own name
  std::string_view tooltip = {};
};

// --- What a member's type says about its input. ---

template <class M>
struct InputTraits {
  using Item = M;
  static constexpr bool optional = false, lazy = false, list = false;
};
template <class M>
struct InputTraits<std::optional<M>> : InputTraits<M> {
  static constexpr bool optional = true;
};
template <class M>
struct InputTraits<Lazy<M>> : InputTraits<M> {
  static constexpr bool lazy = true;
};
/// A vector that is one value on the wire (CONDITIONING), not a list of values.
template <class T>
concept HasPort = requires { Port<T>::type; };
template <class M>
  requires(!HasPort<std::vector<M>>)
struct InputTraits<std::vector<M>> : InputTraits<M> {
  static constexpr bool list = true;
};

/// Whether null and wires without a value leave a member as it is, or are an error.
enum class Reading { strict, lenient };

/// Throws Error(invalid_input): "expected IMAGE, got a string".
[[noreturn]] void throw_wrong_type(std::string_view expected, const Value& got);
[[noreturn]] void throw_missing();

/// A value as a T. Throws Error(invalid_input) when it is something else.
template <class T>
T unbox(const Value& value) {
  if constexpr (std::same_as<T, Value>) {
    return value;
  } else if constexpr (requires {
                         { Port<T>::from_value(value) } -> std::same_as<std::optional<T>>;
                       }) {
    if (std::optional<T> read = Port<T>::from_value(value)) return std::move(*read);
    throw_wrong_type(Port<T>::type, value);
  } else if constexpr (JsonPort<T>) {
    if (const Json* json = value.json()) return Port<T>::from_json(*json);
    throw_wrong_type(Port<T>::type, value);
  } else {
    if (const T* held = value.get<T>()) return *held;
    throw_wrong_type(Port<T>::type, value);
  }
}

template <class T>
Value box(T value) {
  if constexpr (std::same_as<T, Value>)
    return value;
  else if constexpr (JsonPort<T>)
    return Value{Port<T>::to_json(value)};
  else
    return Value::of(std::move(value));
}
template <class T>
Value box(std::optional<T> value) {
  return value ? box(std::move(*value)) : Value{};
}

template <class T>
void read_into(T& member, const Argument& argument, Reading) {
  member = unbox<T>(argument.values.front());
}
template <class T>
void read_into(std::optional<T>& member, const Argument& argument, Reading reading) {
  T read{};
  read_into(read, argument, reading);
  member = std::move(read);
}
template <class T>
void read_into(Lazy<T>& member, const Argument& argument, Reading reading) {
  read_into(member.value, argument, reading);
}
template <class T>
  requires(!HasPort<std::vector<T>>)
void read_into(std::vector<T>& member, const Argument& argument, Reading) {
  member.clear();
  for (const Value& value : argument.values) member.push_back(unbox<T>(value));
}

/// Fills one member from its argument. `need` says whether an absent one is an error; members with
/// a widget then keep their initializer.
enum class Need { optional, required };
template <class M>
void read_member(M& member, const Argument& argument, Reading reading, Need need) {
  using Traits = InputTraits<M>;
  constexpr bool takes_absent = Traits::optional || Traits::lazy;
  constexpr bool takes_null = std::same_as<typename Traits::Item, Value> && !takes_absent;
  constexpr bool has_widget = JsonPort<typename Traits::Item>;
  const bool strict = reading == Reading::strict && !takes_absent;
  if (!argument.given || argument.values.empty()) {
    if (strict && need == Need::required && !has_widget && !Traits::list) throw_missing();
    return;
  }
  const bool absent = argument.missing || (!Traits::list && argument.values.front().is_null());
  if (!absent || takes_null) return read_into(member, argument, reading);
  if (strict) throw_missing();
}

// --- Options as data. ---

/// An input in progress, before the style of its node is known.
graph::InputDefinition describe(const SocketOptions& options, std::string_view type);
graph::InputDefinition describe(const NumberOptions<double>& options, std::string_view type,
                                const std::optional<Json>& value);
template <std::integral T>
graph::InputDefinition describe(const NumberOptions<T>& options, std::string_view type,
                                const std::optional<Json>& value);
graph::InputDefinition describe(const StringOptions& options, std::string_view type,
                                const std::optional<Json>& value);
graph::InputDefinition describe(const BooleanOptions& options, std::string_view type,
                                const std::optional<Json>& value);
graph::InputDefinition describe(const FileOptions& options, std::string_view type,
                                const std::optional<Json>& value);
extern template graph::InputDefinition describe(const NumberOptions<int>&, std::string_view,
                                                const std::optional<Json>&);
extern template graph::InputDefinition describe(const NumberOptions<std::int64_t>&,
                                                std::string_view, const std::optional<Json>&);
extern template graph::InputDefinition describe(const NumberOptions<std::uint64_t>&,
                                                std::string_view, const std::optional<Json>&);

/// The initializer of a member as a default; nothing when it has none.
template <class M>
std::optional<Json> default_of(const M& member) {
  if constexpr (JsonPort<M>) return Port<M>::to_json(member);
  return {};
}
template <class M>
std::optional<Json> default_of(const std::optional<M>& member) {
  return member ? default_of(*member) : std::nullopt;
}
template <class M>
std::optional<Json> default_of(const Lazy<M>& member) {
  return default_of(member.value);
}

/// Completes a definition and throws Error(internal) for one that contradicts itself: a default
/// outside its range or choices, a name twice, a list where the node takes none.
void finish_definition(graph::NodeDefinition& definition, const std::vector<Hidden>& hidden,
                       bool has_list_members);

/// Builds a NodeType from pointers to the members of N::In and N::Out. Made by node<N>(..).
template <class N>
class NodeBuilder {
 public:
  using In = typename N::In;
  using Out = typename N::Out;

  NodeBuilder(std::string id, std::string category) {
    definition_.id = std::move(id);
    definition_.category = std::move(category);
  }

  /// The description in /object_info.
  NodeBuilder&& doc(std::string text) && {
    definition_.description = std::move(text);
    return std::move(*this);
  }
  NodeBuilder&& display(std::string name) && {
    definition_.display_name = std::move(name);
    return std::move(*this);
  }
  /// "nodes" (the default) or "comfy_extras.nodes_mask" and so on.
  NodeBuilder&& module(std::string name) && {
    definition_.python_module = std::move(name);
    return std::move(*this);
  }
  /// Writes /object_info in the newer form, as the original of this node does.
  NodeBuilder&& schema() && {
    definition_.style = graph::Style::schema;
    return std::move(*this);
  }
  NodeBuilder&& as_output_node() && {
    definition_.output_node = true;
    return std::move(*this);
  }
  NodeBuilder&& deprecated() && {
    definition_.deprecated = true;
    return std::move(*this);
  }
  NodeBuilder&& experimental() && {
    definition_.experimental = true;
    return std::move(*this);
  }
  /// Equal nodes are computed apart (NOT_IDEMPOTENT).
  NodeBuilder&& never_cached() && {
    definition_.never_shared = true;
    return std::move(*this);
  }
  /// Inputs are std::vector members and hold whole lists; one call for all.
  NodeBuilder&& takes_lists() && {
    definition_.is_input_list = true;
    return std::move(*this);
  }
  NodeBuilder&& hidden(std::initializer_list<Hidden> which) && {
    hidden_.assign(which);
    return std::move(*this);
  }
  /// Declares an input that the editor does not show and other programs may fill; its value comes
  /// with the extra_inputs.
  NodeBuilder&& hidden_in(std::string name, std::string type) && {
    graph::InputDefinition input;
    input.category = graph::InputCategory::hidden;
    input.name = std::move(name);
    input.type = std::move(type);
    hidden_inputs_.push_back(std::move(input));
    return std::move(*this);
  }
  /// Shows the category "optional" though it is empty.
  NodeBuilder&& empty_optional() && {
    definition_.categories.push_back(graph::InputCategory::optional);
    return std::move(*this);
  }
  /// A tooltip shown beyond the outputs, as the original of this node does.
  NodeBuilder&& further_tooltip(std::string text) && {
    definition_.further_tooltips.push_back(std::move(text));
    return std::move(*this);
  }
  /// Inputs whose built-in checks N::validate replaces (none by default).
  NodeBuilder&& validates(std::vector<std::string> names) && {
    definition_.validator_inputs = std::move(names);
    return std::move(*this);
  }

  /// Declares an input. Its default is the member's own initializer in `In`.
  template <class M>
  NodeBuilder&& in(std::string name, M In::* member,
                   const typename Port<typename InputTraits<M>::Item>::Options& options = {}) && {
    declare(std::move(name), member, options, InputTraits<M>::optional);
    return std::move(*this);
  }
  /// Declares an input that may be left out and then keeps its initializer.
  template <class M>
  NodeBuilder&& optional_in(
      std::string name, M In::* member,
      const typename Port<typename InputTraits<M>::Item>::Options& options = {}) && {
    declare(std::move(name), member, options, true);
    return std::move(*this);
  }
  /// Takes wires to inputs that are not declared.
  NodeBuilder&& extra_inputs(ExtraInputs In::* member) && {
    // A function, not the pointer: GCC 12 warns of a null pointer to member where In is small.
    binding_.extra = [member](In& in) -> ExtraInputs& { return in.*member; };
    return std::move(*this);
  }

  template <class M>
  NodeBuilder&& out(std::string name, M Out::* member, const OutputOptions& options = {}) && {
    declare_output(std::move(name), member, options);
    return std::move(*this);
  }
  /// An output called like its type.
  template <class M>
  NodeBuilder&& out(M Out::* member, const OutputOptions& options = {}) && {
    declare_output({}, member, options);
    return std::move(*this);
  }

  NodeType build() &&;

 private:
  using Load = std::function<void(In&, const Argument&, Reading)>;
  using Store = std::function<std::vector<Value>(Out&)>;

  template <class M, class Options>
  void declare(std::string name, M In::* member, const Options& options, bool optional);
  template <class M>
  void declare_output(std::string name, M Out::* member, const OutputOptions& options);

  /// The parts of a built node that its functions share.
  struct Binding {
    std::vector<Load> loads;
    std::vector<std::string> names;
    std::vector<Store> stores;
    std::function<ExtraInputs&(In&)> extra;

    In read(const Arguments& arguments, Reading reading) const;
    Returned write(Out out) const;
  };
  class PendingNode;
  static Returned call(const std::shared_ptr<const Binding>& binding, const In& in,
                       Context& context);
  static void add_probes(NodeType& type, const std::shared_ptr<const Binding>& binding);

  graph::NodeDefinition definition_;
  std::vector<Hidden> hidden_;
  std::vector<graph::InputDefinition> hidden_inputs_;
  bool has_list_members_ = false;
  Binding binding_;
};

/// Begins the declaration of a node: its id in workflows, and its place in the menu.
template <class N>
NodeBuilder<N> node(std::string id, std::string category) {
  return {std::move(id), std::move(category)};
}

/// A type with everything that makes it a node.
template <class N>
concept Node = requires {
  typename N::In;
  typename N::Out;
  { N::spec().build() } -> std::same_as<NodeType>;
};

}  // namespace comfy::engine

#include "worker/engine/node_builder.h"  // the bodies of NodeBuilder's templates
