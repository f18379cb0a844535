"""What the tests of a published `sglang` share: starting its server, waiting for it, asking it."""

import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """`sglang launch-server` with the given flags; ready when the block is entered, ended when it is left."""

    def __init__(self, sglang, *flags, environment=None, patience=120):
        self.port = free_port()
        self.log = tempfile.NamedTemporaryFile(suffix=".log", delete=False).name
        command = [sglang, "launch-server", "--port", str(self.port), *map(str, flags)]
        with open(self.log, "w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})})
        self.patience = patience

    def __enter__(self):
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                    return self
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit(f"the server ended early:\n{self.output()[-3000:]}")
                time.sleep(0.1)
        self.__exit__()
        raise SystemExit(f"the server did not become healthy within {self.patience} s:\n{self.output()[-3000:]}")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def output(self):
        with open(self.log) as log:
            return log.read()

    def open(self, path, body=None, timeout=120):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"})
        return urllib.request.urlopen(request, timeout=timeout)

    def ask(self, path, body=None, timeout=120):
        with self.open(path, body, timeout) as response:
            text = response.read()
            return json.loads(text) if text.startswith((b"{", b"[")) else text.decode()
