#!/usr/bin/env bash
# The published executable, away from the checkout and without .NET on its path, serves a completion and stops cleanly.
set -euo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/out/publish
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
cp -r "$source_dir" "$work/sglang"
port=$((20000 + RANDOM % 20000))
env -i PATH=/usr/bin:/bin HOME="$work" "$work/sglang/sglang" launch-server --port "$port" --device cpu >"$work/log" 2>&1 &
server=$!
for _ in $(seq 1 300); do
  curl -sf "http://127.0.0.1:$port/health" >/dev/null && break
  kill -0 "$server" 2>/dev/null || { cat "$work/log"; echo "the published server ended early"; exit 1; }
  sleep 0.1
done
answer=$(curl -sS "http://127.0.0.1:$port/generate" -H 'Content-Type: application/json' \
  -d '{"text": "In the beginning", "sampling_params": {"temperature": 0, "max_new_tokens": 8}}')
echo "$answer"
[[ "$answer" == *'"completion_tokens":8'* ]] || { cat "$work/log"; echo "unexpected answer"; exit 1; }
kill -TERM "$server"
wait "$server"
