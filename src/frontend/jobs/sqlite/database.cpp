// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/sqlite/database.h"

#include <sqlite3.h>

namespace comfy::jobs {

Statement::~Statement() {
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
}

Statement& Statement::bound(int result) {
  // What is not bound would be NULL, and rows would seem not to be there. A query may leave out
  // its last parameters.
  if (result != SQLITE_OK && result != SQLITE_RANGE) database_.fail(result);
  return *this;
}

Statement& Statement::bind(std::int64_t value) {
  return bound(sqlite3_bind_int64(handle_, ++bound_, value));
}

Statement& Statement::bind(double value) {
  return bound(sqlite3_bind_double(handle_, ++bound_, value));
}

Statement& Statement::bind(std::string_view text) {
  // A null pointer would bind NULL.
  return bound(sqlite3_bind_text64(handle_, ++bound_, text.data() ? text.data() : "", text.size(),
                                   SQLITE_TRANSIENT, SQLITE_UTF8));
}

Statement& Statement::bind_null() { return bound(sqlite3_bind_null(handle_, ++bound_)); }

bool Statement::step() {
  const int result = sqlite3_step(handle_);
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) database_.fail(result);
  return false;
}

void Statement::run() {
  while (step()) {
  }
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }
double Statement::real(int column) const { return sqlite3_column_double(handle_, column); }

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
  if (bytes == nullptr) {
    if (sqlite3_errcode(sqlite3_db_handle(handle_)) == SQLITE_NOMEM) database_.fail(SQLITE_NOMEM);
    return {};
  }
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

Database::Database(const std::filesystem::path& file, Mode mode) {
  const int flags =
      mode == Mode::read_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  const int result = sqlite3_open_v2(file.c_str(), &handle_, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  if (result != SQLITE_OK) {
    DatabaseFailure failure{result & 0xFF,
                            handle_ ? sqlite3_errmsg(handle_) : sqlite3_errstr(result)};
    sqlite3_close_v2(handle_);
    throw failure;
  }
  sqlite3_busy_timeout(handle_, 5000);
}

Database::~Database() {
  for (const auto& [text, statement] : prepared_) sqlite3_finalize(statement);
  sqlite3_close_v2(handle_);
}

void Database::execute(const char* statements) {
  const int result = sqlite3_exec(handle_, statements, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) fail(result);
}

Statement Database::prepare(std::string_view text) {
  sqlite3_stmt*& statement = prepared_[std::string{text}];
  if (statement == nullptr) {
    const int result = sqlite3_prepare_v3(handle_, text.data(), static_cast<int>(text.size()),
                                          SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (result != SQLITE_OK) fail(result);
  }
  return {*this, statement};
}

std::int64_t Database::integer(std::string_view query) {
  Statement statement = prepare(query);
  return statement.step() ? statement.integer(0) : 0;
}

std::string Database::text(std::string_view query) {
  Statement statement = prepare(query);
  return statement.step() ? statement.text(0) : std::string{};
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }

void Database::fail(int code) const { throw DatabaseFailure{code & 0xFF, sqlite3_errmsg(handle_)}; }

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.execute("ROLLBACK");
  } catch (const DatabaseFailure&) {
    // SQLite has taken it back already, as it does when the disk is full.
  }
}

void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace comfy::jobs
