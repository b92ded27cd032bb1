# SPDX-License-Identifier: GPL-3.0-or-later
"""Repeats recorded conversations (reference/traces) against a server and says where it answers otherwise.

usage: replay.py --url http://HOST:PORT --traces FOLDER [--cases FILE] [NAME ...]
"""
import argparse
import asyncio
import enum
import hashlib
import io
import json
import pathlib
import re
import struct
import sys
import time

import aiohttp
from PIL import Image

COUNTED = re.compile(r"([^/\"]*)_(\d{5})_(\.\w+)")
TEMPORARY = re.compile(r"ComfyUI_temp_([a-z]{5})_")
SESSION = re.compile("^[0-9a-f]{32}$")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Timing(enum.Enum):
    """Whether the order of events is that of the recording, or depends on how fast nodes are that wait."""
    kept = 1
    free = 2


class Names:
    """Gives what differs from run to run (ids, temp prefixes, file counters) names by first appearance. Where the order of
    nodes is free, so is that of their temp prefixes; `ordered` says that it is not."""

    def __init__(self, ordered=True):
        self.known, self.ordered = {}, ordered

    def _name(self, kind, value):
        table = self.known.setdefault(kind, {})
        return table.setdefault(value, f"{kind[:4]}{len(table)}")

    def text(self, text):
        text = SESSION.sub("<sid>", UUID.sub(lambda found: self._name("id", found[0]), text))
        text = COUNTED.sub(lambda found: f"{found[1]}_{self._name('file ' + found[1], found[2])}_{found[3]}", text)
        return TEMPORARY.sub(lambda found: f"ComfyUI_temp_{self._name('temp', found[1]) if self.ordered else ''}_", text)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def queue_item(value):
    """[number, id, prompt, extra_data, outputs]: the number is a counter of the process, the outputs are a set."""
    return isinstance(value, list) and len(value) == 5 and is_number(value[0]) and isinstance(value[1], str) and isinstance(value[4], list)


def normal(value, names, key=None):
    if key in ("timestamp", "current_inputs", "current_outputs", "number", "create_time", "execution_start_time", "execution_end_time"):
        return "<varies>"
    if key in ("traceback", "exception_message", "exception_type"):
        return "<words>"  # compared where the errors are made; here they are Python's
    if queue_item(value):
        return ["<number>", names.text(value[1]), normal(value[2], names), normal(value[3], names), sorted(value[4])]
    if isinstance(value, dict):
        value = {k: v for k, v in value.items() if k not in ("dependent_outputs", "tooltip")}  # a set; our own words
        return {names.text(k): normal(v, names, k) for k, v in value.items()}
    if isinstance(value, list):
        items = [normal(item, names) for item in value]
        if key in ("executed", "errors"):
            items.sort(key=json.dumps)
        return items
    return names.text(value) if isinstance(value, str) else value


def picture(bytes_):
    with Image.open(io.BytesIO(bytes_)) as image:
        frames = getattr(image, "n_frames", 1)
        pixels = hashlib.sha256(image.convert("RGBA").tobytes()).hexdigest()
        return {"format": image.format, "width": image.width, "height": image.height, "mode": image.mode, "frames": frames,
                "pixels_sha256": pixels}


def binary(message):
    kind = struct.unpack(">I", message[:4])[0]
    size = struct.unpack(">I", message[4:8])[0]
    if kind == 3:
        return {"type": kind, "node_id": message[8:8 + size].decode(), "text": message[8 + size:].decode("utf8", "replace")}
    if kind == 4:
        return {"type": kind, "metadata": json.loads(message[8:8 + size]), "image": picture(message[8 + size:])}
    return {"type": kind, "image_format": size, "image": picture(message[8:])}


def matches(event, wanted):
    if wanted.get("client") not in (None, event["client"]):
        return False
    if wanted.get("type") == "binary":
        return "binary" in event
    text = event.get("text")
    if text is None or text.get("type") != wanted.get("type"):
        return False
    return all((text.get("data") or {}).get(key) == value for key, value in wanted.get("data", {}).items())


class Replayer:
    """Takes one case's steps, as the recorder took them."""

    def __init__(self, session, url, case):
        self.session, self.url, self.case = session, url, case
        self.events, self.answers, self.ids, self.sockets = [], [], {}, {}

    async def connect(self, name, client):
        sid = client.get("sid", f"trace-client-{name}")
        address = self.url.replace("http", "ws", 1) + "/ws" + (f"?clientId={sid}" if sid else "")
        socket = await self.session.ws_connect(address, max_msg_size=0)
        flags = client.get("flags", {"supports_preview_metadata": True})
        if flags is not None:
            await socket.send_str(json.dumps({"type": "feature_flags", "data": flags}))
        self.sockets[name] = (socket, asyncio.create_task(self.listen(name, socket)))

    async def listen(self, name, socket):
        async for message in socket:
            if message.type == aiohttp.WSMsgType.TEXT:
                self.events.append({"client": name, "text": json.loads(message.data)})
            elif message.type == aiohttp.WSMsgType.BINARY:
                self.events.append({"client": name, "binary": binary(message.data)})

    async def close(self, name):
        socket, task = self.sockets.pop(name)
        await socket.close()
        task.cancel()

    def filled(self, value):
        text = json.dumps(value)
        for name, prompt_id in self.ids.items():
            text = text.replace("{{" + name + "}}", prompt_id)
        return json.loads(text)

    async def fetch(self, method, path, **body):
        async with self.session.request(method, self.url + path, **body) as reply:
            raw = await reply.read()
            is_json = "json" in reply.headers.get("Content-Type", "") and raw
            return {"status": reply.status, "json": json.loads(raw)} if is_json else {"status": reply.status, "body": raw}

    async def until(self, check, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if check():
                return True
            await asyncio.sleep(0.005)
        return False

    async def done(self, prompt_id, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if prompt_id in (await self.fetch("GET", f"/history/{prompt_id}"))["json"]:
                # The last message of a prompt for its client; without one there is none to wait for.
                last = {"type": "executing", "data": {"node": None, "prompt_id": prompt_id}}
                await self.until(lambda: any(matches(event, last) for event in self.events), 0.3)
                return True
            await asyncio.sleep(0.01)
        return False

    async def prompt(self, index, step):
        answer = await self.fetch("POST", "/prompt", json=self.filled(step["body"]))
        prompt_id = answer.get("json", {}).get("prompt_id")
        if prompt_id:
            self.ids[step.get("save_id", f"p{index}")] = prompt_id
            if step.get("wait", True):
                answer["finished"] = await self.done(prompt_id, step.get("timeout", 60))
        return answer

    async def take(self, index, step):
        op = step["op"]
        if op == "prompt":
            return await self.prompt(index, step)
        if op == "http":
            body = {"json": self.filled(step["json"])} if "json" in step else {}
            return await self.fetch(step.get("method", "GET"), self.filled(step["path"]), **body)
        if op == "wait_event":
            wanted = self.filled(step["match"])
            return {"found": await self.until(lambda: any(matches(event, wanted) for event in self.events), step.get("timeout", 30))}
        if op == "wait_done":
            return {"finished": await self.done(self.filled(step["id"]), step.get("timeout", 60))}
        if op == "sleep":
            await asyncio.sleep(step["s"])
        elif op == "connect":
            await self.connect(step["name"], step)
            await asyncio.sleep(0.1)
        elif op == "close":
            await self.close(step["name"])
            await asyncio.sleep(0.05)
        elif op == "ws_send":
            await self.sockets[step["name"]][0].send_str(step["text"])
            await asyncio.sleep(0.05)
        return {}

    async def run(self):
        await self.fetch("POST", "/history", json={"clear": True})
        await self.fetch("POST", "/free", json={"free_memory": True, "unload_models": True})
        await asyncio.sleep(0.1)
        for name, client in self.case.get("clients", {"A": {}}).items():
            await self.connect(name, client)
        await asyncio.sleep(0.1)
        greeting, self.events[:] = list(self.events), []
        for index, step in enumerate(self.case["steps"]):
            self.answers.append(await self.take(index, step))
        await asyncio.sleep(0.05)
        history = {name: (await self.fetch("GET", f"/history/{prompt_id}"))["json"] for name, prompt_id in self.ids.items()}
        files = {}
        for entry in (entry for answer in history.values() for entry in answer.values()):
            for item in (item for ui in entry["outputs"].values() for items in ui.values() if isinstance(items, list) for item in items):
                if isinstance(item, dict) and "filename" in item:
                    files[f"{item['type']}/{item['subfolder']}/{item['filename']}"] = await self.file(item)
        for name in list(self.sockets):
            await self.close(name)
        return {"greeting_events": greeting, "steps": self.answers, "events": self.events, "history": history, "output_files": files}

    async def file(self, item):
        query = {key: item[key] for key in ("filename", "subfolder", "type")}
        async with self.session.get(self.url + "/view", params=query) as reply:
            bytes_ = await reply.read()
            found = {"view_status": reply.status}
            try:
                found["image"] = picture(bytes_)
            except OSError:
                pass
            return found


def kept(message, keys):
    return {key: message[key] for key in keys if key in message}


def plain_event(event, names):
    """An event in a form that two runs share; nothing for those compared apart (see `compare_events`)."""
    if "binary" in event:
        found = event["binary"]
        seen = kept(found, ("type", "image_format", "node_id", "text"))
        seen["metadata"] = normal(found.get("metadata"), names)
        if "image" in found:
            lossless = found["image"]["format"] == "PNG"
            seen["image"] = kept(found["image"], ("format", "width", "height") + (("pixels_sha256",) if lossless else ()))
        return seen
    if event["text"]["type"] == "feature_flags":
        return {"type": "feature_flags"}  # newer editors ask for more of them
    return normal(event["text"], names)


def by_client(events, names):
    """Per client: the events in order, the number of statuses, and the last progress_state of each prompt."""
    lists, last_states, statuses = {}, {}, {}
    for event in events:
        client = event["client"]
        lists.setdefault(client, [])
        plain = plain_event(event, names)
        kind = plain.get("type")
        if kind == "status":
            statuses.setdefault(client, []).append(plain["data"]["status"]["exec_info"]["queue_remaining"])
        elif kind == "progress_state":
            last_states.setdefault(client, {})[plain["data"]["prompt_id"]] = plain["data"]["nodes"]
        else:
            lists[client].append(plain)
    return lists, last_states, statuses


def changes(values):
    """The values without repetitions: a status may be sent less often, but each change of it is."""
    return [value for index, value in enumerate(values) if index == 0 or value != values[index - 1]]


def difference(what, ours, recorded):
    return f"{what}\n    ours     {json.dumps(ours, ensure_ascii=False)[:1500]}\n    recorded {json.dumps(recorded, ensure_ascii=False)[:1500]}"


def by_node(events):
    """The events of each node in order; those of no node under None."""
    lists = {}
    for event in events:
        data = event.get("data") or event.get("metadata") or {}
        node = event.get("node_id") or data.get("node") or data.get("node_id")
        lists.setdefault(node, []).append(event)
    return lists


def compare_events(ours, recorded, one_output):
    """With several outputs the original begins with any of them (a set), so only each node's own order is compared."""
    found = []
    our_lists, our_states, our_status = by_client(ours, Names(one_output))
    their_lists, their_states, their_status = by_client(recorded, Names(one_output))
    for client in sorted(set(our_lists) | set(their_lists)):
        mine, theirs = our_lists.get(client, []), their_lists.get(client, [])
        if mine != theirs and (one_output or by_node(mine) != by_node(theirs)):
            found.append(difference(f"events of {client}", [m for m in mine if m not in theirs], [t for t in theirs if t not in mine]))
            found.append(difference(f"order of events of {client}", *([[event["type"], (event.get("data") or {}).get("node")] for event in events]
                                                                      for events in (mine, theirs))))
        if our_states.get(client) != their_states.get(client):
            found.append(difference(f"last progress_state of {client}", our_states.get(client), their_states.get(client)))
        mine, theirs = changes(our_status.get(client, [])), changes(their_status.get(client, []))
        if mine != theirs:
            found.append(difference(f"status of {client}", mine, theirs))
    return found


def compare_steps(ours, recorded):
    found = []
    for index, (mine, theirs) in enumerate(zip(ours, recorded)):
        for flag in ("finished", "found"):
            if mine.get(flag) != theirs.get(flag):
                found.append(difference(f"step {index} {flag}", mine.get(flag), theirs.get(flag)))
        answer = theirs.get("response")
        if answer is None:
            continue
        if mine["status"] != answer["status"]:
            found.append(difference(f"step {index} status", [mine["status"], str(mine.get("json"))], answer["status"]))
        elif "json" in answer:
            mine, theirs = normal(mine.get("json"), Names()), normal(answer["json"], Names())
            if mine != theirs:
                found.append(difference(f"step {index} answer", mine, theirs))
    return found


def compare_rest(ours, recorded, one_output):
    found = []
    mine, theirs = (normal(side["history"], Names(one_output)) for side in (ours, recorded))
    if mine != theirs:
        for name in theirs:
            for prompt_id in set(theirs[name]) | set(mine.get(name, {})):
                for part in ("prompt", "outputs", "meta", "status"):
                    pair = [side.get(name, {}).get(prompt_id, {}).get(part) for side in (mine, theirs)]
                    if pair[0] != pair[1]:
                        found.append(difference(f"history {name} {part}", *pair))
    keys = ("format", "width", "height", "mode", "frames", "pixels_sha256")

    def files(side):
        """Names are compared with the history; here their folders and what the files show."""
        return sorted(([name.rpartition("/")[0], entry["view_status"], kept(entry.get("image", {}), keys)] for name, entry in side["output_files"].items()),
                      key=json.dumps)

    mine, theirs = files(ours), files(recorded)
    if mine != theirs:
        found.append(difference("output files", [m for m in mine if m not in theirs], [t for t in theirs if t not in mine]))
    return found


def compare_greeting(ours, recorded):
    """Flags may be more than there were; those that were there are still there."""
    def seen(events, kept_flags):
        found = []
        for event in events:
            data = event["text"]["data"]
            if event["text"]["type"] == "feature_flags":
                data = {key: value for key, value in data.items() if key in kept_flags}
            found.append([event["client"], event["text"]["type"], normal(data, Names())])
        return sorted(found, key=json.dumps)

    flags = {key for event in recorded if event["text"]["type"] == "feature_flags" for key in event["text"]["data"]}
    mine, theirs = seen(ours, flags), seen(recorded, flags)
    return [] if mine == theirs else [difference("greeting", mine, theirs)]


def without_progress(events):
    return [event for event in events if event.get("text", {}).get("type") != "progress"]


async def replay(url, trace, case, timing=Timing.kept):
    """Differences between what was recorded and what the server at `url` does, as texts."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:
        ours = await Replayer(session, url, case).run()
    entries = [entry for answer in trace["history"].values() for entry in answer.values()]
    one_output = timing is Timing.kept and all(len(entry["prompt"][4]) == 1 for entry in entries)
    if timing is Timing.free:
        ours["events"], trace["events"] = without_progress(ours["events"]), without_progress(trace["events"])
    return (compare_greeting(ours["greeting_events"], trace["greeting_events"]) + compare_steps(ours["steps"], trace["steps"])
            + compare_events(ours["events"], trace["events"], one_output) + compare_rest(ours, trace, one_output))


def classes_of(case):
    """The node classes that a case's prompts name."""
    prompts = [step["body"].get("prompt") for step in case["steps"] if step["op"] == "prompt"]
    nodes = [node for prompt in prompts if isinstance(prompt, dict) for node in prompt.values()]
    return {node["class_type"] for node in nodes if isinstance(node, dict) and "class_type" in node}


def load(folder, cases=None):
    """{name: (trace, case)} of a folder of recordings."""
    steps = {case["name"]: case for case in json.loads(cases.read_text())} if cases else {}
    found = {}
    for file in sorted(pathlib.Path(folder).glob("*.json")):
        trace = json.loads(file.read_text())
        case = trace.get("case") or steps.get(trace.get("name"))
        if case:
            found[file.stem] = (trace, case)
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--traces", required=True, type=pathlib.Path)
    parser.add_argument("--cases", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    failed = 0
    for name, (trace, case) in load(options.traces, options.cases).items():
        if options.names and name not in options.names:
            continue
        found = asyncio.run(replay(options.url, trace, case))
        failed += bool(found)
        print("different" if found else "same     ", name)
        for line in found:
            print("  ", line)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
