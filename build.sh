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

# need PACKAGE CANDIDATE...: a command on PATH or the path of a file, one of which PACKAGE brings. check_needs then names all
# that is missing at once.
missing=()
need() {
  local package=$1 candidate
  shift
  for candidate in "$@"; do
    case $candidate in
      /*) [ -e "$candidate" ] && return ;;
      *) command -v "$candidate" >/dev/null 2>&1 && return ;;
    esac
  done
  missing+=("$package")
}
need_compiler() { need g++ g++; need cmake cmake; }
need_clang() { need clang clang clang-{19,18,17,16,15,14}; } # the names that bindings-gen looks for
need_gtest() { need libgtest-dev /usr/include/gtest/gtest.h /usr/local/include/gtest/gtest.h; }
need_zlib() { need zlib1g-dev /usr/include/zlib.h /usr/local/include/zlib.h; }
needs_dotnet=false
need_dotnet() { needs_dotnet=true; }
check_needs() {
  local complete=true
  if [ ${#missing[@]} -gt 0 ]; then
    echo "build.sh: missing on this machine; on Debian: apt-get install ${missing[*]}" >&2
    complete=false
  fi
  if $needs_dotnet && ! dotnet --list-sdks 2>/dev/null | grep -q '^1[0-9]\.'; then
    echo "build.sh: the .NET 10 SDK (or newer) is missing; see https://dot.net (package dotnet-sdk-10.0 of Microsoft's Debian repository)" >&2
    complete=false
  fi
  $complete || exit 2
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
  need_compiler
  need_dotnet
  check_needs
  mkdir -p out
  build_native release -DSGL_BUILD_TESTS=OFF -DSGL_BUILD_BENCH=OFF
  dotnet publish managed/SgLang.Cli -c Release -o out/bin --nologo -v quiet
}

publish() {
  need_compiler
  need_zlib
  need_dotnet
  check_needs
  mkdir -p out
  build_native release -DSGL_BUILD_TESTS=OFF -DSGL_BUILD_BENCH=OFF
  dotnet publish managed/SgLang.Cli -c Release -r linux-x64 -p:PublishAot=true -o out/publish --nologo -v quiet
  mkdir -p out/publish/models
  cp -r models/demo out/publish/models/
}

bindings() {
  need_clang
  need_dotnet
  check_needs
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
    need_compiler
    need_gtest
    need_clang
    need_zlib
    need curl curl
    need_dotnet
    check_needs
    exec tests/run.sh "$@"
    ;;
  bench)
    need_compiler
    check_needs
    mkdir -p out
    build_native release -DSGL_BUILD_TESTS=OFF -DSGL_BUILD_BENCH=ON
    benches=(out/native/release/bin/*_bench)
    benches=("${benches[@]##*/}")
    for name in "$@"; do
      [[ " ${benches[*]} " == *" $name "* ]] && continue
      echo "build.sh: no bench '$name'; one of: ${benches[*]}" >&2
      exit 2
    done
    for name in "${benches[@]}"; do
      if [ $# -eq 0 ] || [[ " $* " == *" $name "* ]]; then echo "== $name"; "out/native/release/bin/$name"; fi
    done
    ;;
  publish) publish ;;
  bindings) bindings "$@" ;;
  gpu-test)
    need_compiler
    [ -n "${GTEST_PREFIX:-}" ] || need_gtest
    check_needs
    exec tests/gpu/run.sh "$@"
    ;;
  help | -h | --help) usage ;;
  *)
    echo "build.sh: unknown verb '$verb'" >&2
    usage >&2
    exit 2
    ;;
esac
