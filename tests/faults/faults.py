#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault tests: real programs, a real store, and faults while they work. See docs/reliability.md.

    tests/faults/faults.py                     the gate's selection
    tests/faults/faults.py F1 F17              some of them, at the gate's size
    tests/faults/faults.py --full              all, at the size of ./test --full
    tests/faults/faults.py F1 --prompts 20000 --kills worker=200,frontend=200
    tests/faults/faults.py F1 --transport rabbitmq --prompts 20000 --kills worker=200,frontend=200,broker=20

Each fault prints one JSON line with what was counted. The first broken promise ends the run with status 1.
"""

import argparse
import json
import random
import sys
import time

import brokers
import deaths
import disk
import drains
import garbage
import load
import network
import poison
import quorum
import submits
import takeover
import upgrade

FAULTS = {
    "F1": deaths.random_kills,
    "F2": deaths.death_at_each_point,
    "F3": deaths.pause_at_points,
    "F4": deaths.hung_worker,
    "F5": network.cuts,
    "F6": brokers.alarms,
    "F7": brokers.wiped,
    "F8": brokers.patience,
    "F9": poison.poison,
    "F12": disk.disk_full,
    "F13": submits.duplicate_submits,
    "F14": submits.cancel_races,
    "F15": load.deaf_sockets,
    "F17": drains.stops,
    "F18": upgrade.upgrade,
    "F19": garbage.garbage,
    "F20": load.flood,
    "F22": load.soak,
    "F23": brokers.settings_guard,
    "F24": quorum.quorum,
    "takeover": takeover.takeover,
}
AROUND_A_BROKER = ("F5", "F6", "F7", "F8", "F18", "F19", "F23", "F24", "takeover")
BY_HAND = ("F18", "takeover")  # the one needs programs of an older version, the other is a figure
GATE = ("F1", "F12", "F13", "F14", "F17")


class Run:
    """What was asked for, and the chance that decides the rest."""

    def __init__(self, options):
        self.full = options.full
        self.transport = options.transport
        self.prompts = options.prompts
        self.times = options.times
        self.workers, self.frontends = options.workers, options.frontends
        self.kills = dict(pair.split("=") for pair in options.kills.split(",")) if options.kills else {}
        self.random = random.Random(options.seed)

    def size(self, gate, full):
        """How often, how many, how long: as asked, else by the size of the run."""
        return self.times or (full if self.full else gate)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", choices=[*FAULTS, []], metavar="FAULT", help=", ".join(FAULTS))
    parser.add_argument("--full", action="store_true", help="the sizes of ./test --full")
    parser.add_argument("--transport", choices=["socket", "rabbitmq"], default="socket", help="what is between server and workers, in F1")
    parser.add_argument("--prompts", type=int, help="prompts of F1")
    parser.add_argument("--kills", help="kills of F1, such as worker=200,frontend=200")
    parser.add_argument("--workers", type=int, default=2, help="workers of F1")
    parser.add_argument("--frontends", type=int, default=2, help="frontends of F1 around a broker, each with its store")
    parser.add_argument("--times", type=int, help="how often the fault happens, in place of the usual")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.randrange(1 << 32)
    for name in options.faults or ([name for name in FAULTS if name not in BY_HAND] if options.full else GATE):
        started = time.monotonic()
        line = {"fault": name, "transport": "rabbitmq" if name in AROUND_A_BROKER else options.transport, "seed": options.seed}
        try:
            line.update(FAULTS[name](Run(options)) or {})
        except AssertionError as error:
            print(json.dumps({**line, "seconds": round(time.monotonic() - started, 1), "ok": False}))
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        print(json.dumps({**line, "seconds": round(time.monotonic() - started, 1), "ok": True}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
