#!/usr/bin/env python3
"""Logits of a published `sglang` beside those of transformers, on one GPU, for real shapes with random weights.

usage: parity.py PATH/TO/sglang [--shapes llama-8b qwen3-30b-a3b] [--layers N] [--folder DIR] [--device cuda]

transformers makes a checkpoint and saves it; `sglang bench-one-batch --correctness-test` computes prompts of several lengths and 64
decode steps in bfloat16, the prefill whole and in two chunks, the decode steps replayed from graphs and eager, and stores every step's
logits. transformers then computes the very tokens that were drawn, and each step's logits are compared over the whole vocabulary: by
their cosine, with transformers in bfloat16 and in float32 (the same weights). `passed`: the lowest cosine of a row is above 0.999. Random
weights of deviation 0.02 let rounding grow from layer to layer, so that at some depth transformers' own bfloat16 is further than that
from its float32; then `rounding` says that ours is nearer to float32 than transformers' bfloat16 is, and no worse to be told apart from
it than the two roundings together explain. Anything else is `FAILED`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time

import torch
import transformers
from safetensors.torch import load_file

LEAST_COSINE = 0.999
DECODE_STEPS = 64
# Of the first chunk; no multiple of a page.
CHUNK = 33
PROMPT_LENGTHS = (1030, 257, 64, 40)
CONTEXT_LENGTH = 2048

SHAPES = {
    # Llama-3.1-8B
    "llama-8b": (transformers.LlamaConfig, 32, dict(
        vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_attention_heads=32, num_key_value_heads=8, head_dim=128,
        rms_norm_eps=1e-5, max_position_embeddings=131072,
        rope_parameters=dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                             original_max_position_embeddings=8192))),
    # Qwen3-30B-A3B; 12 of its 48 layers: twice 57 GB do not fit beside each other, and float32 takes as much again.
    "qwen3-30b-a3b": (transformers.Qwen3MoeConfig, 12, dict(
        vocab_size=151936, hidden_size=2048, intermediate_size=6144, moe_intermediate_size=768, num_attention_heads=32,
        num_key_value_heads=4, head_dim=128, num_experts=128, num_experts_per_tok=8, norm_topk_prob=True, rms_norm_eps=1e-6,
        max_position_embeddings=40960, rope_parameters=dict(rope_type="default", rope_theta=1000000.0))),
}


def make(config_type, layers, sizes, folder, device):
    """A random model, saved. Weights are normal with transformers' deviation of 0.02, but for routers, whose deviation of 0.1 makes
    the last experts chosen weigh little, as in trained models: where two scores are within rounding, either choice is right."""
    torch.manual_seed(1)
    config = config_type(num_hidden_layers=layers, tie_word_embeddings=False, dtype="bfloat16", **sizes)
    with torch.device(device):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("mlp.gate.weight"):
                weight.normal_(0, 0.1)
    model.save_pretrained(folder)
    return model


def run(sglang, device, folder, prompts, chunk, is_eager):
    """The stored logits of one run."""
    # A file of its own: what is loaded stays mapped.
    path, ids = os.path.join(folder, f"logits-{chunk}-{is_eager}.safetensors"), os.path.join(folder, "prompts.txt")
    with open(ids, "w") as file:
        file.writelines(" ".join(map(str, prompt)) + "\n" for prompt in prompts)
    command = [sglang, "bench-one-batch", "--correctness-test", "--skip-tokenizer-init", "--model-path", folder, "--device", device,
               "--dtype", "bfloat16", "--context-length", CONTEXT_LENGTH, "--max-total-tokens", len(prompts) * CONTEXT_LENGTH,
               "--prompt-filename", ids, "--batch-size", len(prompts), "--output-len", DECODE_STEPS + 1, "--cut-len", chunk,
               "--save-logits", path, "--disable-cuda-graph" if is_eager else f"--cuda-graph-bs={len(prompts)}"]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\nended with {result.returncode}:\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}")
    if device == "cuda" and ("Capturing CUDA graphs" in result.stderr) == is_eager:
        raise SystemExit(f"graphs were {'captured' if is_eager else 'not captured'}:\n{result.stderr[-2000:]}")
    return load_file(path)


@torch.no_grad()
def reference(model, prompt, drawn):
    """Logits [tokens, vocabulary] after each token of a prompt and of what was drawn, but the last."""
    tokens = torch.tensor([[*prompt, *drawn[:-1]]], device=model.device)
    return model(tokens, use_cache=False).logits[0]


def verdict(low, high, own):
    """Of the lowest cosines with transformers in bfloat16 and in float32, and of its bfloat16 with its float32."""
    if min(low, high) > LEAST_COSINE:
        return "passed"
    # Independent errors add up: 1 - cosine of two roundings is the sum of each one's with the exact result.
    return "rounding" if high >= own and 1 - low <= (1 - high) + (1 - own) else "FAILED"


def cosines(model, prompts, runs):
    """Per run, the cosines of its prefill positions and of its decode steps with what the model makes of the same tokens."""
    found = {}
    for key, got in runs.items():
        prefill, decode = [], []
        for row, prompt in enumerate(prompts):
            logits = reference(model, prompt, got["output_ids"][row].tolist())
            expected = logits[len(prompt) - 1:].double()
            ours = got["logits"][:, row].to(expected.device).double()
            of_step = torch.nn.functional.cosine_similarity(ours, expected, dim=-1).tolist()
            prefill.append(of_step[0])
            decode += of_step[1:]
            if "first" in got:
                first = got["first"][row].to(expected.device).double()
                prefill.append(torch.nn.functional.cosine_similarity(first, logits[CHUNK - 1].double(), dim=-1).item())
        found[key] = (prefill, decode)
    return found


def compare(name, options):
    """The rows of the table for one shape."""
    config_type, layers, sizes = SHAPES[name]
    layers = options.layers or layers
    folder = os.path.join(options.folder, name)
    started = time.monotonic()
    model = make(config_type, layers, sizes, folder, options.device)
    saved = time.monotonic()
    generator = torch.Generator().manual_seed(2)
    prompts = [torch.randint(sizes["vocab_size"], (length,), generator=generator).tolist() for length in PROMPT_LENGTHS]
    runs = {(chunk, is_eager): run(options.sglang, options.device, folder, prompts, chunk, is_eager)
            for chunk in (0, CHUNK) for is_eager in (False, True)}
    shutil.rmtree(folder)
    served = time.monotonic()
    low = cosines(model, prompts, runs)
    # What rounding alone does: transformers' own bfloat16 beside its float32.
    tokens = [(prompt, next(iter(runs.values()))["output_ids"][row].tolist()) for row, prompt in enumerate(prompts)]
    own = [reference(model, *pair)[len(pair[0]) - 1:].cpu() for pair in tokens]
    model.float()
    high = cosines(model, prompts, runs)
    own_cosine = min(torch.nn.functional.cosine_similarity(bf16.double(), reference(model, *pair)[len(pair[0]) - 1:].cpu().double(), dim=-1).min().item()
                     for bf16, pair in zip(own, tokens))
    print(f"{name}: {layers} layers; model {saved - started:.0f} s, sglang {served - saved:.0f} s, transformers {time.monotonic() - served:.0f} s; "
          f"transformers' bfloat16 beside its float32: lowest cosine {own_cosine:.5f}", flush=True)
    return [(name, layers, chunk, is_eager, low[chunk, is_eager], high[chunk, is_eager], own_cosine) for chunk, is_eager in runs]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sglang")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--layers", type=int)
    parser.add_argument("--folder", default="/dev/shm/sgl-parity", help="where checkpoints are written, up to 20 GB each")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    rows = []
    for name in options.shapes:
        rows += compare(name, options)
        if options.device == "cuda":
            torch.cuda.empty_cache()
    print(f"\n{torch.cuda.get_device_name() if options.device == 'cuda' else options.device}, transformers {transformers.__version__}, torch {torch.__version__}; lowest cosine over the vocabulary, "
          f"{len(PROMPT_LENGTHS)} prompts of {min(PROMPT_LENGTHS)} to {max(PROMPT_LENGTHS)} tokens, {DECODE_STEPS} decode steps each")
    print(f"{'':8} {'shape':14} {'layers':>6} {'prefill':>10} {'decode':>7} | {'bf16 prefill':>12} {'decode':>8} | {'f32 prefill':>11} {'decode':>8}")
    is_good = True
    for name, layers, chunk, is_eager, low, high, own in rows:
        lowest = [min(values) for values in (*low, *high)]
        outcome = verdict(min(lowest[:2]), min(lowest[2:]), own)
        is_good &= outcome != "FAILED"
        print(f"{outcome:8} {name:14} {layers:6} {f'{chunk} + rest' if chunk else 'whole':>10} {'eager' if is_eager else 'graph':>7} | "
              f"{lowest[0]:12.5f} {lowest[1]:8.5f} | {lowest[2]:11.5f} {lowest[3]:8.5f}")
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
