// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/clock.h"
#include "foundation/link/bodies.h"
#include "foundation/paths/folders.h"
#include "worker/attempts/ledger.h"
#include "worker/engine/publisher.h"

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace comfy::attempts {

/// The name of the folders of a prompt's owner; nobody in particular is "default".
std::string user_of(const std::string& owner);

/// Puts one attempt's files where they belong: never half, never over somebody else's, and under
/// the names that an earlier attempt of the same prompt gave them.
class FilePublisher final : public engine::Publisher {
 public:
  struct Parts {
    const paths::Folders& folders;
    const Clock& clock;
    /// Waits until this attempt may publish; throws when it may not any more.
    std::function<void()> pass_fence;
  };

  FilePublisher(Parts parts, std::string prompt_id, std::string owner);

  engine::PublishedFile publish(engine::PublishRequest request) override;

  /// Removes what was kept for another attempt of that prompt.
  static void forget(const paths::Folders& folders, const std::string& prompt_id,
                     const std::string& owner);

 private:
  paths::Root root_of(engine::PublishRequest::Root root) const;
  std::string key_of(const engine::PublishRequest& request);
  std::optional<paths::ClientPath> publish_again(const paths::Root& root, const std::string& key,
                                                 const std::string& bytes,
                                                 const std::string& digest);

  Parts parts_;
  std::string prompt_id_;
  std::string user_;
  std::mutex mutex_;              // nodes may run on several threads
  std::optional<Ledger> ledger_;  // of the output folder; temporary files are nobody's result
  std::map<std::string, int> items_;
};

}  // namespace comfy::attempts
