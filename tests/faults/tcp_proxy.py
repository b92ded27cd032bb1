# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP proxy that does what networks do: it delays, throttles, swallows, resets and cuts."""

import asyncio
import socket
import struct
import threading
import time

CHUNK = 16 * 1024


class Proxy:
    """Listens on `port` and passes to `target`. The rules may change at any time, for open connections too.

    delay       seconds that every chunk waits
    rate        bytes a second and direction, or None
    black_hole  True: connections stay and are made, and nothing comes through until it is False again
    deaf        True: the same for what the target says only; what it is told comes through
    refuse      True: new connections are reset
    cut_after   bytes in both directions together after which the connection is reset, or None
    """

    def __init__(self, target):
        self.target = target
        self.delay, self.rate, self.cut_after = 0, None, None
        self.black_hole = self.deaf = self.refuse = False
        self.passed = 0  # bytes, in all connections
        self.connections = 0
        self._open = set()
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()

    def _run(self, started):
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()

    def reset_all(self):
        """Every open connection ends with RST, on both sides."""
        self._call(lambda: [pair.reset() for pair in list(self._open)])

    def leave_half_open(self):
        """The target's side of every open connection is reset; the other side hears nothing of it, ever."""
        self._call(lambda: [pair.forget_far() for pair in list(self._open)])

    def close(self):
        self._call(self._server.close)
        self.reset_all()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _call(self, what):
        done = threading.Event()

        def call():
            what()
            done.set()

        self._loop.call_soon_threadsafe(call)
        done.wait()

    async def _serve(self, reader, writer):
        self.connections += 1
        pair = _Pair(self, writer)
        self._open.add(pair)
        try:
            if self.refuse:
                return
            far_reader, pair.far = await asyncio.open_connection("127.0.0.1", self.target)
            pumps = [asyncio.ensure_future(pair.pump(reader, pair.far, answers=False)),
                     asyncio.ensure_future(pair.pump(far_reader, writer, answers=True))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if pair.half_open:
                await pumps[0]
        except OSError:
            pass
        finally:
            self._open.discard(pair)
            pair.reset()


class _Pair:
    def __init__(self, proxy, near):
        self.proxy, self.near, self.far = proxy, near, None
        self.bytes = 0
        self.half_open = False

    def reset(self):
        for writer in (self.near, self.far):
            if writer is None or writer.transport.is_closing():
                continue
            writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def forget_far(self):
        self.half_open = True
        near, self.near = self.near, None
        self.reset()
        self.near = near

    async def pump(self, reader, writer, answers):
        proxy = self.proxy
        try:
            while data := await reader.read(CHUNK if proxy.rate is None else min(CHUNK, max(1, proxy.rate // 20))):
                if proxy.delay:
                    await asyncio.sleep(proxy.delay)
                if proxy.rate:
                    await asyncio.sleep(len(data) / proxy.rate)
                # As TCP does, what meets a hole is sent again until it comes through.
                while proxy.black_hole or (proxy.deaf and answers):
                    await asyncio.sleep(0.02)
                if self.half_open:
                    continue  # told to nobody
                if proxy.cut_after is not None and self.bytes + len(data) >= proxy.cut_after:
                    writer.write(data[:proxy.cut_after - self.bytes])
                    await writer.drain()
                    return
                self.bytes += len(data)
                proxy.passed += len(data)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass


def self_test():
    """The proxy itself, against an echo."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def echo(connection):
            try:
                while data := connection.recv(4096):
                    connection.sendall(data)
            except OSError:
                pass

        def accept():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=echo, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        proxy = Proxy(server.getsockname()[1])

        def connect():
            return socket.create_connection(("127.0.0.1", proxy.port), timeout=2)

        def echoes(connection, text=b"hello"):
            connection.sendall(text)
            got = b""
            while len(got) < len(text):
                got += connection.recv(4096) or b"\0" * len(text)
            return got == text

        def silent(connection, text):
            connection.sendall(text)
            connection.settimeout(0.3)
            try:
                connection.recv(10)
                raise AssertionError("expected silence")
            except TimeoutError:
                connection.settimeout(2)

        one = connect()
        assert echoes(one)
        proxy.delay, started = 0.1, time.monotonic()
        assert echoes(one) and time.monotonic() - started >= 0.2
        proxy.delay, proxy.rate, started = 0, 2000, time.monotonic()
        assert echoes(one, b"x" * 1000) and time.monotonic() - started >= 0.5
        proxy.rate, proxy.black_hole = None, True
        silent(one, b"held")
        proxy.black_hole = False
        assert one.recv(10) == b"held", "expected what the hole had held back"
        half = connect()
        assert echoes(half)
        proxy.leave_half_open()
        silent(half, b"nobody")
        half.close()
        one = connect()
        assert echoes(one)
        proxy.reset_all()
        try:
            assert one.recv(10) == b"never" , "expected a reset"
        except ConnectionResetError:
            pass
        proxy.cut_after = 7
        two = connect()
        two.sendall(b"hello")
        got = b""
        try:
            while data := two.recv(10):
                got += data
        except ConnectionResetError:
            pass
        assert got == b"he", got
        proxy.cut_after, proxy.refuse = None, True
        try:
            assert not echoes(connect()), "expected a refusal"
        except OSError:
            pass
        proxy.close()


if __name__ == "__main__":
    self_test()
    print("ok")
