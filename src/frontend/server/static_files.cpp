// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/static_files.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "frontend/server/content_type.h"
#include "frontend/server/error_reply.h"
#include "frontend/server/gzip.h"
#include "frontend/server/services.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace comfy::server {
namespace {

constexpr std::uint64_t kSmallestCompressed = 2'048;
constexpr std::uint64_t kLargestCompressed = 16 * 1024 * 1024;
constexpr std::size_t kCompressedBudget = 64 * 1024 * 1024;

/// The decoded segments of a path as a relative path; nothing when it cannot name a file.
std::optional<std::string> relative_path(std::string_view path) {
  std::string result;
  for (const std::string_view segment : split(path.substr(1), '/')) {
    const auto decoded = percent_decode(segment);
    const bool last_and_empty = segment.empty() && segment.data() == path.data() + path.size();
    if (last_and_empty) break;
    if (!decoded || decoded->empty() || decoded->starts_with('.')) return {};
    const bool sound = std::ranges::none_of(*decoded, [](char c) {
      return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
    });
    if (!sound) return {};
    if (!result.empty()) result += '/';
    result += *decoded;
  }
  return result;
}

struct Found {
  FileDescriptor file;
  std::filesystem::path path;
  bool is_folder = false;
};

/// Opens the first of the candidates that exists.
Found open_first(const std::vector<std::filesystem::path>& candidates) {
  Found found;
  for (const auto& path : candidates) {
    FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (!file) continue;
    struct stat info{};
    if (::fstat(file.get(), &info) != 0) continue;
    if (S_ISDIR(info.st_mode)) found.is_folder = true;
    if (!S_ISREG(info.st_mode)) continue;
    return {std::move(file), path, false};
  }
  return found;
}

std::string read_all(int descriptor, std::uint64_t size) {
  std::string text(size, '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got =
        ::pread(descriptor, text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  text.resize(done);
  return text;
}

bool is_loopback(std::string_view address) {
  return address.starts_with("127.") || address == "::1" || address.starts_with("::ffff:127.");
}

Response not_found() {
  Response response = empty_response(404);
  response.headers.add("Content-Type", "application/octet-stream");
  return response;
}

}  // namespace

std::vector<Mount> mounts_of(const Parts& parts) {
  std::vector<Mount> mounts;
  const auto add = [&mounts](std::string prefix, const std::filesystem::path& folder) {
    if (!folder.empty()) mounts.push_back({std::move(prefix), folder});
  };
  for (const Extension& extension : parts.extensions)
    add("extensions/" + extension.name, extension.folder);
  for (const auto& folder : parts.templates) add("templates", folder);
  add("docs", parts.docs);
  add("", parts.web);
  return mounts;
}

awaitable<void> StaticFiles::compress(Response& response, const Request& request,
                                      Services& services, std::filesystem::path path) {
  const auto& file = std::get<FileBody>(response.body);
  const auto accepted = request.headers.find("Accept-Encoding");
  // On the same machine compressing costs more than it saves.
  if (!accepted || !accepts_gzip(*accepted) || is_loopback(request.remote_address) ||
      request.headers.find("Range") || file.size < kSmallestCompressed ||
      file.size > kLargestCompressed || !is_compressible(*response.headers.find("Content-Type"))) {
    co_return;
  }
  auto known = compressed_.find(path);
  if (known == compressed_.end() || known->second.modified_ns != file.modified_ns) {
    const auto work = [descriptor = file.descriptor.get(), size = file.size] {
      return std::make_shared<const std::string>(gzip(read_all(descriptor, size), 6));
    };
    Compressed made{file.modified_ns, co_await services.blocking.run(work)};
    if (compressed_bytes_ > kCompressedBudget) {
      compressed_.clear();
      compressed_bytes_ = 0;
    }
    compressed_bytes_ += made.bytes->size();
    known = compressed_.insert_or_assign(path, std::move(made)).first;
  }
  response.headers.add("Content-Encoding", "gzip");
  response.headers.add("Vary", "Accept-Encoding");
  response.headers.add("ETag", fmt::format("\"{:x}-{:x}-gz\"", file.modified_ns, file.size));
  response.body = known->second.bytes;
}

awaitable<Response> StaticFiles::answer(const Request& request, Services& services) {
  const bool is_page = request.path == "/" || request.path == "/api/" || request.path.empty();
  auto wanted = relative_path(is_page ? "/index.html" : std::string_view{request.path});
  if (!wanted) co_return plain_error(404);
  std::vector<std::filesystem::path> candidates;
  for (const Mount& mount : mounts_) {
    if (mount.prefix.empty()) candidates.push_back(mount.folder / *wanted);
    if (mount.prefix.empty() || !wanted->starts_with(mount.prefix)) continue;
    const std::string_view rest = std::string_view{*wanted}.substr(mount.prefix.size());
    if (rest.empty() || rest.starts_with('/')) {
      candidates.push_back(mount.folder / (rest.empty() ? rest : rest.substr(1)));
    }
  }
  const auto work = [&candidates] { return open_first(candidates); };
  Found found = co_await services.blocking.run(work);
  if (!found.file) co_return found.is_folder ? plain_error(403) : not_found();

  const std::string name = found.path.filename().string();
  Response response = file_response(std::move(found.file), std::string{shipped_content_type(name)});
  if (name == "index.html") {
    response.headers.add("Cache-Control", "no-cache");
    response.headers.add("Pragma", "no-cache");
    response.headers.add("Expires", "0");
  }
  co_await compress(response, request, services, std::move(found.path));
  co_return response;
}

}  // namespace comfy::server
