#!/usr/bin/env bash
# The benchmark tools on one device with the Llama-3.1-8B shape and dummy weights: one batch, offline throughput, serving under rates.
# Leaves result lines in a folder and prints short tables. About four minutes on an H100.
#
# usage: bench.sh PATH/TO/sglang [FOLDER]        FOLDER: out/gpu-bench
#
#   SGL_BENCH_DEVICE    cuda
#   SGL_BENCH_MODEL     folder with a config.json; default: the 8B shape
#   SGL_BENCH_BATCHES   "1 8 32 64 128 256"
#   SGL_BENCH_PROMPTS   of the offline run, 512
#   SGL_BENCH_RATES     "1 2 4 8 16 32 inf"
#   SGL_BENCH_SECONDS   of load at each rate, 12; at inf as many requests as at the rate before
#   SGL_BENCH_LENGTHS   input and output of a request under rates, "1024 128"
#   SGL_BENCH_CONTEXT   of the one-batch run, 4096
#   SGL_BENCH_FLAGS     further flags of the engine
set -euo pipefail
sglang=$(realpath "$1")
out=${2:-$(dirname "${BASH_SOURCE[0]}")/../../out/gpu-bench}
mkdir -p "$out"
out=$(realpath "$out")
device=${SGL_BENCH_DEVICE:-cuda}
read -r -a batches <<<"${SGL_BENCH_BATCHES:-1 8 32 64 128 256}"
read -r -a rates <<<"${SGL_BENCH_RATES:-1 2 4 8 16 32 inf}"
read -r -a lengths <<<"${SGL_BENCH_LENGTHS:-1024 128}"
read -r -a flags <<<"${SGL_BENCH_FLAGS:-}"
seconds=${SGL_BENCH_SECONDS:-12}
model=${SGL_BENCH_MODEL:-}
if [ -z "$model" ]; then
  model=$out/llama-3.1-8b
  mkdir -p "$model"
  cat >"$model/config.json" <<'EOF'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 4096, "intermediate_size": 14336,
 "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072,
 "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "hidden_act": "silu", "tie_word_embeddings": false, "bos_token_id": 128000, "eos_token_id": 128001,
 "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}}
EOF
fi
engine=(--model-path "$model" --load-format dummy --skip-tokenizer-init --device "$device" "${flags[@]}")
# Half a result of an earlier run would be taken for one of this.
rm -f "$out"/{one-batch,offline,serving}.jsonl

step() { printf '\n== %s (%s s so far)\n' "$1" "$SECONDS"; }

step "bench-one-batch 1024/64"
"$sglang" bench-one-batch "${engine[@]}" --context-length "${SGL_BENCH_CONTEXT:-4096}" --batch "${batches[@]}" --input-len 1024 --output-len 64 \
  --result-filename "$out/one-batch.jsonl" >"$out/one-batch.log" 2>&1 || { tail -n 20 "$out/one-batch.log"; exit 1; }

step "bench-offline-throughput 1000/1000"
"$sglang" bench-offline-throughput "${engine[@]}" --dataset-name random-ids --random-range-ratio 1 --random-input-len 1000 --random-output-len 1000 \
  --num-prompts "${SGL_BENCH_PROMPTS:-512}" --result-filename "$out/offline.jsonl" >"$out/offline.log" 2>&1 || { tail -n 20 "$out/offline.log"; exit 1; }

step "launch-server, bench-serving ${lengths[0]}/${lengths[1]}"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$sglang" launch-server "${engine[@]}" --port "$port" >"$out/server.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true' EXIT
requests=1
for rate in "${rates[@]}"; do
  kill -0 "$server" 2>/dev/null || { tail -n 20 "$out/server.log"; exit 1; }
  [ "$rate" = inf ] || requests=$(python3 -c "import sys; print(max(10, round(float(sys.argv[1]) * float(sys.argv[2]))))" "$rate" "$seconds")
  "$sglang" bench-serving --backend sglang --port "$port" --ready-check-timeout-sec 180 --dataset-name random-ids --random-range-ratio 1 \
    --random-input-len "${lengths[0]}" --random-output-len "${lengths[1]}" --num-prompts "$requests" --request-rate "$rate" --flush-cache --fail-on-error \
    --disable-tqdm --output-file "$out/serving.jsonl" >>"$out/serving.log" 2>&1 || { tail -n 20 "$out/serving.log"; exit 1; }
done
step "done"

python3 - "$out" <<'EOF'
import json, os, sys

def lines(name):
    with open(os.path.join(sys.argv[1], name)) as file:
        return [json.loads(line) for line in file]

def show(value, scale=1.0, digits=2):
    return "n/a" if value is None else f"{value * scale:.{digits}f}"

def table(head, rows):
    print("\n| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")

one, offline, serving = lines("one-batch.jsonl"), lines("offline.jsonl"), lines("serving.jsonl")
print(f"{one[0]['device']}, {one[0]['time']}")
table(["batch", "prefill tok/s", "prefill TFLOP/s", "decode ms", "on the device", "p99", "decode tok/s", "GB/s"],
      [[str(r["batch_size"]), show(r["prefill_throughput"], digits=0), show(r["prefill_flops_per_second"], 1e-12, 0), show(r["median_decode_latency"], 1e3),
        show(r["median_decode_device_latency"], 1e3), show(r["p99_decode_latency"], 1e3), show(r["median_decode_throughput"], digits=0),
        show(r["decode_bytes_per_second"], 1e-9, 0)] for r in one])
print("\npeak device memory, GiB: " + show(one[-1]["peak_device_memory_bytes"], 2**-30, 1))
table(["offline prompts", "s", "input tok/s", "output tok/s", "total tok/s", "failed"],
      [[str(r["successful_requests"]), show(r["total_latency"]), show(r["input_throughput"], digits=0), show(r["output_throughput"], digits=0),
        show(r["total_throughput"], digits=0), str(r["failed_requests"])] for r in offline])
table(["rate", "requests", "req/s", "output tok/s", "TTFT ms p50", "p99", "TPOT ms p50", "p99", "E2E ms p50", "p99", "most open", "client cores"],
      [[str(r["request_rate"]), str(r["completed"]), show(r["request_throughput"]), show(r["output_throughput"], digits=0), show(r["median_ttft_ms"], digits=1),
        show(r["p99_ttft_ms"], digits=1), show(r["median_tpot_ms"]), show(r["p99_tpot_ms"]), show(r["median_e2e_latency_ms"], digits=0),
        show(r["p99_e2e_latency_ms"], digits=0), str(r["max_concurrent_requests"]), show(r["client_cpu_s"] / r["duration"])] for r in serving])
EOF
