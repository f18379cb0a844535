#!/usr/bin/env bash
# Builds, tests and runs SgLang. `./build.sh help` lists the verbs.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$root"

usage() {
  cat <<'EOF'
usage: ./build.sh [verb] [arguments]
  build      native library and managed code; leaves out/bin/sglang (the default)
  serve      build, then `sglang launch-server` with the arguments given
  test       build and run every test, native and managed
  bench      build, then run native/bench; arguments pick programs, e.g. linear_bench
  publish    NativeAOT: leaves out/publish/sglang, which needs no .NET
  bindings   write the C# bindings from native/include/sgl (`bindings --verify` only compares)
  gpu-test   build and test on a machine with an NVIDIA GPU (tests/gpu/run.sh)
EOF
}

# need COMMAND PACKAGE...: collects what is missing, so that one message names everything.
missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
need_file() { local pattern; for pattern in $1; do [ -e "$pattern" ] && return; done; missing+=("$2"); }
check_missing() {
  [ ${#missing[@]} -eq 0 ] && return
  echo "build.sh: missing on this machine; on Debian: apt-get install ${missing[*]}" >&2
  exit 2
}
check_dotnet() {
  if ! command -v dotnet >/dev/null 2>&1 || ! dotnet --list-sdks | grep -q '^1[0-9]\.'; then
    echo "build.sh: the .NET 10 SDK (or newer) is missing; see https://dot.net (package dotnet-sdk-10.0 of Microsoft's Debian repository)" >&2
    exit 2
  fi
}
command -v ninja >/dev/null 2>&1 && export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

jobs=$(nproc)

build_native() { # preset, further cache entries
  local preset=$1
  shift
  cmake --preset "$preset" "$@" >"out/cmake-$preset.log" 2>&1 || { cat "out/cmake-$preset.log" >&2; exit 1; }
  grep -- '--   ' "out/cmake-$preset.log" || true
  cmake --build --preset "$preset" --parallel "$jobs"
}

build() {
  need g++ g++
  need cmake cmake
  check_missing
  check_dotnet
  mkdir -p out
  build_native release -DSGL_BUILD_TESTS=OFF -DSGL_BUILD_BENCH=OFF
  dotnet publish managed/SgLang.Cli -c Release -o out/bin --nologo -v quiet
}

publish() {
  need g++ g++
  need cmake cmake
  need_file "/usr/include/zlib.h /usr/local/include/zlib.h" zlib1g-dev
  check_missing
  check_dotnet
  mkdir -p out
  build_native release -DSGL_BUILD_TESTS=OFF -DSGL_BUILD_BENCH=OFF
  dotnet publish managed/SgLang.Cli -c Release -r linux-x64 -p:PublishAot=true -o out/publish --nologo -v quiet
  mkdir -p out/publish/models
  cp -r models/demo out/publish/models/
}

bindings() {
  check_dotnet
  dotnet run --project bindings-gen/SgLang.BindingsGen -c Release -- --root "$root" "$@"
}

verb=${1:-build}
[ $# -gt 0 ] && shift
case "$verb" in
  build) build ;;
  serve)
    build
    exec out/bin/sglang launch-server "$@"
    ;;
  test)
    need g++ g++
    need cmake cmake
    need_file "/usr/include/gtest/gtest.h /usr/local/include/gtest/gtest.h" libgtest-dev
    need_file "/usr/bin/clang /usr/bin/clang-[0-9]* /usr/local/bin/clang" clang
    need_file "/usr/include/zlib.h /usr/local/include/zlib.h" zlib1g-dev
    check_missing
    check_dotnet
    exec tests/run.sh "$@"
    ;;
  bench)
    need g++ g++
    need cmake cmake
    check_missing
    mkdir -p out
    build_native release -DSGL_BUILD_TESTS=OFF -DSGL_BUILD_BENCH=ON
    for bench in out/native/release/bin/*_bench; do
      name=$(basename "$bench")
      if [ $# -eq 0 ] || [[ " $* " == *" $name "* ]]; then echo "== $name"; "$bench"; fi
    done
    ;;
  publish) publish ;;
  bindings) bindings "$@" ;;
  gpu-test) exec tests/gpu/run.sh "$@" ;;
  help | -h | --help) usage ;;
  *)
    echo "build.sh: unknown verb '$verb'" >&2
    usage >&2
    exit 2
    ;;
esac
