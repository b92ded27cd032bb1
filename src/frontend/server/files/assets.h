// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"
#include "frontend/server/files/client_files.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::server {

/// What a user attached to a file: it is kept in the user's profile, under the asset's id.
struct AssetNotes {
  std::string name = {};  ///< to be shown in place of the file's
  std::vector<std::string> tags = {};
  Json::Object metadata = {};
  std::string preview_id = {};
  /// "blake3:<hex>", known for what came through this API. It holds while size and time are those.
  std::string hash = {};
  std::uint64_t hashed_size = 0;
  std::int64_t hashed_ns = 0;
};

/// A file of the input, output or model folders as the API of assets shows it. The same file is
/// always the same asset: its id is made of where it lies.
struct Asset {
  std::string id = {};
  std::string path;                 ///< below its root, components joined by "/"
  std::vector<std::string> places;  ///< tags by themselves: the root and the folders below it
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0, created_ns = 0;
  AssetNotes notes = {};

  bool is_model() const { return places.front() == "models"; }
  std::string_view file_name() const;
  std::string_view name() const;
  std::vector<std::string> tags() const;
  bool has(std::string_view tag) const;
  /// "blake3:<hex>"; empty where it is not known.
  std::string_view hash() const;
  /// Where pictures are shown; empty for other files.
  std::string view_url() const;
};

/// Every file that the user may see, with what the user attached.
std::vector<Asset> all_assets(const Request& request, Services& services);
/// One of them. Throws Error(not_found).
Asset find_asset(const Request& request, Services& services, std::string_view id);
/// The first with that content among those whose content is known.
std::optional<Asset> find_content(const Request& request, Services& services,
                                  std::string_view hash);
/// The file of input or output at that path, as an asset without notes.
Asset asset_at(std::string_view area, const paths::Entry& entry);

/// Opens its file. Throws Error(not_found) when it was removed meanwhile.
FileDescriptor open_asset(const Request& request, Services& services, const Asset& asset);

/// Keeps what the user attached to an asset. Throws Error(unavailable) when the disk refuses.
void write_notes(const Request& request, Services& services, const Asset& asset);
/// Forgets it.
void forget_notes(const Request& request, Services& services, std::string_view id);

/// The asset in the form that clients read; what is not known is left out.
Json::Object shown(const Asset& asset);

/// "blake3:" and 64 hexadecimal digits, in lower case. Throws Error(invalid_input).
std::string content_hash(std::string_view text);

/// The error of this API: {"error": {"code", "message", "details"}}.
Response asset_problem(std::string_view code, std::string_view message, unsigned status);

}  // namespace comfy::server
