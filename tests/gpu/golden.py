#!/usr/bin/env python3
"""Greedy answers of a published `sglang` against the recorded reference of every checkpoint, through the server on one device.

usage: golden.py PATH/TO/sglang [device [flags of launch-server]]

The rules are those of tests/managed/SgLang.Models.Tests/Goldens: an id may differ from the reference only where the reference's
own margin is within rounding; after such a place an answer is not compared any further.
"""

import concurrent.futures
import json
import os
import sys

from serving import ROOT, Server

CHECKPOINTS = [("demo", "models/demo", "tests/data/models-demo")] + [
    (name, f"tests/data/models/{name}", f"tests/data/models/{name}")
    for name in sorted(os.listdir(os.path.join(ROOT, "tests/data/models")))
]
# dtype: margin within which an id may differ, log-probability tolerance (absolute, relative to itself)
TOLERANCES = {"float32": (0.002, 1e-3, 1e-3), "bfloat16": (0.15, 0.15, 0.04)}
# In bfloat16 a router's rounding may send a token to another expert, which is no rounding error any more: of these, ids alone
# are compared there.
ROUTED = {"mixtral", "qwen3-moe"}


def answer(server, case):
    return server.ask(
        "/generate",
        {
            "input_ids": case["input_ids"],
            "sampling_params": {"temperature": 0, "max_new_tokens": len(case["greedy_ids"]), "ignore_eos": True},
            "return_logprob": True,
        },
    )


def compare(case, got, dtype, has_logprobs):
    """Returns (tokens compared, largest log-probability difference); raises ValueError for a difference past the rules."""
    margin, absolute, relative = TOLERANCES[dtype]
    logprobs = [entry[0] for entry in got["meta_info"]["output_token_logprobs"]]
    worst = 0.0
    for i, (id_, expected) in enumerate(zip(got["output_ids"], case["greedy_ids"])):
        if case["greedy_margins"][i] <= margin and (id_ != expected or dtype == "bfloat16"):
            return i, worst
        if id_ != expected:
            raise ValueError(f"token {i} is {id_}, expected {expected} with margin {case['greedy_margins'][i]}")
        difference = abs(logprobs[i] - case["greedy_logprobs"][i])
        worst = max(worst, difference)
        if has_logprobs and difference > absolute + relative * abs(case["greedy_logprobs"][i]):
            raise ValueError(f"log-probability of token {i} is {logprobs[i]}, expected {case['greedy_logprobs'][i]}")
    if len(got["output_ids"]) != len(case["greedy_ids"]):
        raise ValueError(f"{len(got['output_ids'])} tokens, expected {len(case['greedy_ids'])}")
    return len(case["greedy_ids"]), worst


def run(sglang, device, name, model, golden, dtype, flags):
    with Server(sglang, "--model-path", os.path.join(ROOT, model), "--device", device, "--dtype", dtype, "--skip-tokenizer-init",
                "--max-total-tokens", 20000, *flags) as server:
        with open(os.path.join(ROOT, golden, "golden.json")) as file:
            cases = json.load(file)["cases"]
        alone = [answer(server, case) for case in cases]
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            together = list(pool.map(lambda case: answer(server, case), cases * 3))
        tokens, worst, failures = 0, 0.0, []
        for i, got in enumerate(alone + together):
            case = cases[i % len(cases)]
            try:
                compared, difference = compare(case, got, dtype, dtype == "float32" or name not in ROUTED)
                tokens += compared
                worst = max(worst, difference)
            except ValueError as error:
                failures.append(f"case {i % len(cases)}, {'alone' if i < len(cases) else 'in a batch'}: {error}")
        print(f"{'FAILED' if failures else 'passed'} {name:12} {dtype:8} {len(alone) + len(together)} answers, "
              f"{tokens} tokens, worst log-probability difference {worst:.4f}"
              + (f", {len(failures)} answers differ" if failures else ""), flush=True)
        for failure in failures[:3]:
            print("   ", failure)
        return not failures


def main():
    sglang, device, flags = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "cuda", sys.argv[3:]
    is_good = True
    for name, model, golden in CHECKPOINTS:
        for dtype in TOLERANCES:
            try:
                is_good &= run(sglang, device, name, model, golden, dtype, flags)
            except (SystemExit, OSError) as error:
                print(f"FAILED {name:12} {dtype:8} {error}", flush=True)
                is_good = False
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
