# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients were promised, and whether it was kept.

Clients write down what they submit before they submit it and what was answered before they go on, each line
synced to the disk. At the end these sets are compared with the store and the output folder:
  lost        accepted, but without a terminal record
  unexpected  in the store or the output folder, but never submitted
  duplicated  two terminal records, or more or fewer output files than one for a prompt that succeeded
  repeated    executions beyond the first
"""

import json
import os
import random
import re
import sqlite3
import threading
import time

from programs import NO_ANSWER

TERMINAL = ("succeeded", "failed", "cancelled", "expired")
RETRIED = (429, 500, 502, 503, 504, 507)


def graph(name, number, side=64, height=None):
    """Four nodes that save one picture; `number` makes it unlike all others."""
    height = height or side
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": side, "height": side, "batch_size": 1, "color": number % 0xFFFFFF}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "ImageScale", "inputs": {"image": ["2", 0], "upscale_method": "lanczos", "width": side,
                                                      "height": height + 8 + number // 0xFFFFFF, "crop": "disabled"}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": name}},
    }


class Journal:
    """Lines that are on the disk when write() returns."""

    def __init__(self, path):
        self.file = open(path, "ab")
        self.lock = threading.Lock()

    def write(self, *words):
        with self.lock:
            self.file.write((json.dumps(words) + "\n").encode())
            self.file.flush()
            os.fdatasync(self.file.fileno())


def read_journal(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class Client(threading.Thread):
    """Submits prompts of its own ids to one frontend, again with the same id until it gets an answer."""

    def __init__(self, name, frontend, journal, count=None, side=64, ahead=20, pause=0.0):
        super().__init__(daemon=True, name=name)
        self.frontend, self.journal, self.count, self.side = frontend, journal, count, side
        self.ahead, self.pause = ahead, pause
        self.ending = threading.Event()
        self.submitted = 0
        self.error = None

    def run(self):
        try:
            while not self.ending.is_set() and (self.count is None or self.submitted < self.count):
                self.submit(f"{self.name}-{self.submitted}", self.submitted)
                self.submitted += 1
                self.wait_for_room(self.submitted)
        except BaseException as error:  # shown by finish()
            self.error = error

    def submit(self, prompt_id, number):
        self.journal.write("submit", prompt_id)
        body = {"prompt_id": prompt_id, "prompt": graph(prompt_id, hash_of(prompt_id, number), self.side)}
        end = time.monotonic() + 120
        while True:
            try:
                answer = self.frontend.post("/prompt", body)
                if answer.status == 200:
                    return self.journal.write("accepted", prompt_id)
                if answer.status not in RETRIED:
                    raise AssertionError(f"{prompt_id}: {answer.status} {answer.body[:500]}")
            except NO_ANSWER:
                pass
            assert time.monotonic() < end, f"{prompt_id} got no answer for 120 s\n{self.frontend.tail()}"
            time.sleep(0.05 + random.random() * 0.1)

    def wait_for_room(self, number):
        """Keeps the queue short but never empty."""
        time.sleep(self.pause)
        while number % 5 == 0 and not self.ending.is_set():
            try:
                if self.frontend.remaining() < self.ahead:
                    return
            except NO_ANSWER:
                pass
            time.sleep(0.05)

    def finish(self, seconds=180):
        self.join(seconds)
        if self.error:
            raise self.error
        assert not self.is_alive(), f"client {self.name} does not end"


def hash_of(prompt_id, number):
    """A colour that no other prompt of the test has."""
    match = re.search(r"(\d+)-\d+$", prompt_id)
    return (int(match.group(1)) if match else 0) * 100_003 + number


def guard(store):
    """Lets the store itself note every change of a record that had ended."""
    database = sqlite3.connect(store, timeout=30)
    with database:
        database.execute("CREATE TABLE IF NOT EXISTS changed_end (prompt_id TEXT)")
        database.execute(
            "CREATE TRIGGER IF NOT EXISTS end_is_final AFTER UPDATE OF state, status, outputs ON job"
            " WHEN OLD.state IN ('succeeded', 'failed', 'cancelled', 'expired')"
            " BEGIN INSERT INTO changed_end VALUES (OLD.prompt_id); END")
    database.close()


def rows(store, query, *values):
    database = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=30)
    try:
        return database.execute(query, values).fetchall()
    finally:
        database.close()


class Verdict:
    """The sets compared. `stores`: the stores of all frontends; `output`: the folder they share."""

    def __init__(self, journal, stores, output):
        lines = read_journal(journal)
        self.submitted = {words[1] for words in lines if words[0] == "submit"}
        self.accepted = {words[1] for words in lines if words[0] == "accepted"}
        self.states, self.attempts, changed = {}, {}, set()
        seen_twice = set()
        for store in stores:
            for prompt_id, state, attempts in rows(store, "SELECT prompt_id, state, attempts FROM job"):
                if prompt_id in self.states:
                    seen_twice.add(prompt_id)
                self.states[prompt_id] = state
                self.attempts[prompt_id] = attempts
            if rows(store, "SELECT 1 FROM sqlite_master WHERE name = 'changed_end'"):
                changed |= {row[0] for row in rows(store, "SELECT prompt_id FROM changed_end")}
        self.files = output_files(output)
        succeeded = {prompt_id for prompt_id, state in self.states.items() if state == "succeeded"}
        self.lost = {id for id in self.accepted if self.states.get(id) not in TERMINAL}
        self.unexpected = (set(self.states) | set(self.files)) - self.submitted
        self.duplicated = seen_twice | changed | {id for id in succeeded if len(self.files.get(id, [])) != 1}
        self.repeated = sum(max(0, attempts - 1) for attempts in self.attempts.values())
        # Ledgers that a death leaves behind are swept a day later.
        self.left = [str(path) for path in output.rglob("*") if path.suffix == ".part"]

    def check(self, most_repeated=0, all_succeed=True):
        for name in ("lost", "unexpected", "duplicated"):
            found = getattr(self, name)
            assert not found, f"{name}: {len(found)}, such as {[(id, self.states.get(id), self.files.get(id)) for id in sorted(found)[:5]]}"
        assert self.repeated <= most_repeated, f"repeated: expected at most {most_repeated}, found {self.repeated}"
        if all_succeed:
            others = {id: state for id, state in self.states.items() if state != "succeeded"}
            assert not others, f"expected every prompt to succeed, found {dict(list(others.items())[:5])}"
        return self

    def figures(self):
        return {"submitted": len(self.submitted), "accepted": len(self.accepted), "lost": len(self.lost),
                "unexpected": len(self.unexpected), "duplicated": len(self.duplicated), "repeated": self.repeated}


def output_files(output):
    """Names by prompt: graph() saves under the prompt's id."""
    files = {}
    for path in output.rglob("*.png"):
        match = re.fullmatch(r"(.+)_\d{5}_\.png", path.name)
        assert match and path.read_bytes()[1:4] == b"PNG", f"expected a whole picture, found {path}"
        files.setdefault(match.group(1), []).append(path.name)
    return files
