#!/bin/sh
# tests/fuzz/run.sh [EXECUTIONS] [FOLDER] [TARGET ...]: what faces hostile bytes, under libFuzzer with AddressSanitizer and
# UndefinedBehaviorSanitizer. The corpus stays in FOLDER. Says how many executions a second, and what of the code they reached.
#
#   broker  srr-helper's requests, its tables and quotas        leases  LEND, REVOKE, MOVE and the workers
#   window  the readers of a slot that somebody else writes to
set -eu
executions=${1:-200000}
folder=${2:-$(mktemp -d)}
[ $# -gt 2 ] && shift 2 || set -- broker leases window
here=$(cd "$(dirname "$0")" && pwd)
native=$here/../../srr/native
cc=${CLANG:-clang}
"$cc" --version >/dev/null || { echo "srr: clang is missing. Install it:  apt-get install clang llvm" >&2; exit 1; }
sources() { for name in $1; do echo "$native/$name.c"; done; }
build() {
    # shellcheck disable=SC2086 # lists
    "$cc" -std=gnu11 -g -O1 -fno-omit-frame-pointer $small \
        -I"$native/helper" -I"$native/core" -I"$native/include" "$@" $linked
}
for target; do
    out=$folder/$target
    mkdir -p "$out/corpus"
    small='-DUSERS=8 -DPROCESSES=64 -DNAMES=32 -DPAIRS=32 -DGATES=16' # srr-helper's tables
    case $target in
    broker)
        seen=$(sources 'helper/admission helper/broker helper/quotas helper/requests helper/tables')
        linked="$here/fuzz_broker.c $here/broker_kernel.c $here/transfer_none.c $seen" ;;
    leases)
        seen=$(sources 'helper/lease helper/transfer helper/quotas')
        linked="$here/fuzz_leases.c $(sources 'helper/lease helper/quotas')" ;; # it includes transfer.c
    window)
        small=
        seen=$(sources 'core/window')
        linked="$here/fuzz_window.c $(sources 'core/transfer core/map')" ;; # and it window.c
    *) echo "srr: no such target: $target" >&2; exit 2 ;;
    esac
    build -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o "$out/fuzz"
    "$out/fuzz" -runs="$executions" -max_len=512 -len_control=10 -print_final_stats=1 -artifact_prefix="$out/" \
        "$out/corpus" 2>"$out/log" || { tail -60 "$out/log" >&2; exit 1; }
    echo "$target:"
    grep -E '^stat::(number_of_executed_units|average_exec_per_sec)|^#.*DONE' "$out/log"
    command -v llvm-cov >/dev/null && command -v llvm-profdata >/dev/null || continue
    build -fsanitize=fuzzer -fprofile-instr-generate -fcoverage-mapping -o "$out/covered"
    LLVM_PROFILE_FILE="$out/raw" "$out/covered" -runs=0 "$out/corpus" 2>/dev/null
    llvm-profdata merge -o "$out/merged" "$out/raw"
    # shellcheck disable=SC2086
    llvm-cov report "$out/covered" -instr-profile="$out/merged" -show-region-summary=0 $seen
done
