/*
 * poke.pml - a wrapped handler that runs in the middle of a Send, on the client's own thread (included in its
 * body): poke_sender() in srr/native/core/send.c. The thread goes on, at `back`, when the handler has returned.
 */

poke:
    if
    :: atomic { true -> pw = word[r];
        if
        :: ENDED(pw) -> goto poked
#if CATCH && !defined(BUG_POKE_LEAVES_CATCHER)
        :: !ENDED(pw) && ST(pw) != SENT && CATCHES(p) -> caught[r] = 1; goto tell
        :: ST(pw) == BUSYC && !CATCHES(p) -> goto poked
#else
        :: ST(pw) == BUSYC -> goto poked
#endif
        :: else
        fi }
    OR_KILLED
    fi;
    if
#ifdef BUG_POKE_SETS_A_FLAG
    :: atomic { true -> must_leave = 1 }
#else
#ifdef BUG_POKE_BY_STORE
    :: atomic { true ->
#else
    :: atomic { word[r] != pw -> goto poke }
    :: atomic { word[r] == pw ->                            /* CAS */
#endif
        if
#ifdef BUG_POKE_LEAVES_BUSY
        :: true -> word[r] = WITH(pw, IDLE); from = pw
#else
        :: ST(pw) == BUSY -> word[r] = WITH(pw, BUSYC); must_leave = 1
        :: ST(pw) != BUSY -> word[r] = WITH(pw, IDLE); from = pw
#endif
        fi }
#endif
    OR_KILLED
    fi;
#if CATCH
    goto poked;
tell:                                                       /* the server catches signals: it is told */
#ifndef BUG_RUNG_BEFORE_TOLD
    if :: atomic { true -> signals[r] = TAG(pw) } OR_KILLED fi;
#endif
    if :: atomic { true -> hints[p] = hints[p] | (1 << e) } OR_KILLED fi;
    STEP_SUMMARY
    STEP_BELL
    if
    :: atomic { sleepers[p] == 0 -> goto told_it }
    :: sleepers[p] != 0
    OR_KILLED
    fi;
    if :: atomic { true -> wake_one() } OR_KILLED fi;
told_it:
#ifdef BUG_RUNG_BEFORE_TOLD
    if :: atomic { true -> signals[r] = TAG(pw) } OR_KILLED fi;
#endif
#endif

poked:
    atomic {
        pw = 0;
        if
        :: back == LOAD -> back = 0; goto wait
        :: back == LOADED -> back = 0; goto loaded
        :: back == ANNOUNCE -> back = 0; goto announce
        :: back == COMPARE -> back = 0; goto compare
        :: back == WOKEN_BY_IT -> back = 0; goto interrupted
        :: back == BEREAVED -> back = 0; goto bereaved
        :: back == LEAVE -> back = 0; goto leave
        fi
    };
