// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/sqlite/schema.h"

#include "foundation/base/error.h"
#include "foundation/base/ids.h"

#include <fmt/format.h>

#include <iterator>

namespace comfy::jobs {
namespace {

// Short columns first: listings then never read the pages of the long texts behind them.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE job (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  prompt_id TEXT NOT NULL UNIQUE,
  owner TEXT NOT NULL,
  state TEXT NOT NULL,
  class INTEGER NOT NULL,
  number REAL NOT NULL,
  number_text TEXT NOT NULL,
  store_id TEXT NOT NULL,
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  attempt_token TEXT,
  finish_order INTEGER,
  in_history INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL,
  expires INTEGER,
  started INTEGER,
  ended INTEGER,
  bytes INTEGER NOT NULL,
  client_id TEXT NOT NULL,
  workflow_id TEXT NOT NULL,
  body_hash TEXT NOT NULL,
  outputs_count INTEGER NOT NULL DEFAULT 0,
  preview_output TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT '',
  node_errors TEXT NOT NULL,
  outputs_to_execute TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT '',
  meta TEXT NOT NULL DEFAULT '',
  outputs TEXT NOT NULL DEFAULT '',
  extra_data TEXT NOT NULL,
  prompt TEXT NOT NULL
);
CREATE INDEX job_queue ON job(class, number, sequence) WHERE state = 'queued';
CREATE INDEX job_running ON job(prompt_id) WHERE state = 'running';
CREATE INDEX job_finished ON job(finish_order, bytes) WHERE finish_order IS NOT NULL;
CREATE INDEX job_created ON job(created, sequence);
CREATE TABLE attempt (
  prompt_id TEXT NOT NULL REFERENCES job(prompt_id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  token TEXT NOT NULL UNIQUE,
  worker TEXT NOT NULL,
  store_id TEXT NOT NULL,
  started INTEGER NOT NULL,
  ended INTEGER,
  result TEXT,
  counted INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX attempt_of ON attempt(prompt_id);
CREATE TABLE event (
  prompt_id TEXT NOT NULL REFERENCES job(prompt_id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  name TEXT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (prompt_id, seq)
) WITHOUT ROWID;
CREATE TABLE secret (
  prompt_id TEXT PRIMARY KEY REFERENCES job(prompt_id) ON DELETE CASCADE,
  data TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE idempotency (
  owner TEXT NOT NULL,
  key TEXT NOT NULL,
  prompt_id TEXT NOT NULL REFERENCES job(prompt_id) ON DELETE CASCADE,
  created INTEGER NOT NULL,
  PRIMARY KEY (owner, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_of ON idempotency(prompt_id);
CREATE TABLE setting (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO setting VALUES ('next_number', '0'), ('next_finish', '1'), ('clean_stop', '1');
)sql";

// What the first version read by scanning. Counts are kept as they change, so that no request and
// no retention run counts rows; every listing has an index in the order it is shown in.
constexpr const char* kVersion2 = R"sql(
CREATE TABLE tally (
  owner TEXT NOT NULL,
  state TEXT NOT NULL,
  jobs INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (owner, state)
) WITHOUT ROWID;
INSERT INTO tally SELECT owner, state, count(*), sum(bytes) FROM job GROUP BY owner, state;
CREATE TRIGGER job_came AFTER INSERT ON job BEGIN
  INSERT INTO tally VALUES (NEW.owner, NEW.state, 1, NEW.bytes)
    ON CONFLICT DO UPDATE SET jobs = jobs + 1, bytes = bytes + NEW.bytes;
END;
CREATE TRIGGER job_went AFTER DELETE ON job BEGIN
  UPDATE tally SET jobs = jobs - 1, bytes = bytes - OLD.bytes
    WHERE owner = OLD.owner AND state = OLD.state;
  DELETE FROM tally WHERE owner = OLD.owner AND state = OLD.state AND jobs = 0;
END;
CREATE TRIGGER job_changed AFTER UPDATE OF state, bytes ON job BEGIN
  UPDATE tally SET jobs = jobs - 1, bytes = bytes - OLD.bytes
    WHERE owner = OLD.owner AND state = OLD.state;
  DELETE FROM tally WHERE owner = OLD.owner AND state = OLD.state AND jobs = 0;
  INSERT INTO tally VALUES (NEW.owner, NEW.state, 1, NEW.bytes)
    ON CONFLICT DO UPDATE SET jobs = jobs + 1, bytes = bytes + NEW.bytes;
END;
CREATE INDEX job_history ON job(finish_order) WHERE in_history = 1;
CREATE INDEX job_history_of ON job(owner, finish_order) WHERE in_history = 1 AND owner <> '';
CREATE INDEX job_state ON job(state, created, sequence);
CREATE INDEX job_duration ON job(state, (ended - started), sequence);
CREATE INDEX job_state_of ON job(owner, state, created, sequence) WHERE owner <> '';
CREATE INDEX job_workflow ON job(workflow_id, created, sequence) WHERE workflow_id <> '';
CREATE INDEX idempotency_created ON idempotency(created);
)sql";

constexpr const char* kVersions[] = {kVersion1, kVersion2};
static_assert(std::size(kVersions) == kSchemaVersion);

}  // namespace

void migrate(Database& database, const std::filesystem::path& file, Random& random) {
  const std::int64_t version = database.integer("PRAGMA user_version");
  const std::int64_t application = database.integer("PRAGMA application_id");
  const bool empty = database.integer("SELECT count(*) FROM sqlite_master") == 0;
  if (!(empty && version == 0) && application != kApplicationId)
    throw Error(Error::Kind::unsupported,
                fmt::format("\"{}\" must be a job store, it is another program's database and was "
                            "left as it is",
                            file.string()));
  if (version > kSchemaVersion)
    throw Error(Error::Kind::unsupported,
                fmt::format("\"{}\" must have a schema up to version {}, it has version {} of a "
                            "newer program",
                            file.string(), kSchemaVersion, version));
  if (version == kSchemaVersion) return;
  Transaction transaction{database};
  for (std::int64_t next = version; next < kSchemaVersion; ++next)
    database.execute(kVersions[next]);
  if (version == 0)
    database.prepare("INSERT INTO setting VALUES ('store_id', ?)")
        .bind(random_hex(random, 8))
        .run();
  database.execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}",
                               kApplicationId, kSchemaVersion)
                       .c_str());
  transaction.commit();
}

}  // namespace comfy::jobs
