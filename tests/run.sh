#!/usr/bin/env bash
# Builds and runs every test; called by `./build.sh test`. Ends with the line `N passed, N failed, N skipped`.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=$(nproc)
mkdir -p out/test-logs
passed=0 failed=0 skipped=0

step() { printf '\n== %s\n' "$1"; }
fail() { # what failed counts as one failed test, so that the closing line cannot hide it
  failed=$((failed + 1))
  echo "FAILED: $1" >&2
}
sum() { # adds the numbers that a pattern's group matches in a file
  sed -nE "s/$1/\1/p" "$2" | awk '{ total += $1 } END { print total + 0 }'
}

native() { # preset
  step "native tests ($1)"
  cmake --preset "$1" -DSGL_BUILD_TESTS=ON >"out/test-logs/cmake-$1.log" 2>&1 || { cat "out/test-logs/cmake-$1.log"; fail "configuring $1"; return; }
  cmake --build --preset "$1" --parallel "$jobs" >"out/test-logs/build-$1.log" 2>&1 || { tail -n 60 "out/test-logs/build-$1.log"; fail "building $1"; return; }
  ctest --preset "$1" --parallel "$jobs" || fail "ctest $1"
  local log="out/native/$1/Testing/Temporary/LastTest.log"
  passed=$((passed + $(sum '^\[  PASSED  \] ([0-9]+) tests?.*' "$log")))
  failed=$((failed + $(sum '^\[  FAILED  \] ([0-9]+) tests?, listed below.*' "$log")))
  skipped=$((skipped + $(sum '^\[  SKIPPED \] ([0-9]+) tests?, listed below.*' "$log")))
}

managed() { # assembly
  local log="out/test-logs/$1.log"
  dotnet exec "out/artifacts/bin/$1/release/$1.dll" --progress off --no-ansi >"$log" 2>&1
  local status=$? total
  total=$(sum '^ *total: ([0-9]+).*' "$log")
  passed=$((passed + $(sum '^ *succeeded: ([0-9]+).*' "$log")))
  failed=$((failed + $(sum '^ *failed: ([0-9]+).*' "$log")))
  skipped=$((skipped + $(sum '^ *skipped: ([0-9]+).*' "$log")))
  printf '%-40s %s tests\n' "$1" "$total"
  if [ $status -ne 0 ]; then
    cat "$log"
    grep -qE '^ *failed: [1-9]' "$log" || fail "$1 ended with status $status"
  fi
}

native release
native asan

step "bindings match the headers"
./build.sh bindings --verify && passed=$((passed + 1)) || fail "bindings --verify"

step "managed tests"
tests/data/fetch-tokenizers.sh || echo "tokenizer files not fetched: their tests are skipped"
if dotnet build SgLang.sln -c Release --nologo -v quiet; then
  for project in tests/managed/*/*.csproj tests/integration/*/*.csproj; do managed "$(basename "$project" .csproj)"; done
else
  fail "building SgLang.sln"
fi

step "NativeAOT publish"
if ./build.sh publish && tests/publish-smoke.sh; then passed=$((passed + 1)); else fail "NativeAOT publish"; fi

printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
