# SPDX-License-Identifier: GPL-3.0-or-later
"""Random requests over every route of the server, for tests that look for what none of them may do."""
import json
import re

from product import ROOT

ROW = re.compile(r'\{Method::(\w+),\s*"([^"]+)"')

IDS = [f"p{number}" for number in range(24)]
NAMES = ["a.json", "b.txt", "sub%2Fa.json", "workflows%2Fw.json", "user.css", "x.png", "same.png", "copy_00001_.png", "Comfy.Color", "checkpoints", "loras",
         "output", "input", "temp", "EmptyImage", "PreviewImage", "0", "-1", "en", "none", "..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "..%2F..%2Fkeys",
         "..%2Fann%2Fa.json", "..%2Fbob%2Fa.json", ".access", "%00", "%FF", "%C3%BC", "a%0d%0ab", "x" * 300, "[input]", "a.png%20[output]"]
# What is likely to be there, by where a route asks for it.
LIKELY = {"/userdata": ["a.json", "b.txt", "sub%2Fa.json"], "/settings": ["Comfy.Color"], "filename": ["same.png", "copy_00001_.png"], "type": ["input", "output"],
          "/object_info": ["EmptyImage"], "/models": ["checkpoints"], "/internal/files": ["input", "output"]}
QUERY = {
    "filename": NAMES, "type": ["input", "output", "temp", "models", ""], "subfolder": ["", "sub", "..", "ann", "bob", "/"], "preview": ["webp;90", "jpeg", "x"],
    "channel": ["rgb", "a", "rgba", "x"], "dir": ["", ".", "workflows", "sub", "..", "../ann", "../bob"], "path": ["", "sub", "../bob"], "recurse": ["true", "x"],
    "split": ["true"], "full_info": ["true"], "overwrite": ["true", "false"], "max_items": ["0", "1", "-1", "1e9", "99999999999999999999"],
    "offset": ["0", "-1", "5", "x"], "limit": ["0", "1", "5000", "x"], "status": ["completed", "pending,failed", "x"], "sort_by": ["created_at", "x"],
    "sort_order": ["asc", "x"], "workflow_id": ["w", ""], "include_tags": ["input", "output,x"], "name_contains": ["a", "%"], "clientId": ["tab"], "locale": ["en"],
}
# What answers have called things, whoever asked: each user tries the other's too.
LEARNED = []
JSON_PIECES = [None, True, -1, 0, 1.5, 2**63, 1e308, "", "x", "\u0000", "p1", [], {}, ["p1", "p2"], [[]], {"a": {}}, [None], "x" * 5000]


def rows():
    """Method and pattern of each row of the server's table of routes, as its sources have them."""
    found = set()
    for source in sorted((ROOT / "src/frontend/server").rglob("*routes.cpp")):
        found |= {(method.rstrip("_").upper(), pattern) for method, pattern in ROW.findall(source.read_text())}
    assert len(found) > 50, f"expected more than 50 routes in the sources, found {len(found)}"
    return sorted(found)


def learn(content):
    """Keeps the names by which an answer calls things, the last two hundred of them."""
    found = re.findall(rb'"(?:id|asset_id|asset_hash|hash)":\s*"([A-Za-z0-9:_.-]{8,80})"', content[:20_000])
    LEARNED.extend(name.decode() for name in found if name.decode() not in LEARNED)
    del LEARNED[:-200]


def small_prompt(random, canary):
    """A prompt that runs at once and leaves `canary` in its pictures."""
    color = random.randrange(4)
    save = random.choice([("SaveImage", {"filename_prefix": random.choice(["copy", "sub/copy", canary])}), ("PreviewImage", {})])
    return {"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": color}, "_meta": {"title": canary}},
            "2": {"class_type": save[0], "inputs": {"images": ["1", 0], **save[1]}}}


def damaged(random, value):
    """The value with one part of it replaced by something else."""
    if random.random() < 0.25 or not isinstance(value, (dict, list)) or not value:
        return random.choice(JSON_PIECES)
    if isinstance(value, list):
        at = random.randrange(len(value))
        return [damaged(random, item) if number == at else item for number, item in enumerate(value)]
    name = random.choice(list(value))
    return {key: damaged(random, item) if key == name else item for key, item in value.items()}


def form(random, canary, field):
    parts = [(field, random.choice(["same.png", "x.png", "../up.png", f"{canary}.txt", ""]), canary)]
    if field == "file":
        parts += [("tags", None, random.choice(["input", "output", '["input", "a"]', "models,checkpoints"])), ("user_metadata", None, json.dumps({"note": canary}))]
    for name in ("subfolder", "type", "overwrite", "original_ref", "hash", "name"):
        if random.random() < 0.2:
            parts.append((name, None, random.choice(["", "sub", "..", "input", "output", "true", '{"filename": "same.png"}', "{", canary, *LEARNED[-3:]])))
    body = b""
    for name, file, content in parts:
        shown = f'; filename="{file}"' if file is not None else ""
        body += f'--b\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n{content}\r\n'.encode()
    return body + (b"--b--\r\n" if random.random() < 0.9 else b""), {"Content-Type": "multipart/form-data; boundary=b"}


def body_for(random, pattern, canary):
    """A body and headers as the route takes them, more or less."""
    if pattern.startswith("/upload"):
        return form(random, canary, "image")
    if pattern == "/api/assets" and random.random() < 0.8:
        return form(random, canary, "file")
    ids = random.sample(IDS, 2)
    asset = {"name": canary, "tags": ["input", canary], "user_metadata": {"note": canary}}
    wanted = {
        "/prompt": {"prompt": small_prompt(random, canary), "client_id": "tab", "prompt_id": random.choice(IDS), "extra_data": {"extra_pnginfo": {"workflow": {"note": canary}}}},
        "/queue": random.choice([{"delete": ids}, {"delete": ids[:1]}, {"clear": True}]), "/history": random.choice([{"delete": ids}, {"delete": ids[:1]}, {"clear": True}]),
        "/interrupt": random.choice([{}, {"prompt_id": ids[0]}]), "/api/jobs/cancel": {"job_ids": ids}, "/settings": {"Comfy.Color": canary},
        "/settings/{id}": canary, "/users": {"username": canary}, "/free": {"unload_models": True}, "/internal/logs/subscribe": {"enabled": True, "clientId": "tab"},
        "/api/assets": asset | {"hash": random.choice(LEARNED or IDS)}, "/api/assets/from-hash": asset | {"hash": random.choice(LEARNED or IDS)}, "/api/assets/{id}": asset,
        "/api/assets/{id}/tags": {"tags": [canary, "input"]},
    }.get(pattern, {"note": canary})
    if random.random() < 0.35:
        wanted = damaged(random, wanted)
    text = json.dumps(wanted).encode()
    if random.random() < 0.1:
        text = text[: random.randrange(len(text) + 1)] + random.choice([b"", b"\xff", b"\0", b"{" * 300])
    return text, {"Content-Type": random.choice(["application/json", "text/plain", "application/x-www-form-urlencoded"])}


def random_request(random, canary, table):
    """(method, target, headers, body): a row of the table with everything in it filled in."""
    # Half of them are what keeps something or starts it, so that the rest has something to find.
    writing = [row for row in table if row[0] != "GET"]
    method, pattern = random.choice(writing if writing and random.random() < 0.5 else table)
    place = "/".join(pattern.split("/")[: 3 if pattern.startswith(("/internal", "/api")) else 2])

    def filled(name):
        likely = LIKELY.get(place) or (LEARNED if LEARNED and place == "/api/assets" else IDS if "id" in name[0] else NAMES)
        return random.choice(likely if random.random() < 0.8 else NAMES)

    target = re.sub(r"\{[^}]*\}", filled, pattern)
    if not pattern.startswith(("/api/", "/internal", "/healthz", "/readyz", "/metrics")) and random.random() < 0.3:
        target = "/api" + target
    wanted = ["filename", "type"] if pattern in ("/view", "/view_metadata/{folder_name}") else []
    chosen = wanted + random.sample(list(QUERY), random.choice([0, 0, 1, 3]))
    if chosen:
        target += "?" + "&".join(f"{name}={random.choice(LIKELY[name] if name in wanted and random.random() < 0.8 else QUERY[name])}" for name in chosen)
    body, headers = body_for(random, pattern, canary) if method != "GET" else (b"", {})
    if method == "GET" and random.random() < 0.1:
        headers["Range"] = random.choice(["bytes=0-3", "bytes=-1", "bytes=9-1", "x"])
    return method, target, headers, body
