// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/validate.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "foundation/graph/check_literal.h"
#include "foundation/graph/coerce.h"
#include "foundation/graph/error_table.h"
#include "foundation/graph/object_info.h"
#include "foundation/graph/prompt.h"
#include "foundation/graph/type_match.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace comfy::graph {

namespace {

/// An erroneous node names at most so many outputs that depend on it.
constexpr std::size_t kNamedOutputs = 100;
/// A cycle is spelled out up to this length.
constexpr std::size_t kNamedCycle = 20;

using Checked = std::variant<std::monostate, Json, CheckFailure>;

/// One node of the prompt and what is known about it so far.
struct Checkpoint {
  const std::string* id = nullptr;
  Json* node = nullptr;
  const NodeDefinition* definition = nullptr;
  enum class Status { unseen, open, done } status = Status::unseen;
  bool valid = false;
  Json::Array errors = {};
};

/// A node whose inputs are being looked at; `next` is the input to look at next.
struct Frame {
  std::size_t node;
  std::size_t next = 0;
  bool valid = true;
  Json::Array errors = {};
  Json::Object received_types = {};
};

/// Walks from each output to its sources without recursion; every node is looked at once.
class Walk {
 public:
  Walk(Json::Object& prompt, const Catalogue& catalogue, const ValidationOptions& options)
      : options_{options} {
    nodes_.reserve(prompt.size());
    for (auto& [id, node] : prompt) {
      index_.emplace(id, nodes_.size());
      nodes_.push_back({.id = &id, .node = &node, .definition = catalogue.find(class_of(node))});
    }
  }

  const Checkpoint& check(const std::string& output) {
    const std::size_t root = index_.at(output);
    if (nodes_[root].status == Checkpoint::Status::unseen) walk_from(root);
    return nodes_[root];
  }

  /// The nodes with errors of their own, in the order in which they were found.
  const std::vector<std::size_t>& faulty() const { return faulty_; }
  const Checkpoint& operator[](std::size_t index) const { return nodes_[index]; }
  const std::vector<std::string>& cycles() const { return cycles_; }

 private:
  enum class Step { next, descend };

  void walk_from(std::size_t root) {
    open(root);
    while (!stack_.empty()) {
      std::optional<CheckFailure> failure;
      if (advance(failure) == Step::descend) continue;
      Frame done = std::move(stack_.back());
      stack_.pop_back();
      if (failure) {
        Json error = stack_.empty() ? outer_error(*failure) : inner_error(*failure);
        done.errors = {std::move(error)};
      }
      const bool valid = done.valid && done.errors.empty();
      close(done.node, valid, std::move(done.errors));
    }
  }

  void open(std::size_t node) {
    nodes_[node].status = Checkpoint::Status::open;
    stack_.push_back({.node = node});
  }

  void close(std::size_t index, bool valid, Json::Array errors) {
    Checkpoint& node = nodes_[index];
    node.status = Checkpoint::Status::done;
    node.valid = valid;
    node.errors = std::move(errors);
    if (!node.errors.empty()) faulty_.push_back(index);
    if (!valid && !stack_.empty()) stack_.back().valid = false;
  }

  /// Goes on with the topmost node until it is finished, fails, or a source of it comes first.
  Step advance(std::optional<CheckFailure>& failure) {
    const std::size_t at = stack_.size() - 1;
    Checkpoint& node = nodes_[stack_[at].node];
    Json::Object* inputs = inputs_to_check(*node.node, failure);
    if (failure) return Step::next;
    const auto& declared = node.definition->inputs;
    while (stack_[at].next < declared.size()) {
      const InputDefinition& input = declared[stack_[at].next++];
      const bool shadowed = node.definition->find_input(input.name) != &input;
      if (input.category == InputCategory::hidden || shadowed) continue;
      const Step step = check_input(stack_[at], input, inputs, failure);
      if (failure || step == Step::descend) return step;
    }
    finish_node(stack_[at], inputs, failure);
    return Step::next;
  }

  /// The object of inputs, or nothing for an empty list, which counts as no inputs at all.
  Json::Object* inputs_to_check(Json& node, std::optional<CheckFailure>& failure) {
    Json* inputs = node.find("inputs") ? &node["inputs"] : nullptr;
    if (!inputs) {
      failure = {"KeyError", "'inputs'"};
    } else if (inputs->is_object()) {
      return &inputs->as_object();
    } else if (!inputs->is_array()) {
      failure = {"TypeError", fmt::format("the inputs of a node must be an object, got {}",
                                          inputs->type_name())};
    }
    return nullptr;
  }

  Step check_input(Frame& frame, const InputDefinition& input, Json::Object* inputs,
                   std::optional<CheckFailure>& failure) {
    Json* value = inputs ? inputs->find(input.name) : nullptr;
    if (!value) {
      if (input.category == InputCategory::required)
        frame.errors.push_back(problem_json(Problem::required_input_missing, input.name,
                                            {{"input_name", input.name}}));
      return Step::next;
    }
    if (value->is_array()) return check_link(frame, input, *value, failure);
    if (const Json* wrapped = value->find("__value__")) *value = Json{*wrapped};
    const NodeDefinition& definition = *nodes_[frame.node].definition;
    add(frame,
        check_literal(input, *value, options_.files,
                      replaced_by_validator(definition, input.name) ? LiteralChecks::conversion
                                                                    : LiteralChecks::all),
        failure);
    return Step::next;
  }

  static bool replaced_by_validator(const NodeDefinition& definition, const std::string& name) {
    if (!definition.has_validator) return false;
    const auto& names = definition.validator_inputs;
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& named) { return named == "*" || named == name; });
  }

  static void add(Frame& frame, Checked checked, std::optional<CheckFailure>& failure) {
    if (Json* error = std::get_if<Json>(&checked)) frame.errors.push_back(std::move(*error));
    if (auto* failed = std::get_if<CheckFailure>(&checked)) failure = std::move(*failed);
  }

  Step check_link(Frame& frame, const InputDefinition& input, const Json& value,
                  std::optional<CheckFailure>& failure) {
    const Json::Array& parts = value.as_array();
    if (parts.size() != 2) {
      frame.errors.push_back(problem_json(Problem::bad_linked_input, input.name,
                                          {{"input_name", input.name},
                                           {"input_config", config(input)},
                                           {"received_value", value}}));
      return Step::next;
    }
    const auto found = parts[0].is_string() ? index_.find(parts[0].as_string()) : index_.end();
    if (found == index_.end()) {
      failure = {"KeyError", python_repr(parts[0])};
      return Step::next;
    }
    const OutputDefinition* output = output_at(nodes_[found->second], parts[1], failure);
    if (!output) return Step::next;
    const Json received = output->choices.empty() ? Json{output->type} : Json{output->choices};
    frame.received_types[input.name] = received;
    if (!accepts(frame, input, received, value)) return Step::next;
    return visit(frame, found->second);
  }

  static const OutputDefinition* output_at(const Checkpoint& source, const Json& slot,
                                           std::optional<CheckFailure>& failure) {
    if (!slot.is_integer()) {
      failure = {"TypeError", fmt::format("tuple indices must be integers or slices, not {}",
                                          python_type(slot))};
      return nullptr;
    }
    const auto& outputs = source.definition->outputs;
    const double index = slot.as_double();
    if (index < 0 || index >= static_cast<double>(outputs.size())) {
      failure = {"IndexError", "tuple index out of range"};
      return nullptr;
    }
    return &outputs[slot.as_uint()];
  }

  bool accepts(Frame& frame, const InputDefinition& input, const Json& received, const Json& link) {
    const NodeDefinition& definition = *nodes_[frame.node].definition;
    if (definition.has_validator && definition.validator_sees_types) return true;
    const Json wanted = input.combo == Combo::classic ? Json{current_choices(input, options_.files)}
                                                      : Json{input.type};
    if (types_match(received, wanted)) return true;
    frame.errors.push_back(
        problem_json(Problem::return_type_mismatch,
                     fmt::format("{}, received_type({}) mismatch input_type({})", input.name,
                                 python_str(received), python_str(wanted)),
                     {{"input_name", input.name},
                      {"input_config", config(input)},
                      {"received_type", received},
                      {"linked_node", link}}));
    return false;
  }

  /// Opens a source that is new; takes over the verdict on one that is known.
  Step visit(Frame& frame, std::size_t source) {
    switch (nodes_[source].status) {
      case Checkpoint::Status::done:
        frame.valid = frame.valid && nodes_[source].valid;
        return Step::next;
      case Checkpoint::Status::open:
        report_cycle(frame, source);
        return Step::next;
      case Checkpoint::Status::unseen:
        open(source);
        break;
    }
    return Step::descend;
  }

  void report_cycle(Frame& frame, std::size_t first) {
    Json::Array ids;
    std::vector<std::string> names;
    const auto begin = std::find_if(stack_.begin(), stack_.end(), [&](const Frame& open_frame) {
      return open_frame.node == first;
    });
    for (auto at = begin; at != stack_.end(); ++at) {
      const std::string& id = *nodes_[at->node].id;
      ids.emplace_back(id);
      if (names.size() < kNamedCycle) names.push_back(id);
    }
    if (ids.size() > names.size()) names.emplace_back("...");
    names.push_back(*nodes_[first].id);
    // Links run from a source to what uses it; the walk goes the other way.
    std::reverse(names.begin(), names.end());
    std::string text = join(names, " -> ");
    frame.errors.push_back(
        problem_json(Problem::dependency_cycle, text, {{"nodes", std::move(ids)}}));
    cycles_.push_back(std::move(text));
  }

  /// What comes after all inputs: files, wires to nowhere in undeclared inputs, the node's
  /// validator.
  void finish_node(Frame& frame, Json::Object* inputs, std::optional<CheckFailure>& failure) {
    if (!inputs) return;
    const Checkpoint& node = nodes_[frame.node];
    for (const InputDefinition& input : node.definition->inputs) {
      const Json* value = inputs->find(input.name);
      if (failure || !value || !is_checked_as_file(input)) continue;
      add(frame, check_file(input, value->is_array() ? nullptr : value, options_.files), failure);
    }
    for (const auto& [name, value] : *inputs) {
      if (failure || !is_link(value) || node.definition->find_input(name)) continue;
      const std::string& source = value.as_array()[0].as_string();
      if (!index_.contains(source)) failure = {"KeyError", python_repr(source)};
    }
    if (!failure && node.definition->has_validator && options_.validator)
      ask_validator(frame, *inputs, failure);
  }

  void ask_validator(Frame& frame, const Json::Object& inputs,
                     std::optional<CheckFailure>& failure) {
    const Checkpoint& node = nodes_[frame.node];
    ValidatorCall call{*node.definition, *node.id, {}, frame.received_types};
    std::vector<std::string> names;
    for (const auto& [name, value] : inputs) {
      if (!node.definition->find_input(name)) continue;
      if (!value.is_array()) call.literals[name] = value;
      if (replaced_by_validator(*node.definition, name)) names.push_back(name);
    }
    std::optional<std::string> complaint;
    try {
      complaint = options_.validator(call);
    } catch (const Error& error) {
      failure = {kind_name(error.kind), error.message};
      return;
    }
    if (!complaint) return;
    // ComfyUI counts this argument of the validator as an input too.
    if (node.definition->validator_sees_types) names.emplace_back("input_types");
    for (const std::string& name : names)
      frame.errors.push_back(
          problem_json(Problem::custom_validation_failed,
                       complaint->empty() ? name : fmt::format("{} - {}", name, *complaint),
                       {{"input_name", name}}));
  }

  Json config(const InputDefinition& input) const {
    return input_config(input, options_.files, Pad::yes);
  }

  static Json outer_error(const CheckFailure& failure) {
    return problem_json(Problem::exception_during_validation, failure.text,
                        {{"exception_type", failure.type}, {"traceback", Json::Array{}}});
  }

  /// The failure of a source as the node on top of the stack sees it, through the input it came to.
  Json inner_error(const CheckFailure& failure) const {
    const Frame& parent = stack_.back();
    const Checkpoint& node = nodes_[parent.node];
    const InputDefinition& input = node.definition->inputs[parent.next - 1];
    return problem_json(Problem::exception_during_inner_validation, failure.text,
                        {{"input_name", input.name},
                         {"input_config", config(input)},
                         {"exception_message", failure.text},
                         {"exception_type", failure.type},
                         {"traceback", Json::Array{}},
                         {"linked_node", inputs_of(*node.node).find(input.name)
                                             ? *inputs_of(*node.node).find(input.name)
                                             : Json{}}});
  }

  const ValidationOptions& options_;
  std::vector<Checkpoint> nodes_;
  std::unordered_map<std::string_view, std::size_t> index_;
  std::vector<Frame> stack_;
  std::vector<std::size_t> faulty_;
  std::vector<std::string> cycles_;
};

ValidationResult refused(Json error, Json prompt) {
  ValidationResult result;
  result.error = std::move(error);
  result.prompt = std::move(prompt);
  return result;
}

/// Every class must be known, needed or not. Gives the outputs that are asked for, or an error.
std::variant<std::vector<std::string>, Json> find_outputs(
    const Json::Object& prompt, const Catalogue& catalogue,
    const std::optional<std::vector<std::string>>& targets) {
  std::vector<std::string> outputs;
  std::unordered_set<std::string_view> asked_for;
  if (targets) asked_for.insert(targets->begin(), targets->end());
  for (const auto& [id, node] : prompt) {
    const Json* type = node.find("class_type");
    if (!type) return problem_json(Problem::invalid_prompt, "Node ID '#" + id + "'");
    const NodeDefinition* definition =
        type->is_string() ? catalogue.find(type->as_string()) : nullptr;
    if (!definition)
      return problem_with_message(
          Problem::invalid_prompt,
          fmt::format("Cannot execute because node {} does not exist.", python_str(*type)),
          "Node ID '#" + id + "'");
    const bool wanted = !targets || asked_for.contains(id);
    if (definition->output_node && wanted) outputs.push_back(id);
  }
  return outputs;
}

/// What is wrong with nodes, as node_errors shows it.
class Complaints {
 public:
  /// Adds what is faulty so far; an output that failed is named by all of it.
  void add(const Walk& walk, const std::string& output) {
    const std::vector<std::size_t>& faulty = walk.faulty();
    for (std::size_t i = full_; i < faulty.size(); ++i) {
      Json::Array& outputs = entry_of(walk[faulty[i]])["dependent_outputs"].as_array();
      outputs.emplace_back(output);
      // What was found first has the most names: whoever is full comes before whoever is not.
      if (outputs.size() == kNamedOutputs) full_ = i + 1;
    }
  }
  Json::Object take() { return std::move(entries_); }

 private:
  Json& entry_of(const Checkpoint& node) {
    Json& entry = entries_[*node.id];
    if (entry.is_null())
      entry = Json::Object{{"errors", node.errors},
                           {"dependent_outputs", Json::Array{}},
                           {"class_type", node.definition->id}};
    return entry;
  }

  Json::Object entries_;
  std::size_t full_ = 0;  ///< so many of the faulty nodes name as many outputs as they may
};

}  // namespace

Json ValidationResult::refusal() const {
  return Json::Object{{"error", error}, {"node_errors", node_errors}};
}

ValidationResult validate(Json prompt, const Catalogue& catalogue,
                          const ValidationOptions& options) {
  if (!prompt.is_object()) {
    if (prompt.is_array() && prompt.as_array().empty())
      return refused(problem_json(Problem::prompt_no_outputs), std::move(prompt));
    std::string message =
        fmt::format("The prompt must be an object of nodes, got {}.", prompt.type_name());
    return refused(problem_with_message(Problem::invalid_prompt, std::move(message), ""),
                   std::move(prompt));
  }
  auto outputs = find_outputs(prompt.as_object(), catalogue, options.partial_execution_targets);
  if (Json* error = std::get_if<Json>(&outputs))
    return refused(std::move(*error), std::move(prompt));
  const auto& candidates = std::get<std::vector<std::string>>(outputs);
  if (candidates.empty())
    return refused(problem_json(Problem::prompt_no_outputs), std::move(prompt));

  ValidationResult result;
  result.prompt = std::move(prompt);
  Walk walk{result.prompt.as_object(), catalogue, options};
  std::vector<std::string> lines;
  Complaints complaints;
  for (const std::string& output : candidates) {
    const Checkpoint& checked = walk.check(output);
    if (checked.valid) {
      result.outputs.push_back(output);
      continue;
    }
    for (const Json& error : checked.errors)
      lines.push_back(error.at("message").as_string() + ": " + error.at("details").as_string());
    complaints.add(walk, output);
  }
  result.node_errors = complaints.take();
  result.accepted = !result.outputs.empty();
  if (result.accepted) return result;
  for (const std::string& cycle : walk.cycles())
    lines.push_back(problem_message(Problem::dependency_cycle) + ": " + cycle);
  result.error = problem_json(Problem::prompt_outputs_failed_validation, join(lines, "\n"));
  return result;
}

}  // namespace comfy::graph
