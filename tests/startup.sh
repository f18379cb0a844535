#!/usr/bin/env bash
# Seconds from the start of a server of the demo model to its first token, warm-up included: tests/startup.sh [program] [runs]
# On a machine with other work: chrt -f 50 tests/startup.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
program=${1:-out/bin/sglang}
runs=${2:-5}
port=${SGL_STARTUP_PORT:-30999}
body='{"text": "In the beginning", "sampling_params": {"temperature": 0, "max_new_tokens": 1}}'
for ((run = 0; run < runs; run++)); do
  begin=$(date +%s%N)
  "$program" launch-server --model-path models/demo --device cpu --port "$port" --log-level warning >/dev/null 2>&1 &
  server=$!
  # The port opens before the model is warm; a request that comes then is answered like any other.
  until curl -sf "http://127.0.0.1:$port/generate" -H 'Content-Type: application/json' -d "$body" >/dev/null; do
    kill -0 "$server" 2>/dev/null || { echo "startup.sh: $program ended before it answered" >&2; exit 1; }
    sleep 0.005
  done
  end=$(date +%s%N)
  kill "$server"
  wait "$server" || true
  awk -v ns=$((end - begin)) 'BEGIN { printf "%.2f s\n", ns / 1e9 }'
done
