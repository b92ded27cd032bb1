// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/context.h"

#include "foundation/base/error.h"
#include "foundation/base/ids.h"

#include <fmt/format.h>

#include <utility>

namespace comfy::engine {

namespace {

// The letters of ComfyUI's temporary names.
constexpr const char* kLetters = "abcdefghijklmnopqrstupvxyz";

const Json& empty_object() {
  static const Json empty{Json::Object{}};
  return empty;
}

[[noreturn]] void without(const char* what) {
  throw Error(Error::Kind::internal, fmt::format("this node runs without {}", what));
}

}  // namespace

Json PublishedFile::to_json() const {
  return Json::Object{{"filename", filename}, {"subfolder", subfolder}, {"type", type}};
}

const Json& Context::prompt() const { return parts_.prompt ? *parts_.prompt : empty_object(); }

const Json& Context::extra_data() const {
  return parts_.extra_data ? *parts_.extra_data : empty_object();
}

const Json* Context::extra_pnginfo() const {
  const Json* found = extra_data().find("extra_pnginfo");
  return found && !found->is_null() ? found : nullptr;
}

const DynamicPrompt& Context::dynamic_prompt() const {
  if (!parts_.dynamic_prompt) without("a prompt");
  return *parts_.dynamic_prompt;
}

void Context::progress(std::int64_t value, std::int64_t max, std::optional<Preview> preview) {
  check_cancelled();
  if (parts_.reporter)
    parts_.reporter->progress(parts_.node_id, std::min(value, max), max, std::move(preview));
}

void Context::progress(double value, double max) {
  check_cancelled();
  if (parts_.reporter) parts_.reporter->progress(parts_.node_id, std::min(value, max), max, {});
}

void Context::show_text(std::string text) {
  if (parts_.reporter) parts_.reporter->text(parts_.node_id, std::move(text));
}

PublishedFile Context::publish(PublishRequest request) {
  if (!parts_.publisher) without("a place for its files");
  request.node_id = parts_.node_id;
  request.list_index = parts_.list_index;
  return parts_.publisher->publish(std::move(request));
}

const std::string& Context::temp_letters() {
  std::string& letters = node_state().temp_letters;
  if (letters.empty()) letters = random_letters(*parts_.random, 5, kLetters);
  return letters;
}

std::string Context::next_graph_prefix() {
  return fmt::format("{}.{}.{}.", parts_.node_id, parts_.list_index, graphs_++);
}

nodes::Services& Context::services() const {
  if (!parts_.services) without("services");
  return *parts_.services;
}

NodeState& Context::node_state() { return parts_.state ? *parts_.state : own_state_; }

}  // namespace comfy::engine
