// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "worker/engine/node.h"

namespace comfy::engine {

template <class T>
inline constexpr bool is_async = false;
template <class Out>
inline constexpr bool is_async<Async<Out>> = true;

template <class N>
template <class M, class Options>
void NodeBuilder<N>::declare(std::string name, M In::* member, const Options& options,
                             bool optional) {
  using Traits = InputTraits<M>;
  using Item = typename Traits::Item;
  graph::InputDefinition input;
  if constexpr (std::same_as<Options, SocketOptions>)
    input = describe(options, Port<Item>::type);
  else
    input = describe(options, Port<Item>::type, default_of(In{}.*member));
  if constexpr (requires { Port<Item>::folders(); })
    input.files->model_folders = Port<Item>::folders();
  if constexpr (requires { Port<Item>::kind(); }) input.files->input_kind = Port<Item>::kind();
  const auto flag = [&](const char* key) {
    Json::Object flagged{{key, true}};
    if (input.options)
      for (const auto& shown : *input.options) flagged[shown.first] = shown.second;
    input.options = std::move(flagged);
  };
  if (Traits::lazy) flag("lazy");
  if (std::same_as<Item, RawLink>) flag("rawLink");
  input.name = name;
  input.category = optional ? graph::InputCategory::optional : graph::InputCategory::required;
  has_list_members_ |= Traits::list;
  definition_.inputs.push_back(std::move(input));
  binding_.names.push_back(std::move(name));
  const Need need = optional ? Need::optional : Need::required;
  binding_.loads.push_back([member, need](In& in, const Argument& argument, Reading reading) {
    read_member(in.*member, argument, reading, need);
  });
}

template <class N>
template <class M>
void NodeBuilder<N>::declare_output(std::string name, M Out::* member,
                                    const OutputOptions& options) {
  graph::OutputDefinition output;
  const auto describe_as = [&]<class T>(std::type_identity<T>) {
    output.type = options.type.empty() ? Port<T>::type : options.type;
  };
  if constexpr (requires(M m) { []<class T>(List<T>&) {}(m); }) {
    output.is_list = true;
    describe_as(std::type_identity<typename M::value_type>{});
    binding_.stores.push_back([member](Out& out) {
      std::vector<Value> values;
      for (auto& item : out.*member) values.push_back(box(std::move(item)));
      return values;
    });
  } else {
    describe_as(std::type_identity<typename InputTraits<M>::Item>{});
    binding_.stores.push_back([member](Out& out) {
      std::vector<Value> values;
      values.push_back(box(std::move(out.*member)));
      return values;
    });
  }
  output.name = name.empty() ? output.type : std::move(name);
  if (!options.tooltip.empty()) output.tooltip = std::string{options.tooltip};
  definition_.outputs.push_back(std::move(output));
}

template <class N>
auto NodeBuilder<N>::Binding::read(const Arguments& arguments, Reading reading) const -> In {
  In in{};
  for (std::size_t i = 0; i < loads.size() && i < arguments.declared.size(); ++i) {
    try {
      loads[i](in, arguments.declared[i], reading);
    } catch (Error& error) {
      throw std::move(error).at_input(names[i]);
    }
  }
  if (extra)
    for (const Argument& argument : arguments.extra)
      if (!argument.values.empty()) extra(in).emplace_back(argument.name, argument.values.front());
  return in;
}

template <class N>
Returned NodeBuilder<N>::Binding::write(Out out) const {
  Returned returned;
  if constexpr (requires { out.ui.entries; }) returned.ui = std::move(out.ui.entries);
  if constexpr (requires { out.block = Blocker{}; })
    if (out.block) {
      returned.block = *out.block;
      return returned;
    }
  if constexpr (requires { out.expansion.nodes; })
    if (!out.expansion.nodes.empty() || !out.expansion.results.empty()) {
      returned.expansion = std::move(out.expansion);
      return returned;
    }
  returned.slots.reserve(stores.size());
  for (const Store& store : stores) returned.slots.push_back(store(out));
  return returned;
}

/// A call of an asynchronous node, with its binding.
template <class N>
class NodeBuilder<N>::PendingNode final : public PendingCall {
 public:
  PendingNode(Async<Out> work, std::shared_ptr<const Binding> binding)
      : work_{std::move(work)}, binding_{std::move(binding)} {}
  bool ready() const override { return work_.ready(); }
  void on_ready(std::function<void()> callback) override { work_.on_ready(std::move(callback)); }
  Returned take() override { return binding_->write(work_.take()); }

 private:
  Async<Out> work_;
  std::shared_ptr<const Binding> binding_;
};

template <class N>
Returned NodeBuilder<N>::call(const std::shared_ptr<const Binding>& binding, const In& in,
                              Context& context) {
  auto result = [&] {
    if constexpr (requires { N::run(in, context); })
      return N::run(in, context);
    else
      return N::run(in);
  }();
  if constexpr (is_async<decltype(result)>) {
    Returned returned;
    returned.pending = std::make_shared<PendingNode>(std::move(result), binding);
    return returned;
  } else {
    return binding->write(std::move(result));
  }
}

template <class N>
void NodeBuilder<N>::add_probes(NodeType& type, const std::shared_ptr<const Binding>& binding) {
  if constexpr (requires(const In& in, Context& c) { N::check_lazy_status(in, c); }) {
    type.check_lazy = [binding](const Arguments& arguments, Context& context) {
      return N::check_lazy_status(binding->read(arguments, Reading::strict), context);
    };
  } else if constexpr (requires(const In& in) { N::check_lazy_status(in); }) {
    type.check_lazy = [binding](const Arguments& arguments, Context&) {
      return N::check_lazy_status(binding->read(arguments, Reading::strict));
    };
  }
  if constexpr (requires(const In& in, Context& c) { N::fingerprint(in, c); }) {
    type.fingerprint = [binding](const Arguments& arguments, Context& context) {
      return Json{N::fingerprint(binding->read(arguments, Reading::lenient), context)};
    };
  }
  if constexpr (requires(const In& in, const LinkTypes& types) { N::validate(in, types); }) {
    type.validate = [binding](const Arguments& arguments, const LinkTypes& types) {
      N::validate(binding->read(arguments, Reading::lenient), types);
    };
    type.definition.validator_sees_types = true;
  } else if constexpr (requires(const In& in) { N::validate(in); }) {
    type.validate = [binding](const Arguments& arguments, const LinkTypes&) {
      N::validate(binding->read(arguments, Reading::lenient));
    };
  }
  type.definition.has_lazy_probe = static_cast<bool>(type.check_lazy);
  type.definition.has_change_probe = static_cast<bool>(type.fingerprint);
  type.definition.has_validator = static_cast<bool>(type.validate);
}

template <class N>
NodeType NodeBuilder<N>::build() && {
  if constexpr (requires(const In& in, Context& c) { N::run(in, c); })
    definition_.is_async =
        is_async<decltype(N::run(std::declval<const In&>(), std::declval<Context&>()))>;
  else
    definition_.is_async = is_async<decltype(N::run(std::declval<const In&>()))>;
  const auto binding = std::make_shared<const Binding>(std::move(binding_));
  NodeType type;
  type.definition = std::move(definition_);
  type.run = [binding](const Arguments& arguments, Context& context) {
    return call(binding, binding->read(arguments, Reading::strict), context);
  };
  add_probes(type, binding);
  for (graph::InputDefinition& input : hidden_inputs_)
    type.definition.inputs.push_back(std::move(input));
  finish_definition(type.definition, hidden_, has_list_members_);
  return type;
}

}  // namespace comfy::engine
