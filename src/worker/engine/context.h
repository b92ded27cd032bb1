// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/cancellation.h"
#include "foundation/base/json.h"
#include "foundation/base/random.h"
#include "worker/engine/publisher.h"

#include <any>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace comfy::nodes {
struct Services;  // what nodes need of this worker; defined where the nodes are
}

namespace comfy::engine {

class DynamicPrompt;

/// A picture on its way to the client, not yet scaled for it. `rgb8` is width * height * 3 bytes;
/// the others are finished files.
struct Preview {
  enum class Format { rgb8, jpeg, png };
  enum class Purpose {
    preview,  ///< shows work in progress: a newer one takes its place
    result    ///< what the prompt was made for: every one arrives, asked for or not
  };
  Format format = Format::rgb8;
  Purpose purpose = Purpose::preview;
  int width = 0, height = 0;
  std::vector<std::uint8_t> bytes = {};
};

/// What one node id of one class keeps between runs.
struct NodeState {
  std::string temp_letters;  ///< five letters of its temporary files, once they are asked for
  std::any own;              ///< what Context::state makes
};

/// Where a node's reports go; the executor's side of a Context.
class Reporter {
 public:
  virtual ~Reporter() = default;
  virtual void progress(const std::string& node_id, Json value, Json max,
                        std::optional<Preview> preview) = 0;
  virtual void text(const std::string& node_id, std::string text) = 0;
};

/// What a Context is made of. A test of a node sets what that node asks for and no more.
struct ContextParts {
  std::string prompt_id = {}, node_id = {};
  std::size_t list_index = 0;
  std::string client_id = {};
  std::string user = "default";
  const Json* prompt = nullptr;
  const Json* extra_data = nullptr;
  const DynamicPrompt* dynamic_prompt = nullptr;
  std::string preview_method = {};
  Cancellation cancellation = {};
  Reporter* reporter = nullptr;
  Publisher* publisher = nullptr;
  NodeState* state = nullptr;
  Random* random = &system_random();
  nodes::Services* services = nullptr;
};

/// What a node may see and do besides computing: one for each call, valid during that call.
class Context {
 public:
  explicit Context(ContextParts parts = {}) : parts_{std::move(parts)} {}

  const std::string& prompt_id() const { return parts_.prompt_id; }
  const std::string& node_id() const { return parts_.node_id; }
  const std::string& client_id() const { return parts_.client_id; }
  /// Whose prompt this is: the name of that user's folders, "default" where there are no users.
  const std::string& user() const { return parts_.user; }
  /// Which element of its lists this call computes, from 0.
  std::size_t list_index() const { return parts_.list_index; }

  /// The prompt as accepted, with coerced values (PROMPT); an empty object when there is none.
  const Json& prompt() const;
  /// The workflow and whatever else came along (EXTRA_PNGINFO), or nothing.
  const Json* extra_pnginfo() const;
  const Json& extra_data() const;
  /// The prompt with the nodes that expansion added (DYNPROMPT).
  const DynamicPrompt& dynamic_prompt() const;

  /// Reports `value` of `max` done and, as everywhere where progress is reported, throws
  /// Error(interrupted) when the user has stopped the prompt.
  void progress(std::int64_t value, std::int64_t max, std::optional<Preview> preview = {});
  void progress(double value, double max);
  /// Shows `text` (UTF-8, lines split by \n) on the node while the prompt runs; a later one takes
  /// its place. Nothing of it is kept.
  void show_text(std::string text);
  void check_cancelled() const { parts_.cancellation.check(); }
  const Cancellation& cancellation() const { return parts_.cancellation; }
  /// "none", "latent2rgb", "taesd", "auto"; empty means none. Nodes make no preview for nobody.
  const std::string& preview_method() const { return parts_.preview_method; }
  bool wants_previews() const {
    return !parts_.preview_method.empty() && parts_.preview_method != "none";
  }

  /// Hands a finished file over and says where it went.
  PublishedFile publish(PublishRequest request);
  /// Five random letters that stay with this node id and class, for names of temporary files.
  const std::string& temp_letters();
  /// What this node id of this class keeps between runs; made by T's default constructor.
  template <class T>
  T& state() {
    std::any& own = node_state().own;
    if (!own.has_value() || own.type() != typeid(T)) own.emplace<T>();
    return std::any_cast<T&>(own);
  }

  /// The prefix for the ids of one more graph that this call makes (GraphBuilder).
  std::string next_graph_prefix();

  /// Models, folders, settings: whatever the nodes layer defined as Services.
  nodes::Services& services() const;

 private:
  NodeState& node_state();
  ContextParts parts_;
  NodeState own_state_;  // when nothing outlives this context
  std::size_t graphs_ = 0;
};

}  // namespace comfy::engine
