# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the verdict on every combination of Host, Origin, Sec-Fetch-* and method that origin_rules_test.cpp tries.

It states the rules a second time, in another language and from the document alone, so that the server and this table
check each other. One line per Host and Origin; the columns are the cases of FETCH, a letter for GET and one for POST:
p pass, m malformed (400), h unknown host (421), f foreign (403).
"""
import ipaddress
import re
import sys

HOSTS = [None, "127.0.0.1:8188", "127.0.0.1", "localhost:8188", "LOCALHOST", "localhost.", "app.localhost:8188", "[::1]:8188",
         "[::1]", "192.0.2.7:8188", "workstation:8188", "mine.example:8188", "sub.wide.example", "wide.example",
         "evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "0x7f.1", "[::1].evil.test", "127.0.0.1:99999",
         "user@127.0.0.1", "", "a b", "public.example:443"]
ORIGINS = [None, "http://127.0.0.1:8188", "http://127.0.0.1", "http://127.0.0.1:9999", "http://localhost:8188",
           "HTTP://LOCALHOST:8188", "http://localhost.:8188", "http://[::1]:8188", "http://[0:0:0:0:0:0:0:1]:8188",
           "http://192.0.2.7:8188", "http://workstation:8188", "http://mine.example", "https://sub.wide.example",
           "https://friend.example", "https://FRIEND.example", "https://friend.example:8443", "http://friend.example",
           "http://evil.test", "http://127.0.0.1.evil.test:8188", "http://127.0.0.1:8188.evil.test",
           "http://127.0.0.1:8188/", "http://user@127.0.0.1:8188", "null", "", "garbage", "file://", "ftp://127.0.0.1:8188",
           "https://public.example", "http://127.0.0.1:8188|http://127.0.0.1:8188"]
FETCH = [(None, None), ("same-origin", "cors"), ("same-site", "no-cors"), ("cross-site", "navigate"), ("cross-site", "cors"),
         ("Cross-Site", None), ("none", "navigate")]

EXTERNAL, ALLOWED_HOSTS, ALLOWED_ORIGINS = "public.example", ["mine.example", ".wide.example"], ["https://friend.example"]


def authority(text):
    """(host, port or None), or None when it is no authority."""
    match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::(\d+))?", text)
    if not match or (match[2] and int(match[2]) > 65535):
        return None
    host = match[1].lower()
    if host.startswith("["):
        try:
            host = str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            return None
    else:
        host = host[:-1] if host.endswith(".") else host
        if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", host):
            return None
    return host, match[2] and int(match[2])


def is_address(host):
    try:
        ipaddress.ip_address(host)
        return True
    except ValueError:
        return False


def ours(host):
    return (is_address(host) or "." not in host or host.endswith(".localhost") or host == EXTERNAL
            or any(host.endswith(h) if h.startswith(".") else host == h for h in ALLOWED_HOSTS))


def verdict(host, origin, fetch, method):
    if host is None:
        return "m"
    here = authority(host)
    if here is None or not ours(here[0]):
        return "h"
    if origin is not None:
        if origin.lower() in ALLOWED_ORIGINS:
            return "p"
        match = re.fullmatch(r"https?://(.*)", origin, re.I)
        there = match and authority(match[1])
        if not there or "|" in origin or there[0] != here[0]:
            return "f"
        return "p" if there[1] is None or here[1] is None or there[1] == here[1] else "f"
    site, mode = fetch
    if site is None or site.lower() != "cross-site":
        return "p"
    return "p" if method == "GET" and mode == "navigate" else "f"


def shown(value):
    return "-" if value is None else '"%s"' % value


for host in HOSTS:
    for origin in ORIGINS:
        letters = ["".join(verdict(host, origin, fetch, method) for method in ("GET", "POST")) for fetch in FETCH]
        sys.stdout.write("\t".join([shown(host), shown(origin), " ".join(letters)]) + "\n")
