// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/paths/annotated_name.h"
#include "foundation/paths/model_folder.h"
#include "foundation/paths/root.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::paths {

/// Where things lie, as the command line says. An empty path stands for its default below `base`.
struct FolderOptions {
  std::filesystem::path base;  ///< holds models/, input/, output/, temp/, user/, custom_nodes/
  std::filesystem::path input;
  std::filesystem::path output;
  std::filesystem::path temp;  ///< --temp-directory X means X/temp
  std::filesystem::path user;
  std::vector<std::filesystem::path> extra_model_paths;  ///< files as extra_model_paths.yaml
  std::filesystem::path spare_models =
      {};                       ///< models by kind, each offered while its kind has none
  Links links = Links::refuse;  ///< of input, output, temp and user; model folders always follow
  bool per_user = false;        ///< --multi-user: input, output and temp have one folder per user
};

/// Every folder of the program: users' files, and models by kind. main builds one and passes it
/// down. Safe from several threads.
class Folders {
 public:
  /// Reads the model path files. Throws Error(invalid_input) naming file and entry when one is
  /// wrong.
  explicit Folders(FolderOptions options);
  ~Folders();
  Folders(const Folders&) = delete;
  Folders& operator=(const Folders&) = delete;

  const std::filesystem::path& base() const;
  /// The folder of that kind. With per_user, `user` names whose; `user` area: <user dir>/<user>.
  /// Throws Error(forbidden) for a user id that is no plain name or begins with "__".
  Root area(Area area, std::string_view user = "default") const;
  /// Where users.json and the profiles lie.
  const std::filesystem::path& user_directory() const;
  /// A path for people to read: relative to the base folder, or only its last component.
  std::string shown(const std::filesystem::path& path) const;

  /// All kinds of models in the order of GET /models.
  std::vector<std::string> model_kinds() const;
  /// One kind; nothing when unknown. The older names "unet" and "clip" are known too.
  const ModelFolder* find_model_folder(std::string_view kind) const;

  /// What there is of that kind: sorted, unique names, folders included ("sub/a.safetensors");
  /// the spare models while there is nothing else.
  /// Kept until a folder changes. Throws Error(not_found) for an unknown kind.
  std::shared_ptr<const ModelList> models(std::string_view kind) const;
  /// Forgets what was listed.
  void forget_models() const;
  /// Grows whenever some listing came out different.
  std::uint64_t generation() const;
  /// How often folders were looked through so far; a listing that is kept costs none.
  std::uint64_t scans() const;

  /// Opens a model by the name that the listing shows. Throws Error(not_found) naming the folders
  /// that were searched (as shown()).
  OpenModel open_model(std::string_view kind, std::string_view name) const;
  /// The same, nothing when there is none.
  std::optional<OpenModel> find_model(std::string_view kind, std::string_view name) const;

  /// The names in the input folder, for file menus, sorted. kind: "any", one or more of "image",
  /// "video", "audio" with commas (told by suffix), "latent", "3d" (below 3d/) or "folders".
  std::vector<std::string> input_files(std::string_view kind,
                                       std::string_view user = "default") const;
  /// What input_files() picks from. The same object as long as nothing there changed.
  std::shared_ptr<const std::vector<Entry>> input_entries(std::string_view kind,
                                                          std::string_view user = "default") const;
  /// Opens a file named as nodes name it: "a.png", "sub/a.png [output]". Throws Error(not_found).
  FileDescriptor open_annotated(std::string_view text, Area otherwise = Area::input,
                                std::string_view user = "default") const;
  bool annotated_exists(std::string_view text, Area otherwise = Area::input,
                        std::string_view user = "default") const;

  /// Makes the first folder of every kind of model, then temp, input, output and user.
  void create_directories() const;
  /// Makes input, output and the user folder when they are missing.
  void create_basic_directories() const;
  /// Removes everything below the temp folder.
  void wipe_temp() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace comfy::paths
