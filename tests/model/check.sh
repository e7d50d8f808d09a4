#!/bin/bash
# Checks rendezvous.pml and window.pml with spin: check.sh [quick|mutants|terminate|full|all]     (needs: spin, gcc)
#
#   quick      the protocol keeps its promises, in small configurations; and each way to end a Send occurs
#   mutants    each mistake that can be put in is found, and breaks the promise that is named here
#   terminate  no execution goes on for ever
#   full       larger configurations; up to 5 GB of memory each
#
# One line a run, as they end. Exit status 1 if any run surprises. JOBS runs at a time (default: CPUs, at most 2).
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/srr-model.XXXXXX") || exit 2
trap 'rm -rf "$tmp"' EXIT
jobs_max=${JOBS:-$(nproc)}
[ -z "$JOBS" ] && [ "$jobs_max" -gt 2 ] && jobs_max=2

say() { # verdict, kind, text, result
    [ "$1" = ok ] || touch "$tmp/surprise"
    printf '%-8s %-9s %-76s %s\n' "$1" "$2" "$3" "$4"
}

# build FLAGS-OF-SPIN FLAGS-OF-GCC: ./pan in a folder of its own. -DWINDOW: of window.pml
build() {
    local model=rendezvous.pml
    options=
    [[ $1 == *-DWINDOW* ]] && model=window.pml options=-E # who is killed ends anywhere; monitor() sees who is stuck
    cd "$(mktemp -d "$tmp/run.XXXXXX")" && cp "$here"/*.pml . &&
        spin $1 -a $model >log 2>&1 && gcc -w -DCOLLAPSE $2 -o pan pan.c >>log 2>&1 && return
    touch "$tmp/surprise"
    printf 'BUILD FAILED: %s\n%s\n' "$1" "$(cat log)"
    return 1
}

complete() { ! grep -qE 'Search not completed|-DMEMLIM|max search depth|out of memory' out; }

holds() { # memory in MB, hash bits, spin flags, gcc flags
    build "$3" "-O2 -DSAFETY -DMEMLIM=$1 $4" || return
    ./pan $options -m1000000 -w"$2" >out 2>&1
    local states verdict=SURPRISE
    states=$(awk '/states, stored/ { print $1 }' out)
    grep -q 'errors: 0$' out && complete && verdict=ok
    say $verdict holds "$3 $4" "$states states$(grep -o 'assertion violated.*' out)"
}

refuted() { # promise, mistake, spin flags, gcc flags
    build "-D$2 $3" "-O1 -DSAFETY -DMEMLIM=1900 $4" || return
    ./pan $options -m1000000 -w22 >out 2>&1
    local broken verdict=SURPRISE
    broken=$(grep 'assertion violated' out | grep -oE '[A-Za-z]+(_[a-z]+)+' | grep -oE '^([A-GS]|delivered)_.*')
    [ "$broken" = "$1" ] && verdict=ok
    say $verdict refuted "$2 $3" "${broken:-not at all}"
}

occurs() { # how a Send ends (number, name), spin flags
    build "-DREACH=$1 $3" "-O1 -DSAFETY -DMEMLIM=1900" || return
    ./pan $options -m1000000 -w22 >out 2>&1
    local verdict=SURPRISE
    grep -qE "assertion violated \(.*!=$1\)" out && verdict=ok
    say $verdict occurs "$3" "$2"
}

ends() { # ok or SURPRISE where there is an endless execution, spin flags
    build "$2" "-O2 -DNP -DMEMLIM=1900" || return
    ./pan -l -m1000000 -w23 >out 2>&1
    local result=unfinished verdict=SURPRISE
    grep -q 'errors: 0$' out && complete && result=always
    grep -q 'non-progress cycle (at' out && result=never
    [ "$result" = "$1" ] && verdict=ok
    say $verdict ends "$2" "$result"
}

in_parallel() { # lines "function|argument|..." on stdin
    local words
    while IFS='|' read -r -a words; do
        [ -z "${words[0]}" ] && continue
        while [ "$(jobs -rp | wc -l)" -ge "$jobs_max" ]; do wait -n; done
        ( "${words[@]}"; rm -rf "$PWD" ) &
    done
    wait
}

quick() {
    in_parallel <<'RUNS'
holds|1900|22|-DNC=2 -DNX=1 -DKB=1
holds|1900|22|-DNC=2 -DNX=1 -DKB=0
holds|1900|22|-DNC=2 -DNX=1 -DNT=2 -DSELECT=2 -DTMO=0
holds|1900|22|-DNC=2 -DNX=2 -DTMO=0
holds|1900|22|-DNC=1 -DNX=3 -DKB=0
holds|1900|22|-DNC=1 -DNX=3 -DKB=1
holds|1900|22|-DNC=1 -DNX=3 -DKB=2
holds|1900|22|-DNC=1 -DNX=2 -DNT=2 -DKB=0 -DMORE=1
holds|1900|22|-DNC=1 -DNX=2 -DNT=2 -DKB=0 -DRTMO=1
holds|1900|22|-DNC=1 -DNX=2 -DNT=2 -DKB=1
holds|1900|22|-DNC=1 -DNX=2 -DMORE=1 -DKB=1
holds|1900|22|-DNC=1 -DNX=2 -DNV=2 -DKB=0
holds|1900|22|-DNC=1 -DNX=2 -DREINC=1 -DKB=2
holds|1900|22|-DNC=1 -DNX=3 -DREINC=1 -DPIN=1 -DKB=1
holds|1900|22|-DNC=1 -DNX=1 -DRECL=1 -DKB=1
holds|1900|22|-DNC=1 -DNX=1 -DRECL=1 -DKB=2
holds|1900|22|-DNC=1 -DNX=2 -DFORGE=2
holds|1900|22|-DNC=2 -DNX=1 -DFORGE=1 -DTMO=0
holds|1900|22|-DNC=1 -DNX=2 -DNT=2|-DNOREDUCE
holds|1900|22|-DNC=1 -DNX=1 -DNV=2 -DRELAYS=1 -DKB=0
holds|1900|22|-DNC=1 -DNX=1 -DNV=2 -DRELAYS=1 -DKB=1
holds|1900|22|-DNC=1 -DNX=1 -DNV=2 -DRELAYS=2
holds|1900|22|-DNC=1 -DNX=2 -DRELAYS=1 -DMORE=1
holds|1900|22|-DNC=2 -DNX=1 -DRELAYS=1 -DTMO=0
holds|1900|22|-DNC=1 -DNX=1 -DNT=2 -DRELAYS=1 -DSENDER=1
holds|1900|22|-DNC=1 -DNX=1 -DRELAYS=1 -DREINC=1 -DKB=1
holds|1900|22|-DNC=1 -DNX=1 -DRELAYS=1 -DRECL=1 -DKB=1
holds|1900|22|-DNC=1 -DNX=2 -DSIG=2
holds|1900|22|-DNC=1 -DNX=1 -DSIG=2 -DKB=1
holds|1900|22|-DNC=1 -DNX=1 -DNT=2 -DSIG=2
holds|1900|22|-DNC=1 -DNX=1 -DNV=2 -DRELAYS=1 -DSIG=1
holds|1900|22|-DNC=1 -DNX=2 -DSIG=2 -DCATCH=2
holds|1900|22|-DNC=1 -DNX=1 -DSIG=2 -DCATCH=2 -DKB=1
holds|1900|22|-DNC=1 -DNX=1 -DNT=2 -DSIG=1 -DCATCH=2
holds|1900|22|-DNC=1 -DNX=1 -DNT=2 -DSIG=1 -DCATCH=2 -DMORE=1
holds|1900|22|-DWINDOW
holds|1900|22|-DWINDOW -DLEAVES=0 -DREQS=2
holds|1900|22|-DWINDOW -DLEAVES=0 -DREQS=2 -DFAULTS=1
holds|1900|22|-DWINDOW -DSTALLS=1
holds|1900|22|-DWINDOW -DKR=1
holds|1900|22|-DWINDOW -DKS=1
holds|1900|22|-DWINDOW -DFEW -DNX=2 -DM=2 -DN=1
occurs|1|success|-DNC=1 -DKB=1 -DMORE=1
occurs|2|time-out, not received|-DNC=1 -DKB=1 -DMORE=1
occurs|10|time-out, in doubt|-DNC=1 -DKB=1 -DMORE=1
occurs|3|ESRCH, not received|-DNC=1 -DKB=1 -DMORE=1
occurs|11|ESRCH, in doubt|-DNC=1 -DKB=1 -DMORE=1
occurs|4|refused|-DNC=1 -DKB=1 -DMORE=1
occurs|5|a handler, not received|-DNC=1 -DSIG=1
occurs|13|a handler, in doubt|-DNC=1 -DSIG=1
occurs|101|success, after a Relay|-DNC=1 -DNV=2 -DRELAYS=1
occurs|110|time-out after a Relay, in doubt|-DNC=1 -DNV=2 -DRELAYS=1
occurs|111|ESRCH after a Relay, in doubt|-DNC=1 -DNV=2 -DRELAYS=1 -DKB=1
occurs|113|a handler after a Relay, in doubt|-DNC=1 -DNV=2 -DRELAYS=1 -DSIG=1 -DTMO=0
occurs|201|success, with a signal put off and told|-DNC=1 -DSIG=1 -DCATCH=2
occurs|210|time-out, with a signal put off and told|-DNC=1 -DSIG=1 -DCATCH=2
RUNS
}

mutants() {
    in_parallel <<'RUNS'
refuted|A_lost_wakeup|BUG_HINT_BEFORE_SENT|-DNC=1
refuted|A_lost_wakeup|BUG_SUMMARY_BEFORE_HINT|-DNC=1
refuted|A_lost_wakeup|BUG_BELL_BEFORE_HINT|-DNC=1
refuted|A_lost_wakeup|BUG_SLEEPERS_READ_FIRST|-DNC=1
refuted|A_lost_wakeup|BUG_WAKE_ELISION|-DNC=2 -DKB=1
refuted|A_lost_wakeup|BUG_FLAG_CLEARED_BY_WAKER|-DNC=1 -DNX=2 -DNT=2 -DRTMO=1 -DTMO=0
refuted|A_lost_wakeup|BUG_CHECK_THEN_CLEAR|-DNC=1 -DNX=2
refuted|A_lost_wakeup|BUG_ANNOUNCED_LATE|-DNC=1
refuted|A_lost_wakeup|BUG_QUIT_AFTER_WAKE|-DNC=1 -DNT=2 -DRTMO=1 -DTMO=0
refuted|A_lost_wakeup|BUG_QUIT_AFTER_COLLECT|-DNC=1 -DNT=2 -DRTMO=1 -DTMO=0
refuted|A_lost_wakeup|BUG_ONE_QUEUE|-DNC=2 -DNT=2 -DSELECT=1 -DTMO=0
refuted|A_lost_wakeup|BUG_NO_WAKE_ALL|-DNC=2 -DNT=2 -DSELECT=1 -DTMO=0
refuted|A_lost_wakeup|BUG_CHECK_THEN_SLEEP|-DNC=1
refuted|A_lost_wakeup|BUG_SLEEPING_READ_FIRST|-DNC=1 -DTMO=0
refuted|A_lost_wakeup|BUG_BUSYC_FORGOTTEN|-DNC=1
refuted|A_lost_wakeup|BUG_ENTRY_TRUSTED|-DNC=1 -DNX=2 -DFORGE=1 -DTMO=0
refuted|A_lost_wakeup|BUG_LOOK_RINGS_ONLY_IF_MOVED|-DNC=1 -DFORGE=1 -DTMO=0
refuted|A_lost_wakeup|BUG_LOOK_TRUSTS_CONN|-DNC=2 -DNT=2 -DFORGE=1 -DTMO=0
refuted|A_lost_wakeup|BUG_FREE_LIVE_ENTRY|-DNC=1 -DNX=2
refuted|B_result_is_wrong|BUG_BEREAVED_BY_STORE|-DNC=1 -DKB=1
refuted|C_lands_elsewhere|BUG_NO_GENERATION|-DNC=1 -DNX=2 -DNT=2
refuted|C_lands_elsewhere|BUG_REPLY_WITHOUT_BUSY|-DNC=1 -DNX=2
refuted|C_lands_elsewhere|BUG_CANCEL_IN_BUSY|-DNC=1
refuted|C_lands_elsewhere|BUG_DEATH_IS_FIRST_THREAD|-DNC=1 -DNX=2 -DNT=2 -DKB=1
refuted|C_lands_elsewhere|BUG_NO_LIFE_AT_REPLY|-DNC=1 -DRECL=1 -DKB=1
refuted|C_lands_elsewhere|BUG_NO_LIFE_BETWEEN_CHUNKS|-DNC=1 -DRECL=1 -DKB=1
refuted|C_lands_elsewhere|BUG_ID_READ_LATE|-DNC=1 -DNX=2 -DNT=2
refuted|D_left_behind|BUG_ENTRY_BY_PID|-DNC=1 -DRECL=1 -DKB=1
refuted|G_not_safe_to_repeat|BUG_ONE_ERROR_CODE|-DNC=1 -DKB=1
refuted|delivered_twice|BUG_TAKEN_COPIED_LATE|-DNC=1 -DNX=2 -DNT=2
refuted|delivered_for_a_corpse|BUG_NO_LIFE_AT_TAKE|-DNC=1 -DKB=1
refuted|delivered_the_wrong_thing|BUG_NO_LIFE_AFTER_READ|-DNC=1 -DRECL=1 -DKB=1
refuted|delivered_the_wrong_thing|BUG_NO_VALIDATE|-DNC=1 -DNX=2
refuted|delivered_the_wrong_thing|BUG_NO_TARGET|-DNC=1 -DNX=2 -DNV=2
refuted|delivered_the_wrong_thing|BUG_TARGET_ONLY_AT_COLLECT|-DNC=1 -DNX=2 -DNV=2
refuted|delivered_the_wrong_thing|BUG_TARGET_READ_FIRST|-DNC=1 -DNX=2 -DNV=2
refuted|delivered_the_wrong_thing|BUG_TARGET_IS_PID|-DNC=1 -DNX=3 -DREINC=1 -DPIN=1 -DKB=1
refuted|A_lost_wakeup|BUG_RELAY_NOT_WOKEN|-DNC=1 -DNV=2 -DRELAYS=1
refuted|A_lost_wakeup|BUG_RELAY_TARGET_KEPT|-DNC=1 -DNV=2 -DRELAYS=1
refuted|A_lost_signal|BUG_RELAY_DROPS_WISH|-DNC=1 -DNV=2 -DRELAYS=1
refuted|B_relay_is_wrong|BUG_RELAY_TO_LATE|-DNC=1 -DNV=2 -DRELAYS=1
refuted|B_relay_is_wrong|BUG_RELAY_DIES_WITH_RELAYER|-DNC=1 -DNV=2 -DRELAYS=1 -DKB=1
refuted|C_lands_elsewhere|BUG_RELAY_WITHOUT_BUSY|-DNC=1 -DNV=2 -DRELAYS=1
refuted|G_not_safe_to_repeat|BUG_RELAY_FORGETS_RECEIVED|-DNC=1 -DNV=2 -DRELAYS=1
refuted|delivered_the_wrong_thing|BUG_RELAY_KEEPS_GENERATION|-DNC=1 -DNT=2 -DRELAYS=1 -DSENDER=1
refuted|A_lost_signal|BUG_PUT_OFF_NOT_ASKED|-DNC=1 -DSIG=1
refuted|A_lost_signal|BUG_POKE_SETS_A_FLAG|-DNC=1 -DSIG=1
refuted|B_result_is_wrong|BUG_POKE_BY_STORE|-DNC=1 -DSIG=1
refuted|C_lands_elsewhere|BUG_POKE_LEAVES_BUSY|-DNC=1 -DSIG=1
refuted|G_not_safe_to_repeat|BUG_LEFT_IS_SENT|-DNC=1 -DSIG=1
refuted|A_lost_wakeup|BUG_RUNG_BEFORE_TOLD|-DNC=1 -DSIG=1 -DCATCH=2
refuted|S_left_a_catcher|BUG_POKE_LEAVES_CATCHER|-DNC=1 -DSIG=1 -DCATCH=2
refuted|A_lost_wakeup|BUG_TOLD_KEPT|-DNC=1 -DNX=2 -DSIG=2 -DCATCH=2
refuted|A_lost_wakeup|BUG_TOLD_ONLY_IN_RECV|-DNC=1 -DNT=2 -DSIG=1 -DCATCH=2 -DMORE=1
refuted|A_lost_wakeup|BUG_SIGNALS_TAKEN|-DNC=1 -DNX=2 -DNV=2 -DSIG=2 -DCATCH=2 -DTOUR=1|-DT_REVERSE
refuted|S_told_another|BUG_WORD_READ_FIRST|-DNC=1 -DNX=2 -DNV=2 -DSIG=2 -DCATCH=2 -DTOUR=1|-DT_REVERSE
refuted|S_told_another|BUG_SIGNALS_NOT_CLEARED|-DNC=1 -DNX=2 -DSIG=2 -DCATCH=2
refuted|A_lost_wakeup|BUG_SLEEPS_ON_THE_WORD|-DWINDOW -DLEAVES=0
refuted|A_lost_wakeup|BUG_SLEEPS_ON_THE_WORD_AT_LAST|-DWINDOW -DLEAVES=0
refuted|A_lost_wakeup|BUG_WORD_READ_ONCE|-DWINDOW -DLEAVES=0
refuted|A_lost_wakeup|BUG_NOT_CLOSED|-DWINDOW -DLEAVES=0
refuted|A_lost_wakeup|BUG_NO_STEP_AT_END|-DWINDOW -DLEAVES=0
refuted|S_mixed_request|BUG_NUMBER_READ_ONCE|-DWINDOW -DLEAVES=0 -DREQS=2 -DFAULTS=1
refuted|S_mixed_request|BUG_NUMBER_FIRST|-DWINDOW -DLEAVES=0 -DREQS=2
refuted|A_lost_wakeup|BUG_ASKED_IN_RECV|-DWINDOW -DFEW -DNX=2 -DNV=2 -DM=2 -DN=1
refuted|A_lost_wakeup|BUG_STEPPED_BLINDLY|-DWINDOW -DFEW -DNX=2 -DNV=2 -DM=2 -DN=1
refuted|A_lost_wakeup|BUG_LEAVES_QUIETLY|-DWINDOW
refuted|A_lost_wakeup|BUG_LEAVES_GIVE_QUIETLY|-DWINDOW
refuted|A_lost_wakeup|BUG_LEAVES_BY_ONE|-DWINDOW
refuted|A_lost_wakeup|BUG_LEAVES_BY_XOR|-DWINDOW -DFEW -DNX=2 -DNV=2 -DM=1 -DN=1 -DLEAVES=2
refuted|C_wrong_reply|BUG_LEAVES_FROM_GIVE|-DWINDOW -DFEW -DNX=2 -DM=2 -DN=1
refuted|A_lost_wakeup|BUG_FLAG_CLEARED_BY_SENDER|-DWINDOW
refuted|A_lost_wakeup|BUG_ANNOUNCED_LATE|-DWINDOW -DLEAVES=0
refuted|C_wrong_reply|BUG_STEPS_EARLY|-DWINDOW -DLEAVES=0
refuted|delivered_the_wrong_thing|BUG_TOO_FAR|-DWINDOW -DLEAVES=0
refuted|delivered_the_wrong_thing|BUG_CREDIT_EARLY|-DWINDOW -DLEAVES=0
refuted|C_wrong_reply|BUG_NO_REST|-DWINDOW -DLEAVES=0 -DFAULTS=1 -DREQS=2
refuted|S_mixed_request|BUG_FAILED_AFTER_STEP|-DWINDOW -DLEAVES=0 -DFAULTS=1
RUNS
}

terminate() {
    in_parallel <<'RUNS'
ends|always|-DNC=2 -DNX=1 -DKB=1 -DTMO=0
ends|always|-DNC=1 -DNX=1 -DNT=2 -DKB=1 -DRTMO=1 -DMORE=1
ends|always|-DNC=1 -DNX=2 -DKB=2
ends|always|-DNC=1 -DNX=1 -DRECL=1 -DKB=1
ends|always|-DNC=1 -DNX=2 -DREINC=1 -DKB=1
ends|always|-DNC=1 -DNX=2 -DFORGE=1
ends|always|-DNC=1 -DNX=1 -DNV=2 -DRELAYS=1 -DKB=1
ends|always|-DNC=1 -DNX=2 -DSIG=2
ends|never|-DNC=1 -DBUG_SPINS_IN_BUSYC
RUNS
}

full() {
    in_parallel <<'RUNS'
holds|5500|26|-DNC=1 -DNX=2 -DNT=2 -DREINC=1 -DKB=2
holds|5500|24|-DNC=2 -DNX=1 -DNT=2 -DSELECT=1 -DTMO=0 -DKB=1
holds|5500|24|-DNC=2 -DNX=1 -DNT=2 -DSELECT=1 -DTMO=0
holds|5500|26|-DNC=2 -DNX=1 -DNT=2 -DFORGE=1 -DTMO=0
holds|5500|24|-DNC=3 -DNX=1 -DTMO=0
holds|5500|25|-DNC=2 -DNX=1 -DNT=2 -DTMO=0 -DKB=1
holds|5500|24|-DNC=2 -DNX=1 -DNT=2 -DSELECT=2
holds|5500|24|-DNC=2 -DNX=1 -DNT=2 -DSELECT=1
holds|5500|24|-DNC=2 -DNX=1 -DNT=2
holds|5500|25|-DNC=1 -DNX=2 -DNV=2 -DREINC=1 -DKB=1
holds|5500|25|-DNC=1 -DNX=1 -DNT=2 -DRECL=1 -DKB=2
holds|5500|24|-DNC=2 -DNX=1 -DRECL=1 -DTMO=0 -DKB=1
holds|5500|24|-DNC=1 -DNX=2 -DNT=2 -DMORE=1 -DKB=2
holds|5500|24|-DNC=1 -DNX=2 -DRECL=1 -DKB=2
holds|5500|24|-DNC=1 -DNX=2 -DRECL=1 -DKB=1
holds|5500|24|-DNC=1 -DNX=2 -DNV=2 -DKB=2
holds|5500|24|-DNC=1 -DNX=2 -DNV=2 -DKB=1
holds|5500|24|-DNC=2 -DNX=1 -DKB=2
holds|5500|24|-DNC=1 -DNX=3 -DNT=2 -DMORE=1
holds|5500|24|-DNC=1 -DNX=2 -DNT=2 -DRTMO=1 -DKB=1
holds|5500|24|-DNC=1 -DNX=3 -DREINC=1 -DPIN=1 -DKB=2
holds|5500|24|-DNC=1 -DNX=2 -DNT=2 -DKB=1|-DNOREDUCE
holds|5500|25|-DNC=1 -DNX=2 -DNV=2 -DSIG=2 -DCATCH=2 -DTOUR=1
holds|5500|24|-DNC=1 -DNX=1 -DNV=2 -DRELAYS=1 -DSIG=1 -DCATCH=1
holds|5500|24|-DNC=1 -DNX=1 -DNV=2 -DRELAYS=1 -DKB=2
holds|5500|24|-DNC=1 -DNX=1 -DNT=2 -DRELAYS=1 -DSENDER=1 -DKB=1
holds|5500|24|-DNC=2 -DNX=1 -DKB=1 -DTMO=0|-DNOREDUCE
holds|5500|24|-DWINDOW -DFAULTS=1
holds|5500|24|-DWINDOW -DFEW -DNX=2 -DNV=2 -DM=2 -DN=1
holds|5500|25|-DWINDOW -DFEW -DNX=2 -DNV=2 -DM=1 -DN=1 -DLEAVES=2
RUNS
}

case ${1:-quick} in
quick | mutants | terminate | full) "$1" ;;
all) quick; mutants; terminate; full ;;
*) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
[ -e "$tmp/surprise" ] && { echo "SURPRISES: see above"; exit 1; }
echo "all as expected"
