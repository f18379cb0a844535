#!/usr/bin/env bash
# Builds the native library with its CUDA part and tests it on this machine's GPU; called by `./build.sh gpu-test`. Ends with a
# table and fails if a row of it did.
#
#   GTEST_PREFIX    where GoogleTest is installed, if CMake does not find it by itself
#   SGL_PUBLISH     folder with a published `sglang` (./build.sh publish): golden, engine, loss, parity, tools and profile run through it
#   SGL_GPU_STEPS   which of: suites memcheck racecheck golden engine loss parity bench tools profile (all but the last three if unset);
#                   engine runs whole programs, graphs replayed and eager, under compute-sanitizer; parity needs transformers; bench runs
#                   the kernels' benchmarks, tools the benchmark commands (bench.sh), profile the profiler (profile.py)
#   SGL_GPU_SUITES  test suites, all if unset
#   SGL_SANITIZER_SECONDS   limit of one suite under compute-sanitizer; a suite that reaches it is reported as such
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
steps=" ${SGL_GPU_STEPS:-suites memcheck racecheck golden engine loss parity} "
limit=${SGL_SANITIZER_SECONDS:-600}
build=out/native/gpu
logs=out/gpu-logs
mkdir -p "$logs"
table=() failed=0

row() { # outcome, step, seconds, remark
  table+=("$(printf '%-8s %-28s %6s s  %s' "$1" "$2" "$3" "${4:-}")")
  [ "$1" = FAILED ] && failed=1
}
print_table() {
  printf '\n%s\n' "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null || echo 'no nvidia-smi')"
  printf '%s\n' "${table[@]}"
}
timed() { # step, log, command...
  local step=$1 log=$logs/$2.log started=$SECONDS status
  shift 2
  "$@" >"$log" 2>&1
  status=$?
  case $status in
    0) row passed "$step" $((SECONDS - started)) ;;
    77) row skipped "$step" $((SECONDS - started)) "$(grep -m1 skipped "$log")" ;;
    124) row FAILED "$step" $((SECONDS - started)) "reached its limit of $limit s" ;;
    *)
      row FAILED "$step" $((SECONDS - started)) "status $status, $log"
      grep -E 'FAILED|Failure|[Ee]rror|off; worst|=========' "$log" | head -n 40
      ;;
  esac
  return $status
}

build() {
  cmake -S . -B "$build" ${CMAKE_GENERATOR:+-G "$CMAKE_GENERATOR"} -DSGL_CUDA=ON -DCMAKE_BUILD_TYPE=Release \
    ${GTEST_PREFIX:+-DCMAKE_PREFIX_PATH="$GTEST_PREFIX"} &&
    cmake --build "$build" --parallel "$(nproc)"
}
command -v ninja >/dev/null 2>&1 && export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}"
if ! timed build build build; then
  tail -n 60 "$logs/build.log"
  print_table
  exit 1
fi

all_suites="norm activation rope embedding quant sampling kvcache linear moe attention cuda_runtime peer_kernels comm"
read -r -a suites <<<"${SGL_GPU_SUITES:-$all_suites}"
export SGL_TEST_DEVICE=cuda
if [[ $steps == *" suites "* ]]; then
  timed cuda_selection cuda_selection "$build/bin/test_cuda_selection" --gtest_brief=1
  for suite in "${suites[@]}"; do timed "$suite.cuda" "$suite" timeout "$limit" "$build/bin/test_$suite" --gtest_brief=1; done
fi

sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
sanitize() { # tool, suite
  [[ " ${suites[*]} " == *" $2 "* ]] || return 0
  timed "$1 $2" "$1-$2" timeout "$limit" "$sanitizer" --tool "$1" --error-exitcode 1 "$build/bin/test_$2" --gtest_brief=1
}
# Tests whose failing calls are meant run without the sanitizer.
if [[ $steps == *" memcheck "* ]]; then
  for suite in norm activation rope embedding quant sampling kvcache linear moe attention peer_kernels; do sanitize memcheck "$suite"; done
fi
# Kernels with shared memory or barriers.
if [[ $steps == *" racecheck "* ]]; then
  for tool in racecheck synccheck; do
    for suite in norm sampling linear moe attention; do sanitize "$tool" "$suite"; done
  done
fi

# A published program, with this build's libraries.
published() { # step
  if [ -x "${SGL_PUBLISH:-}/sglang" ]; then
    cp "$build"/lib/libsgl.so "$build"/lib/libsgl_cuda.so "$SGL_PUBLISH/"
  else
    row skipped "$1" 0 "no published sglang (SGL_PUBLISH)"
    return 1
  fi
}
if [[ $steps == *" golden "* ]] && published golden; then
  timed golden golden timeout "$limit" python3 tests/gpu/golden.py "$SGL_PUBLISH/sglang"
  grep -E "^(passed|FAILED)" "$logs/golden.log"
  timed "golden, eager" golden-eager timeout "$limit" python3 tests/gpu/golden.py "$SGL_PUBLISH/sglang" cuda --disable-cuda-graph
  grep -E "^(passed|FAILED)" "$logs/golden-eager.log"
fi

# One batch, padded to a captured size and eager; then the engine with its scheduler and a sampler that uses everything.
sanitize_engine() { # tool
  local options=(--skip-tokenizer-init --device cuda --max-total-tokens 2048 --result-filename "")
  for model in llama qwen3-moe; do
    local run=("$SGL_PUBLISH/sglang" bench-one-batch --model-path "tests/data/models/$model" --dtype bfloat16 --batch-size 4 --input-len 40
      --output-len 4 "${options[@]}")
    # No CUPTI beside the sanitizer.
    timed "$1 $model, graphs" "$1-$model-graphs" env SGL_CUPTI_LIBRARY=none timeout "$limit" "$sanitizer" --tool "$1" --error-exitcode 1 \
      "${run[@]}" --cuda-graph-bs 4
    timed "$1 $model, eager" "$1-$model-eager" env SGL_CUPTI_LIBRARY=none timeout "$limit" "$sanitizer" --tool "$1" --error-exitcode 1 \
      "${run[@]}" --disable-cuda-graph
  done
  timed "$1 engine" "$1-engine" env SGL_CUPTI_LIBRARY=none timeout "$limit" "$sanitizer" --tool "$1" --error-exitcode 1 \
    "$SGL_PUBLISH/sglang" bench-offline-throughput --model-path tests/data/models/llama --dataset-name random-ids --num-prompts 5 \
    --random-input-len 70 --random-output-len 6 --skip-warmup --chunked-prefill-size 64 --cuda-graph-bs 2 4 8 --return-logprob "${options[@]}" \
    --extra-request-body '{"temperature":0.8,"top_p":0.9,"top_k":50,"min_p":0.01,"repetition_penalty":1.1,"frequency_penalty":0.1}'
}
if [[ $steps == *" engine "* ]] && published engine; then
  for tool in memcheck racecheck synccheck; do sanitize_engine "$tool"; done
fi

if [[ $steps == *" loss "* ]] && published loss; then
  timed "loss of the context" loss timeout "$limit" python3 tests/gpu/loss.py "$SGL_PUBLISH/sglang" "$build/lib/liblose_context.so"
  cat "$logs/loss.log"
fi

if [[ $steps == *" parity "* ]] && published parity; then
  if python3 -c "import transformers" 2>/dev/null; then
    timed parity parity timeout 1800 python3 tests/gpu/parity.py "$SGL_PUBLISH/sglang"
    cat "$logs/parity.log"
  else
    row skipped parity 0 "no transformers"
  fi
fi

if [[ $steps == *" bench "* ]]; then
  for bench in "$build"/bin/cuda_*_bench; do
    name=$(basename "$bench")
    timed "$name" "$name" "$bench"
    cat "$logs/$name.log"
  done
fi

if [[ $steps == *" tools "* ]]; then
  if [ -x "${SGL_PUBLISH:-}/sglang" ]; then
    cp "$build"/lib/libsgl*.so "$SGL_PUBLISH/"
    timed tools tools timeout 600 tests/gpu/bench.sh "$SGL_PUBLISH/sglang" "${SGL_BENCH_OUT:-out/gpu-bench}"
    cat "$logs/tools.log"
  else
    row skipped tools 0 "no published sglang (SGL_PUBLISH)"
  fi
fi

if [[ $steps == *" profile "* ]]; then
  if [ -x "${SGL_PUBLISH:-}/sglang" ]; then
    cp "$build"/lib/libsgl*.so "$SGL_PUBLISH/"
    timed profile profile timeout 600 python3 tests/gpu/profile.py "$SGL_PUBLISH/sglang"
    grep "^|" "$logs/profile.log"
  else
    row skipped profile 0 "no published sglang (SGL_PUBLISH)"
  fi
fi

print_table
exit $failed
