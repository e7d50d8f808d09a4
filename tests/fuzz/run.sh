#!/bin/sh
# tests/fuzz/run.sh [EXECUTIONS] [FOLDER]: srr-helper's broker under libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer.
# The corpus stays in FOLDER. Says how many executions a second, and what of the code they reached.
set -eu
executions=${1:-200000}
here=$(cd "$(dirname "$0")" && pwd)
native=$here/../../srr/native
out=${2:-$(mktemp -d)}
cc=${CLANG:-clang}
"$cc" --version >/dev/null || { echo "srr: clang is missing. Install it:  apt-get install clang llvm" >&2; exit 1; }
mkdir -p "$out/corpus"
sources=$(for name in admission broker quotas requests tables; do echo "$native/helper/$name.c"; done)
build() {
    # shellcheck disable=SC2086 # lists
    "$cc" -std=gnu11 -g -O1 -fno-omit-frame-pointer -DUSERS=8 -DPROCESSES=64 -DNAMES=32 -DPAIRS=32 -DGATES=16 \
        -I"$native/helper" -I"$native/core" -I"$native/include" "$@" "$here/fuzz_broker.c" "$here/transfer_none.c" $sources
}
build -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o "$out/fuzz"
"$out/fuzz" -runs="$executions" -max_len=512 -len_control=10 -print_final_stats=1 -artifact_prefix="$out/" \
    "$out/corpus" 2>"$out/log" || { tail -60 "$out/log" >&2; exit 1; }
grep -E '^stat::(number_of_executed_units|average_exec_per_sec)|^#.*DONE' "$out/log"
command -v llvm-cov >/dev/null && command -v llvm-profdata >/dev/null || exit 0
build -fsanitize=fuzzer -fprofile-instr-generate -fcoverage-mapping -o "$out/covered"
LLVM_PROFILE_FILE="$out/raw" "$out/covered" -runs=0 "$out/corpus" 2>/dev/null
llvm-profdata merge -o "$out/merged" "$out/raw"
llvm-cov report "$out/covered" -instr-profile="$out/merged" -show-region-summary=0 $sources
