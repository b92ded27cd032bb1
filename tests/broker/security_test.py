# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of the broker with the least permissions (docs/deployment.md), and TLS with certificates that are good and that are not."""

import pathlib
import re
import socket
import ssl
import subprocess
import sys
import threading
import unittest

import pika

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "faults"))
from cluster import Cluster  # noqa: E402
from programs import BIN, Folder, Process, wait_until  # noqa: E402
from promises import graph, rows  # noqa: E402

DEPLOYMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/deployment.md"


def documented_permissions():
    """{user: (configure, write, read)} of the commands in docs/deployment.md: what is tested is what is written there."""
    lines = re.findall(r"rabbitmqctl set_permissions (\S+) '(.*)' '(.*)' '(.*)'", DEPLOYMENT.read_text())
    return {user: (configure, write, read) for user, configure, write, read in lines}


class LeastPermissions(unittest.TestCase):
    """A cluster in which each role has a user of its own."""

    @classmethod
    def setUpClass(cls):
        base = cls.enterClassContext(Folder())
        cls.cluster = Cluster(base, frontends=0, workers=0)
        cls.enterClassContext(cls.cluster)
        broker = cls.cluster.broker
        for user, permissions in documented_permissions().items():
            broker.control("add_user", user, f"pass-{user}")
            broker.control("set_permissions", user, *permissions)
        broker.control("delete_user", "guest")
        cls.cluster.link = lambda role: ("--distributed-queue-connection-uri", broker.uri(user=f"comfy-{role}", password=f"pass-comfy-{role}"))
        cls.frontend = cls.cluster.add_frontend().start()
        for _ in range(2):
            cls.cluster.add_worker().launch()
        cls.cluster.wait_workers()

    def run_some(self, name, count=5):
        for i in range(count):
            self.assertEqual(self.frontend.post("/prompt", {"prompt_id": f"{name}-{i}", "prompt": graph(f"{name}-{i}", i)}).status, 200)
        for i in range(count):
            self.assertEqual(self.frontend.wait_record(f"{name}-{i}")["status"]["status_str"], "success")

    def test_all_works(self):
        self.run_some("plain")
        self.assertIn("SaveImage", self.frontend.get("/object_info").json())
        self.assertEqual(self.frontend.post("/free", {"unload_models": True}).status, 200)

    def test_a_killed_worker_is_taken_over(self):
        self.frontend.post("/prompt", {"prompt_id": "long", "prompt": graph("long", 7, 3000)})
        worker = wait_until(lambda: rows(self.frontend.store, "SELECT worker FROM attempt WHERE prompt_id = 'long'"), 20, "a run")[0][0]
        victim = next(process for process in self.cluster.workers if process.pid == self.cluster.pid_of(worker))
        victim.kill()
        victim.launch()
        self.assertEqual(self.frontend.wait_record("long")["status"]["status_str"], "success")

    def test_queues_that_are_gone_are_made_anew(self):
        self.cluster.broker.control("delete_queue", "comfy.jobs.comfyui.normal")
        self.run_some("anew")

    def refused(self, what):
        """Whether the broker refuses this to the user of the workers."""
        parameters = pika.ConnectionParameters("127.0.0.1", self.cluster.broker.port,
                                               credentials=pika.PlainCredentials("comfy-worker", "pass-comfy-worker"))
        connection = pika.BlockingConnection(parameters)
        channel = connection.channel()
        channel.confirm_delivery()
        try:
            what(channel)
            return False
        except pika.exceptions.ChannelClosedByBroker as closed:
            return closed.reply_code == 403
        finally:
            connection.close()

    def test_a_worker_may_do_nothing_else(self):
        results = next(name for name in self.cluster.broker.queues() if name.startswith("comfy.results."))
        leases = results.replace("results", "leases")
        for what in (lambda c: c.basic_publish("", results, b"forged"), lambda c: c.basic_publish("", "comfy.jobs.comfyui.high", b"forged"),
                     lambda c: c.basic_publish("comfy.ctl", "comfyui.all", b"forged"), lambda c: c.basic_publish("comfy.dead", "comfyui", b"forged"),
                     lambda c: c.basic_get(results), lambda c: c.basic_get(leases), lambda c: c.queue_delete("comfy.jobs.comfyui.high"),
                     lambda c: c.queue_purge(results), lambda c: c.queue_declare("mine"), lambda c: c.exchange_delete("comfy.results"),
                     lambda c: c.queue_bind("comfy.worker.comfyui.x", "comfy.events", "#")):
            self.assertTrue(self.refused(what))


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


class Authority:
    """A certificate authority of its own, in a folder."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        folder.mkdir(parents=True, exist_ok=True)
        openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", f"/CN={name}")

    @property
    def file(self):
        return self.folder / "ca.pem"

    def issue(self, name, names="DNS:localhost,IP:127.0.0.1", *, expired=False):
        """NAME.pem and NAME.key of this authority's folder."""
        openssl(self.folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        (self.folder / "ca.cnf").write_text("[ca]\ndefault_ca=own\n[own]\nnew_certs_dir=.\ndatabase=index\nserial=serial\ndefault_md=sha256\n"
                                            "policy=any\nunique_subject=no\n[any]\ncommonName=supplied\n")
        (self.folder / "index").touch()
        end = ("-startdate", "20200101000000Z", "-enddate", "20210101000000Z") if expired else ("-days", "2")
        openssl(self.folder, "ca", "-batch", "-config", "ca.cnf", "-create_serial", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", f"{name}.csr",
                "-out", f"{name}.pem", "-extfile", f"{name}.ext", "-notext", *end)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = cls.enterClassContext(Folder())
        cls.authority = Authority(cls.base / "broker/tls", "the broker's authority")
        cls.authority.issue("server")
        cls.stranger = Authority(cls.base / "stranger", "a stranger's authority")
        # The certificate of a client is asked for, and must be good where there is one.
        cls.cluster = Cluster(cls.base, frontends=0, workers=0)
        cls.enterClassContext(cls.cluster)
        cls.port = int(cls.cluster.broker._node("tls_port"))

    def worker(self, name, port, query):
        """A worker that connects there; ends with the test."""
        worker = Process([BIN / "comfyui-worker", "--cwd", self.base, "--distributed-queue-connection-uri",
                          f"amqps://guest:guest@127.0.0.1:{port}/?{query}"], self.base, name)
        worker.launch()
        self.addCleanup(worker.kill)
        return worker

    def says(self, worker, text):
        wait_until(lambda: text in worker.tail(), 30, lambda: f"\"{text}\"\n{worker.tail()}")

    def test_a_frontend_and_a_worker_meet_over_tls_and_show_their_own_certificates(self):
        certificate, key = self.authority.issue("me")
        query = f"cacertfile={self.authority.file}&certfile={certificate}&keyfile={key}"
        uri = f"amqps://guest:guest@127.0.0.1:{self.port}/?{query}"
        self.cluster.link = lambda role: ("--distributed-queue-connection-uri", uri)
        frontend = self.cluster.add_frontend().start()
        self.worker("good", self.port, query)
        frontend.post("/prompt", {"prompt_id": "safe", "prompt": graph("safe", 1)})
        self.assertEqual(frontend.wait_record("safe")["status"]["status_str"], "success")
        self.assertNotIn("guest:guest", frontend.tail(1 << 20))
        frontend.stop()

    def test_an_authority_that_did_not_sign_the_broker_is_refused(self):
        self.says(self.worker("stranger", self.port, f"cacertfile={self.stranger.file}"),
                  "is not accepted:")

    def test_without_an_authority_those_of_the_system_count(self):
        self.says(self.worker("system", self.port, ""), "is not accepted:")

    def test_a_file_that_is_not_there_is_named(self):
        self.says(self.worker("missing", self.port, "cacertfile=/no/such/file.pem"), "cacertfile")

    def test_a_client_certificate_of_a_stranger_is_refused_by_the_broker(self):
        certificate, key = self.stranger.issue("unknown")
        self.says(self.worker("unknown", self.port, f"cacertfile={self.authority.file}&certfile={certificate}&keyfile={key}"), "keeps trying")

    def serve(self, certificate, key):
        """Something that speaks TLS with that certificate and nothing else."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        def accept():
            while True:
                try:
                    connection, _ = server.accept()
                    context.wrap_socket(connection, server_side=True)
                except OSError:
                    if server.fileno() < 0:
                        return

        threading.Thread(target=accept, daemon=True).start()
        return server.getsockname()[1]

    def test_a_certificate_that_is_out_of_date_is_refused(self):
        port = self.serve(*self.authority.issue("old", expired=True))
        self.says(self.worker("old", port, f"cacertfile={self.authority.file}"), "is not accepted: certificate has expired")

    def test_a_certificate_of_another_name_is_refused(self):
        port = self.serve(*self.authority.issue("other", "DNS:broker.example"))
        self.says(self.worker("other", port, f"cacertfile={self.authority.file}"), "is not accepted: IP address mismatch")

    def test_a_certificate_that_signs_itself_is_refused(self):
        port = self.serve(self.stranger.file, self.stranger.folder / "ca.key")
        self.says(self.worker("self", port, f"cacertfile={self.authority.file}"), "is not accepted: self-signed certificate")


if __name__ == "__main__":
    unittest.main()
