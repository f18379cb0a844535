#!/usr/bin/env python3
"""What profiling costs and finds on one device: the Llama-3.1-8B shape with dummy weights, 32 requests decoding, graphs and eager.

usage: profile.py PATH/TO/sglang [--device cuda] [--layers 32] [--batch 32] [--context 1024] [--keep FOLDER]

Prints a table with the limit of each figure; exits with 1 when a figure is past its limit. On a CPU with few layers it tries the script itself.

- Step times come from the server's own step counter, read in a tight loop, over stretches without and with a window in turn, of the same answer.
- Stop to file: from the request to /stop_profile until its answer, which comes when the file is written.
- Stall: the longest wait for a token of a streamed request of the same batch while windows begin, end and are written.
"""

import argparse
import gzip
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 4096,
    "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "hidden_act": "silu",
    "tie_word_embeddings": False, "bos_token_id": 128000, "eos_token_id": 128001,
}
rows, failed = [], []


def row(what, value, limit="", is_good=True):
    rows.append(f"| {what} | {value} | {limit} |")
    print(("" if is_good else "PAST ITS LIMIT ") + rows[-1], flush=True)
    if not is_good:
        failed.append(what)


class Server:
    """A server of its own, with one long batch of requests under way while `load` is entered."""

    def __init__(self, options, model, flags, environment=None):
        self.options = options
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.log = os.path.join(options.work, f"server-{self.port}.log")
        command = [options.sglang, "launch-server", "--model-path", model, "--load-format", "dummy", "--skip-tokenizer-init", "--device", options.device,
                   "--port", str(self.port), "--skip-server-warmup", "--max-running-requests", str(options.batch), "--decode-log-interval", "1000000",
                   "--context-length", "8192", "--max-total-tokens", str(options.batch * 4096), *flags]
        started = time.time()
        with open(self.log, "w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})})
        while True:
            try:
                self.get("/health")
                break
            except OSError:
                if self.process.poll() is not None or time.time() - started > 120:
                    raise SystemExit(f"the server did not start:\n{open(self.log).read()[-3000:]}")
                time.sleep(0.1)
        print(f"server after {time.time() - started:.1f} s: {' '.join(flags)}", flush=True)

    def request(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"})

    def get(self, path):
        with urllib.request.urlopen(self.request(path), timeout=60) as answer:
            return answer.read()

    def post(self, path, body):
        try:
            with urllib.request.urlopen(self.request(path, body), timeout=120) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{path} answered {error.code}: {error.read().decode()}")

    def rank(self):
        return json.loads(self.get("/profile_status"))["ranks"][0]

    def next_step(self):
        """Number of a step that has just been launched, and when."""
        first = self.rank()["forward_ct"]
        while True:
            now = self.rank()["forward_ct"]
            if now != first:
                return now, time.perf_counter()

    def step_ms(self, steps):
        """Mean over so many steps."""
        first, start = self.next_step()
        while self.rank()["forward_ct"] < first + steps:
            time.sleep(0.0005)
        last, end = self.next_step()
        return (end - start) * 1e3 / (last - first)

    def begin_load(self, tokens):
        """All requests decode together until `tokens` are there; one of them streams."""
        self.arrivals = []
        prompts = [[(7 * i + 13 * j) % 120000 + 10 for j in range(self.options.context)] for i in range(self.options.batch)]
        sampling = {"max_new_tokens": tokens, "temperature": 0, "ignore_eos": True}

        def answer(prompt):
            self.post("/generate", {"input_ids": prompt, "sampling_params": sampling})

        def stream(prompt):
            with urllib.request.urlopen(self.request("/generate", {"input_ids": prompt, "sampling_params": sampling, "stream": True}), timeout=300) as events:
                for line in events:
                    if line.startswith(b"data: {"):
                        self.arrivals.append(time.perf_counter())

        before = self.rank()["forward_ct"]
        self.load = [threading.Thread(target=stream if i == 0 else answer, args=(prompt,)) for i, prompt in enumerate(prompts)]
        for thread in self.load:
            thread.start()
        while len(self.arrivals) < 8:
            time.sleep(0.01)
        return before

    def end_load(self):
        self.post("/abort_request", {"abort_all": True})
        for thread in self.load:
            thread.join()

    def longest_gap(self, start, end):
        times = [t for t in self.arrivals if start <= t <= end]
        return max((b - a for a, b in zip(times, times[1:])), default=0) * 1e3

    def last(self):
        while True:
            rank = self.rank()
            if rank["state"] == "idle":
                return rank["last"]
            time.sleep(0.002)

    def close(self):
        self.process.terminate()
        self.process.wait(60)


def read(path):
    with gzip.open(path) as file:
        return json.load(file)


def kernels_of(trace):
    return [e for e in trace["traceEvents"] if e.get("cat") == "kernel"]


def attributed(trace):
    """Share of kernel time under a module or an operator: named by the kernel itself, or by the span its External id names."""
    spans = {e["args"]["External id"] for e in trace["traceEvents"] if e.get("cat") == "cpu_op"}
    total = found = 0.0
    for kernel in kernels_of(trace):
        total += kernel["dur"]
        if "module" in kernel["args"] or "operator" in kernel["args"] or kernel["args"].get("External id") in spans:
            found += kernel["dur"]
    return found / total if total else 0.0


def analyse(options, path):
    return json.loads(subprocess.run([options.sglang, "analyze-trace", path, "--json"], check=True, capture_output=True, timeout=120).stdout)


def measure(options, model, mode):
    """A server in one mode; returns the trace of ten steps at a fixed place of the answer."""
    flags = ["--disable-cuda-graph"] if mode == "eager" else ["--cuda-graph-bs", str(options.batch)]
    server = Server(options, model, flags)
    folder = os.path.join(options.work, mode)
    try:
        # Code paths of a window and of its files are warm from here on, as in a server that has been profiled before.
        server.begin_load(3000)
        server.post("/start_profile", {"output_dir": folder, "num_steps": 3, "profile_id": "warm"})
        server.last()

        ratios, steps = [], options.steps
        off = server.step_ms(steps)
        step = off
        for i in range(options.repeats):
            server.post("/start_profile", {"output_dir": folder, "profile_id": f"cost-{i}", "with_stack": options.stacks})
            on = server.step_ms(steps)
            server.post("/cancel_profile", {})
            after = server.step_ms(steps)
            # Answers grow, and steps with them: a window lies between two stretches without one.
            ratios.append(on / ((off + after) / 2) - 1)
            off = after
        limit = 0.01 if mode == "graph" else 0.10
        cost = statistics.median(ratios)
        row(f"{mode}: step time without a window", f"{step:.3f} ms")
        row(f"{mode}: cost of a window", f"{cost:+.2%} ({', '.join(f'{r:+.2%}' for r in ratios)})", f"{limit:.0%}", cost <= limit)

        for count, most in ((10, 1.0), (100, 2.0)):
            began = time.perf_counter()
            server.post("/start_profile", {"output_dir": folder, "profile_id": f"stop-{count}", "with_stack": options.stacks})
            first = server.rank()["forward_ct"]
            while server.rank()["forward_ct"] < first + count:
                time.sleep(0.0005)
            start = time.perf_counter()
            server.post("/stop_profile", {})
            took = time.perf_counter() - start
            last = server.last()
            time.sleep(0.2)
            gap = server.longest_gap(began, time.perf_counter())
            # Parsing holds up this program's own reader of the stream, so it comes last.
            path = last["files"][0]
            trace = read(path)
            number = len(kernels_of(trace))
            row(f"{mode}: stop to file, {last['steps_recorded']} steps, {number} kernels", f"{took:.2f} s", f"{most:.0f} s", took <= most)
            row(f"{mode}: longest wait for a token around it", f"{gap:.1f} ms, {gap / step:.1f} steps", "2 steps", gap <= 2 * step)
            if number:
                size = os.path.getsize(path) / number
                row(f"{mode}: gzip bytes a kernel, {count} steps", f"{size:.1f}", "15" if mode == "graph" else "", mode != "graph" or size <= 15)
            waits = [e["dur"] / 1e3 for e in trace["traceEvents"] if e.get("name") == "profiler.switch_device" and e["cat"] == "user_annotation"]
            if waits:
                row(f"{mode}: wait of the rank for CUPTI in it", f"{', '.join(f'{w:.1f}' for w in waits)} ms")
            loss = trace["sglang"]["loss"]
            row(f"{mode}: loss, {count} steps", ", ".join(f"{k} {v}" for k, v in loss.items() if v) or "none", "none", not any(loss.values()))
        server.end_load()

        # The same steps of the same batch in both modes, so that attention reads as many keys.
        before = server.begin_load(200)
        server.post("/start_profile", {"output_dir": folder, "profile_id": "layers", "start_step": before + 120, "num_steps": 10})
        path = server.last()["files"][0]
        server.end_load()
        trace = read(path)
        if kernels_of(trace):
            share = attributed(trace)
            row(f"{mode}: kernel time under a module or operator", f"{share:.3%}", "99.9%", share >= 0.999)
        return analyse(options, path)
    finally:
        server.close()


def compare(options, graph, eager):
    """A layer is all that lies under its number; single operators of a few microseconds differ by how they are launched."""
    if not graph["has_device_work"]:
        return
    sums = []
    for analysis in (graph, eager):
        layers = [0.0] * options.layers
        for entry in analysis["layers"]:
            parts = entry["name"].split(".")
            if parts[:2] == ["model", "layers"]:
                layers[int(parts[2])] += entry["total_us"]
        sums.append(layers)
    total = sum(sums[0]) / sum(sums[1]) - 1
    differences = [a / b - 1 for a, b in zip(*sums)]
    worst = max(range(options.layers), key=lambda i: abs(differences[i]))
    row(f"device time of all {options.layers} layers, graph against eager", f"{total:+.2%}", "3%", abs(total) <= 0.03)
    row(f"of the layer that differs most, {worst}", f"{differences[worst]:+.2%}", "3%", abs(differences[worst]) <= 0.03)


def lose(options, model):
    """Buffers far too small: what finds none must be told."""
    server = Server(options, model, ["--disable-cuda-graph"], {"SGLANG_PROFILE_DEVICE_BUFFER_BYTES": "4096", "SGLANG_PROFILE_DEVICE_MAX_BYTES": "8192"})
    try:
        server.begin_load(400)
        server.post("/start_profile", {"output_dir": os.path.join(options.work, "loss"), "num_steps": 50, "profile_id": "loss"})
        trace = read(server.last()["files"][0])
        server.end_load()
        loss, number = trace["sglang"]["loss"], len(kernels_of(trace))
        if "device_records_dropped" in loss:
            row("buffers of 8 KiB: reported", ", ".join(f"{k} {v}" for k, v in loss.items() if v) + f"; {number} kernels kept", "some", loss["device_records_dropped"] > 0)
    finally:
        server.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sglang")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--stacks", action="store_true", help="record call stacks too; the figures of PyTorch that these are compared with are without")
    parser.add_argument("--keep", help="folder for the traces of graph mode")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as options.work:
        models = []
        for layers in (options.layers, min(options.layers, 4)):
            folder = os.path.join(options.work, f"model-{layers}")
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, "config.json"), "w") as file:
                small = {} if options.hidden == 4096 else {"hidden_size": options.hidden, "intermediate_size": 2 * options.hidden, "num_attention_heads": 8,
                                                          "num_key_value_heads": 2, "vocab_size": 128256}
                json.dump({**CONFIG, **small, "num_hidden_layers": layers}, file)
            models.append(folder)
        graph = measure(options, models[0], "graph")
        eager = measure(options, models[0], "eager")
        compare(options, graph, eager)
        lose(options, models[1])
        if options.keep:
            os.makedirs(options.keep, exist_ok=True)
            for name in ("stop-10", "layers"):
                shutil.copy(os.path.join(options.work, "graph", f"{name}-TP-0.trace.json.gz"), os.path.join(options.keep, f"graph-{name}-TP-0.trace.json.gz"))
            shutil.copy(os.path.join(options.work, "eager", "layers-TP-0.trace.json.gz"), os.path.join(options.keep, "eager-layers-TP-0.trace.json.gz"))
    print("\n| | measured | limit |\n| --- | --- | --- |\n" + "\n".join(rows))
    if failed:
        print("\npast their limits: " + "; ".join(failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
