// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/model_table.h"

namespace comfy::paths {

void ModelTable::add_from_file(const std::filesystem::path& file) {
  throw Error(Error::Kind::unsupported,
              file.string() + " cannot be read: this build has no YAML reader");
}

}  // namespace comfy::paths
