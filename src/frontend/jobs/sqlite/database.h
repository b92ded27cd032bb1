// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

struct sqlite3;
struct sqlite3_stmt;

namespace comfy::jobs {

class Database;

/// One prepared statement at work: bind in order, then step; it is reset when this ends.
class Statement {
 public:
  Statement(Database& database, sqlite3_stmt* handle) : database_{database}, handle_{handle} {}
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // All throw what Database::fail throws, when memory runs out.
  Statement& bind(std::int64_t value);
  Statement& bind(int value) { return bind(std::int64_t{value}); }
  Statement& bind(double value);
  Statement& bind(std::string_view text);
  Statement& bind(const std::string& text) { return bind(std::string_view{text}); }
  Statement& bind(const char* text) { return bind(std::string_view{text}); }
  Statement& bind_null();
  template <class T>
  Statement& bind(const std::optional<T>& value) {
    return value ? bind(*value) : bind_null();
  }

  /// Steps to the next row; false when there is none. Throws what Database::fail throws.
  bool step();
  /// Steps to the end, for statements without rows.
  void run();

  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  bool is_null(int column) const;

 private:
  Statement& bound(int result);

  Database& database_;
  sqlite3_stmt* handle_;
  int bound_ = 0;
};

/// What SQLite says when it cannot: turned into our error where the store answers.
struct DatabaseFailure {
  int code = 0;  ///< SQLite's primary result code
  std::string message;
};

/// One connection. Not for several threads at a time.
class Database {
 public:
  enum class Mode { read_only, read_write };
  Database(const std::filesystem::path& file, Mode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Runs statements without parameters.
  void execute(const char* statements);
  /// A statement, prepared once and kept. One text must not be in use twice at a time.
  Statement prepare(std::string_view text);
  /// The first column of the first row.
  std::int64_t integer(std::string_view query);
  std::string text(std::string_view query);
  /// Rows that the last statement changed.
  std::int64_t changes() const;

  [[noreturn]] void fail(int code) const;

 private:
  sqlite3* handle_ = nullptr;
  std::unordered_map<std::string, sqlite3_stmt*> prepared_;
};

/// A transaction that is taken back unless it is committed.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_{database} {
    database_.execute("BEGIN IMMEDIATE");
  }
  ~Transaction();
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace comfy::jobs
