// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/static_files.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "frontend/server/conditional.h"
#include "frontend/server/content_type.h"
#include "frontend/server/error_reply.h"
#include "frontend/server/gzip.h"
#include "frontend/server/log.h"
#include "frontend/server/services.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <utility>

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

awaitable<SharedBytes> StaticFiles::pack(const FileBody& file, Services& services,
                                         const std::filesystem::path& path) {
  const auto work = [descriptor = file.descriptor.get(), size = file.size] {
    return std::make_shared<const std::string>(gzip(read_all(descriptor, size), 6));
  };
  SharedBytes bytes = co_await services.blocking.run(work);
  if (compressed_bytes_ > kCompressedBudget) {
    compressed_.clear();
    compressed_bytes_ = 0;
  }
  compressed_bytes_ += bytes->size();
  compressed_[path] = {file.modified_ns, bytes};
  co_return bytes;
}

void StaticFiles::pack_later(const std::filesystem::path& path, const FileBody& file,
                             Services& services, const boost::asio::any_io_executor& executor) {
  Waiting item{.path = path, .file = {}};
  item.file.descriptor.reset(::fcntl(file.descriptor.get(), F_DUPFD_CLOEXEC, 0));
  if (!item.file.descriptor) return;
  item.file.size = file.size;
  item.file.modified_ns = file.modified_ns;
  waiting_.push_back(std::move(item));
  if (std::exchange(packing_, true)) return;
  boost::asio::co_spawn(executor, pack_waiting(services), boost::asio::detached);
}

awaitable<void> StaticFiles::pack_waiting(Services& services) {
  while (!waiting_.empty()) {
    const Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    const auto known = compressed_.find(next.path);
    if (known != compressed_.end() && known->second.modified_ns == next.file.modified_ns) continue;
    try {
      co_await pack(next.file, services, next.path);
    } catch (const std::exception& error) {
      log.debug("{} is not kept packed: {}", next.path.filename().string(), error.what());
    }
  }
  packing_ = false;
}

awaitable<void> StaticFiles::compress(Response& response, const Request& request,
                                      Services& services, const std::filesystem::path& path) {
  const auto& file = std::get<FileBody>(response.body);
  const auto accepted = request.headers.find("Accept-Encoding");
  if (!accepted || !accepts_gzip(*accepted) || request.headers.find("Range") ||
      file.size < kSmallestCompressed || file.size > kLargestCompressed ||
      !is_compressible(*response.headers.find("Content-Type"))) {
    co_return;
  }
  response.headers.add("Vary", "Accept-Encoding");
  const FileVersion state{file.size, file.modified_ns};
  const auto seen = request.headers.find("If-None-Match");
  if (seen && names_tag(*seen, state.etag())) co_return;  // the plain form is still good
  const auto known = compressed_.find(path);
  SharedBytes bytes;
  if (known != compressed_.end() && known->second.modified_ns == file.modified_ns) {
    bytes = known->second.bytes;
  } else if (is_loopback(request.remote_address)) {
    // On the same machine the first answer is quicker as it is; the next ones find it packed.
    const boost::asio::any_io_executor executor = co_await boost::asio::this_coro::executor;
    pack_later(path, file, services, executor);
    co_return;
  } else {
    bytes = co_await pack(file, services, path);
  }
  response.headers.add("Content-Encoding", "gzip");
  response.headers.add("ETag", fmt::format("\"{:x}-{:x}-gz\"", state.modified_ns, state.size));
  response.body = std::move(bytes);
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
  co_await compress(response, request, services, found.path);
  co_return response;
}

}  // namespace comfy::server
