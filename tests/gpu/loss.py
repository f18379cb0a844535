#!/usr/bin/env python3
"""A published `sglang` whose CUDA context is lost while it serves: every request must end with an error, and the process too.

usage: loss.py PATH/TO/sglang PATH/TO/liblose_context.so
"""

import concurrent.futures
import os
import sys
import tempfile
import time

from serving import ROOT, Server

REQUESTS = 6
PATIENCE = 60


def stream(server, decoding):
    """The whole answer of a stream; counts it in `decoding` once it has begun."""
    body = {"text": "a", "stream": True, "sampling_params": {"max_new_tokens": 2000, "temperature": 0, "ignore_eos": True}}
    with server.open("/generate", body, PATIENCE) as response:
        text = response.readline()
        decoding.append(1)
        return (text + response.read()).decode()


def main():
    sglang, library = sys.argv[1], os.path.abspath(sys.argv[2])
    trigger = os.path.join(tempfile.mkdtemp(), "lost")
    server = Server(sglang, "--model-path", os.path.join(ROOT, "models/demo"), "--device", "cuda", "--max-total-tokens", 20000,
                    "--max-running-requests", 4, environment={"CUDA_INJECTION64_PATH": library, "SGL_LOSE_DEVICE": trigger})
    with server, concurrent.futures.ThreadPoolExecutor(REQUESTS) as pool:
        decoding = []
        answers = [pool.submit(stream, server, decoding) for _ in range(REQUESTS)]
        while len(decoding) < 4 and not any(answer.done() for answer in answers):
            time.sleep(0.01)
        started = time.monotonic()
        with open(trigger, "w"):
            pass
        wrong = []
        for i, answer in enumerate(answers):
            text = answer.result(PATIENCE)
            if "cudaError" not in text or '"type":"length"' in text:
                wrong.append(f"request {i} ended with {text[-300:]!r}")
        answered = time.monotonic() - started
        code = server.process.wait(PATIENCE)
    output = server.output()
    if code != 1:
        wrong.append(f"the exit code is {code}, expected 1")
    if "The device is lost" not in output:
        wrong.append("the log does not say that the device is lost")
    print(f"{'FAILED' if wrong else 'passed'} {REQUESTS} requests ended {answered:.2f} s after the loss, the process with {code}")
    for line in wrong:
        print("   ", line)
    if wrong:
        print(output[-3000:])
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
