#!/usr/bin/env python3
"""What a decode step of a published `sglang` costs the host, and how much of the time the GPU's kernels fill.

usage: decode_steps.py PATH/TO/sglang [--shape llama-8b|qwen3-30b-a3b] [--batch 256] [--input-len 128] [--steps 1000] [--stream]

Serves the shape with dummy weights and gives it the same batch twice. The server's own profiler records the decode steps: first the spans
of the host's threads alone, then kernels through CUPTI, which makes launches slower. Printed, over all recorded steps:

  step      time from one step's launch to the next's
  engine    time of the engine's thread in a step, waiting for the rank left out: messages, planning, launching, delivering
  rank      time of the rank's thread in a step: preparing inputs, launching the graph, sampling, queueing the copy of the result
  span      the spans of these two threads by name: those inside another count in both
  fill      the union of all kernels' times, of the time from the first kernel's start to the last one's end
  kernels   the largest by their time in a step
"""

import argparse
import bisect
import collections
import glob
import gzip
import json
import os
import random
import statistics
import tempfile
import time

from serving import Server

SHAPES = {
    "llama-8b": dict(
        architectures=["LlamaForCausalLM"], model_type="llama", vocab_size=128256, hidden_size=4096, intermediate_size=14336,
        num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8, head_dim=128, rms_norm_eps=1e-5,
        max_position_embeddings=131072, rope_theta=500000.0),
    "qwen3-30b-a3b": dict(
        architectures=["Qwen3MoeForCausalLM"], model_type="qwen3_moe", vocab_size=151936, hidden_size=2048, intermediate_size=6144,
        moe_intermediate_size=768, num_hidden_layers=48, num_attention_heads=32, num_key_value_heads=4, head_dim=128, num_experts=128,
        num_experts_per_tok=8, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[], rms_norm_eps=1e-6,
        max_position_embeddings=40960, rope_theta=1000000.0),
}
COMMON = dict(tie_word_embeddings=False, attention_bias=False, hidden_act="silu", torch_dtype="bfloat16", bos_token_id=1, eos_token_id=2)

ENGINE = ("scheduler.recv_requests", "scheduler.get_next_batch_to_run", "scheduler.run_batch", "scheduler.process_batch_result")
WAIT = "scheduler.wait_for_ranks"


def record(options, folder):
    """The spans of the batch's decode steps: of the host, then of the device if there is one."""
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump({**SHAPES[options.shape], **COMMON}, file)
    rng = random.Random(1)
    prompts = [[rng.randrange(min(10000, SHAPES[options.shape]["vocab_size"])) for _ in range(options.input_len)] for _ in range(options.batch)]
    # The first step after the prefill and the last of all are not steady.
    output = options.steps + 16
    with Server(options.sglang, "--model-path", folder, "--load-format", "dummy", "--skip-tokenizer-init", "--device", options.device,
                "--context-length", options.input_len + output + 64, "--max-running-requests", options.batch,
                "--cuda-graph-bs", options.batch, patience=300) as server:
        body = {"input_ids": prompts, "stream": options.stream, "sampling_params": {"temperature": 0, "max_new_tokens": output, "ignore_eos": True}}

        traces = []
        for activity in ("CPU", "GPU"):
            if activity == "GPU" and (options.device == "cpu" or options.host_only):
                break
            server.ask("/start_profile", {"output_dir": folder, "num_steps": options.steps, "profile_by_stage": True, "profile_id": activity,
                                          "activities": [activity], "profile_stages": ["decode"], "condition": {"min_batch_size": options.batch}})
            with server.open("/generate", body, 600) as response:
                while response.read(1 << 20):
                    pass
            end = time.monotonic() + 120
            while (status := server.ask("/profile_status"))["state"] != "idle":
                if time.monotonic() > end:
                    raise SystemExit(f"the profile is not finished: {status}")
                time.sleep(0.2)
            [path] = glob.glob(os.path.join(folder, f"{activity}-*.trace.json.gz"))
            with gzip.open(path) as file:
                traces.append([event for event in json.load(file)["traceEvents"] if event.get("ph") == "X"])
            server.ask("/flush_cache", {})
    return traces


def union(spans):
    """Length of the union of (start, end) pairs, sorted by start."""
    total, until = 0.0, float("-inf")
    for start, end in spans:
        if end > until:
            total += end - max(start, until)
            until = end
    return total


def text(name, values):
    ordered = sorted(values)
    return (f"{name:8} mean {statistics.mean(values):8.1f} us, median {statistics.median(values):8.1f}, "
            f"p99 {ordered[int(0.99 * (len(ordered) - 1))]:8.1f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sglang")
    parser.add_argument("--shape", choices=SHAPES, default="llama-8b")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--input-len", type=int, default=128)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--stream", action="store_true", help="all rows as one stream, an event a token")
    parser.add_argument("--host-only", action="store_true", help="without the kernels")
    parser.add_argument("--device", default="cuda", help="without a GPU there are no kernels to show")
    parser.add_argument("--top", type=int, default=12, help="kernels shown")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spans, *device = record(options, folder)

    engine = collections.defaultdict(float)
    rank, starts, kernels, by_name = [], [], [], collections.defaultdict(list)
    threads = {event["tid"] for event in spans if event["name"] == ENGINE[0] or event["name"].startswith("step[")}
    parts = collections.defaultdict(list)
    for event in spans:
        if event["tid"] in threads and not event["name"].startswith("step["):
            parts[event["name"]].append(event["dur"])
    # A turn of the engine's thread launches one step and takes the result of the one before: it begins with the messages.
    turns = sorted(event["ts"] for event in spans if event["name"] == ENGINE[0])
    for event in spans:
        name, start, duration = event["name"], event["ts"], event["dur"]
        if name in ENGINE or name == WAIT:
            engine[bisect.bisect_right(turns, start) - 1] += -duration if name == WAIT else duration
        elif name.startswith("step[") and event.get("cat") == "user_annotation":
            rank.append(duration)
            starts.append(start)
    for event in device[0] if device else []:
        if event.get("cat") == "kernel":
            kernels.append((event["ts"], event["ts"] + event["dur"]))
            by_name[event["name"]].append(event["dur"])
    # Turns at the ends are recorded in part.
    work = [engine[turn] for turn in range(1, len(turns) - 1)]
    print(f"{options.shape}, batch {options.batch}, input {options.input_len}, {len(rank)} steps{', streamed' if options.stream else ''}")
    starts.sort()
    print(text("step", [later - earlier for earlier, later in zip(starts, starts[1:])]))
    print(text("engine", work))
    print(text("rank", rank))
    print(f"{'host':8} mean {statistics.mean(work) + statistics.mean(rank):8.1f} us, the sum of both")
    for name, times in sorted(parts.items(), key=lambda item: -sum(item[1])):
        print(f"{'span':8} {sum(times) / len(rank):9.1f} us a step, {len(times) / len(rank):6.1f} of {statistics.median(times):7.2f} us  {name}")
    if kernels:
        kernels.sort()
        wall = max(end for _, end in kernels) - kernels[0][0]
        print(f"{'fill':8} {100 * union(kernels) / wall:.2f} % of {wall / 1e6:.3f} s, {wall / len(rank) / 1e3:.3f} ms and {len(kernels) / len(rank):.1f} kernels a step, while recorded")
    for name, times in sorted(by_name.items(), key=lambda item: -sum(item[1]))[:options.top]:
        print(f"{'kernel':8} {sum(times) / len(rank):9.1f} us a step, {len(times) / len(rank):6.1f} of {statistics.median(times):7.2f} us  {name[:90]}")


if __name__ == "__main__":
    main()
