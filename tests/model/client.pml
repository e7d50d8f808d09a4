/*
 * client.pml - a client process: one thread, one slot. Follows srr/native/core/send.c and link.c.
 */

/* FUTEX_WAKE(1) on the bell. Which sleeper is the kernel's choice, among those that it may choose from. */
inline wake_one() {
    if
#if SELECT == 2
    :: in_wait_t[T(p,0)] && in_wait_t[T(p,1)] -> in_wait_t[T(p,longest[p])] = 0
    :: else -> in_wait_t[T(p,0)] = 0; in_wait_t[T(p,1)] = 0
#else
    :: in_wait_t[T(p,0)] -> in_wait_t[T(p,0)] = 0
#if NT > 1 && (!SELECT || defined(BUG_ONE_QUEUE) || defined(BUG_NO_WAKE_ALL))
    :: in_wait_t[T(p,1)] -> in_wait_t[T(p,1)] = 0
    :: !in_wait_t[T(p,0)] && !in_wait_t[T(p,1)]
#else
    :: !in_wait_t[T(p,0)]
#endif
#endif
    fi
}

/* My entry, verified; claimed if it is not mine (any more): e. */
inline own_entry() {
    if
#ifdef BUG_ENTRY_TRUSTED
    :: mark[p] -> e = mark[p] - 1
#else
    :: mark[p] && entry[E(p,mark[p]-1)] == r+1 -> e = mark[p] - 1
#endif
    :: else ->
        e = 0;
        do
        :: entry[E(p,e)] != 0 -> e++; assert(e < NE)
        :: else -> break
        od;
        entry[E(p,e)] = r+1;
        mark[p] = e+1
    fi;
    sending[r] = p+1; wiped[r] = 0
}

#define STEP_PUBLISH \
    if :: atomic { true -> assert(ST(word[r]) == IDLE); word[r] = NEXT(word[r]) } OR_KILLED fi;
#define STEP_SUMMARY \
    if :: atomic { true -> summary[p] = 1 } OR_KILLED fi;
#if NT > 1
#define STEP_BELL \
    if :: atomic { true -> rung[T(p,0)] = 1; rung[T(p,1)] = 1 } OR_KILLED fi;
#else
#define STEP_BELL \
    if :: atomic { true -> rung[T(p,0)] = 1 } OR_KILLED fi;
#endif

/* The server process v, over the link; at first contact: who has that pid now? */
inline meet() {
    if
    :: link[v] -> p = link[v] - 1
    :: !link[v] ->
        p = v*(1+REINC) + born[v];
        if :: dead[p] -> why = ESRCH; goto complete :: else -> link[v] = p+1 fi;
#if PIN
        if :: !pin -> pin = p+1 :: else fi
#endif
    fi
}

proctype client(byte r) {
    byte n, v, p, e, w, why;
    byte link[NV], mark[NP];    /* server process + 1; entry + 1                          */
    bit impatient, selective;
#if RELAYS
    byte leg;
    bit received;               /* by whoever relayed it                                  */
    bit wished;                 /* ghost: something has ended this Send, whatever comes   */
#endif
#if SIG
    byte from, pw, back;        /* poke.pml                                               */
    byte sigs = SIG;            /* handlers that may still come                           */
    bit put_off, must_leave;
#endif
#if PIN
    byte pin;
#endif
    holder[PID_OF(r)] = r;

end_home:
    if
    :: atomic { n < NX ->                                   /* Send: to whom, through which link */
#if TOUR
        v = n % NV;
#elif NV > 1
        if :: v = 0 :: v = 1 fi;
#endif
#if TMO
        if :: impatient = 0 :: impatient = 1 fi;
#endif
#if PIN
        if :: pin -> p = pin - 1; goto met :: skip fi;
#endif
        meet()
      }
    OR_KILLED
    fi;
met:
    if :: atomic { true -> own_entry() } OR_KILLED fi;
    if
    :: atomic { true ->
        desc[r] = TX; lent[r] = TX;
#ifdef BUG_RELAY_TARGET_KEPT
        if :: !leg -> target[r] = p+1 :: else fi;
#else
        target[r] = p+1;
#endif
#if CATCH && !defined(BUG_SIGNALS_NOT_CLEARED)
        signals[r] = 0;
#endif
#if RELAYS
        assert(!leg || relayed[LEG(leg-1)] == v+1 || B_relay_is_wrong);
        assert(!wished || A_lost_signal);
#if SIG
        if :: leg && sigs -> sigs--; put_off = 1 :: skip fi;                /* one came between the legs */
        if :: put_off -> why = EINTR; goto complete :: else fi
#endif
#endif
        skip }
    OR_KILLED
    fi;
#ifndef BUG_HINT_BEFORE_SENT
    STEP_PUBLISH
#endif

ring:
#ifdef BUG_SUMMARY_BEFORE_HINT
    STEP_SUMMARY
#endif
#ifdef BUG_BELL_BEFORE_HINT
    STEP_BELL
#endif
    if
    :: atomic { true ->
#ifdef BUG_WAKE_ELISION
        if :: hints[p] != 0 -> goto AFTER_RING :: else fi;        /* "somebody has rung already" */
#endif
        hints[p] = hints[p] | (1 << e) }
    OR_KILLED
    fi;
#ifndef BUG_SUMMARY_BEFORE_HINT
    STEP_SUMMARY
#endif
#ifdef BUG_HINT_BEFORE_SENT
    if :: ST(word[r]) == IDLE -> STEP_PUBLISH :: else fi;
#endif
#if !defined(BUG_BELL_BEFORE_HINT) && !defined(BUG_SLEEPERS_READ_FIRST)
    STEP_BELL
#endif
    if
#ifdef BUG_SLEEPERS_READ_FIRST
    :: atomic { sleepers[p] == 0 -> goto ring_unheard }
#else
    :: atomic { sleepers[p] == 0 -> goto AFTER_RING }
#endif
#ifdef BUG_FLAG_CLEARED_BY_WAKER
    :: atomic { sleepers[p] != 0 -> sleepers[p] = 0 }
#else
    :: atomic { sleepers[p] != 0 -> selective = all[p] }
#endif
    OR_KILLED
    fi;
#ifdef BUG_SLEEPERS_READ_FIRST
    STEP_BELL
#endif
#if SELECT == 2 || defined(BUG_ONE_QUEUE)
    if
    :: atomic { selective -> in_wait_t[T(p,0)] = 0; in_wait_t[T(p,1)] = 0; selective = 0 }
    :: atomic { !selective -> wake_one() }
    OR_KILLED
    fi;
#else
    if :: atomic { true -> wake_one() } OR_KILLED fi;       /* of those that receive from anyone */
#if SELECT && !defined(BUG_NO_WAKE_ALL)
    if
    :: atomic { selective -> in_wait_t[T(p,1)] = 0; selective = 0 } /* all that wait for one sender */
    :: !selective
    OR_KILLED
    fi;
#endif
#endif
#ifdef BUG_SLEEPERS_READ_FIRST
    goto AFTER_RING;
ring_unheard:
    STEP_BELL
#endif

#if SIG
ask:                                                        /* one that came earlier could poke nobody */
    if
    :: atomic { true ->
        if :: sigs -> sigs--; put_off = 1 :: skip fi;
#ifndef BUG_PUT_OFF_NOT_ASKED
        if :: put_off -> back = LOAD; goto poke :: else fi;
#endif
        skip }
    OR_KILLED
    fi;
#endif
wait:
#if SIG
    if :: atomic { true -> w = word[r] } OR_POKED(LOAD) OR_KILLED fi;
loaded:
#endif
    if
    :: atomic { true ->
#if SIG
        if
        :: from || must_leave -> why = EINTR
        :: else
        fi;
#else
        w = word[r];
#endif
        if
        :: ENDED(w) ->
#if SIG
            if
            :: from ->
                assert(ST(w) == IDLE);
                assert(ST(from) == SENT || !CATCHES(p) || S_left_a_catcher);
#ifndef BUG_LEFT_IS_SENT
                if :: ST(from) != SENT -> why = why | RECEIVED :: else fi;
#endif
                w = 0; goto complete
            :: else
            fi;
#endif
            assert(ST(w) != IDLE);
            if
#if RELAYS
            :: ST(w) == RELAY ->
                if
#ifdef BUG_RELAY_DIES_WITH_RELAYER
                :: why -> why = why | RECEIVED
#elif defined(BUG_RELAY_DROPS_WISH)
                :: why -> wished = (why != ESRCH); why = 0; w = 0; goto relay
#else
                :: why && why != ESRCH -> why = why | RECEIVED              /* we leave: it is with nobody now */
                :: why == ESRCH -> why = 0; w = 0; goto relay               /* relayed, and only then dead */
#endif
                :: !why -> w = 0; goto relay
                fi
#endif
            :: ST(w) == DONE -> why = OK
            :: ST(w) == FAILN -> if :: !why -> assert(refused[TX]); why = REFUSED :: else fi
            :: ST(w) == FAILR -> assert(why); why = why | RECEIVED
            fi;
            w = 0; goto finish
#ifdef BUG_SPINS_IN_BUSYC
        :: !ENDED(w) && why -> w = 0; goto leave
#else
        :: !ENDED(w) && why && ST(w) != BUSYC -> w = 0; goto leave
#endif
        :: else
        fi }
    OR_POKED(LOADED)
    OR_KILLED
    fi;
announce:
    if :: atomic { true -> sleeping[r] = 1 } OR_POKED(ANNOUNCE) OR_KILLED fi;
compare:
    if
#ifdef BUG_CHECK_THEN_SLEEP
    :: atomic { true -> in_wait[r] = 1 }
#else
    :: atomic { word[r] == w -> in_wait[r] = 1              /* FUTEX_WAIT(word, w) */
#if SIG
        ; assert(!put_off || CAUGHT || ST(w) == BUSYC || A_lost_signal)
#endif
      }
    :: atomic { word[r] != w -> goto wait }
#endif
    OR_POKED(COMPARE)
    OR_KILLED
    fi;
    if
#if SIG
    :: atomic { in_wait[r] && sigs -> in_wait[r] = 0; sigs--; put_off = 1;
        /* The kernel restarts the call, or doesn't. */
        if :: back = COMPARE :: back = WOKEN_BY_IT fi; goto poke }
#endif
    :: atomic { !in_wait[r] -> goto wait }
    :: atomic { in_wait[r] && impatient && !why -> in_wait[r] = 0; why = TIMEOUT; goto wait }
    :: atomic { in_wait[r] && DEAD(p) -> in_wait[r] = 0; goto bereaved }
    :: atomic { in_wait[r] && wiped[r] -> in_wait[r] = 0; wiped[r] = 0;
        if :: ST(w) == SENT :: else -> goto wait fi }
    OR_KILLED
    fi;
#ifdef BUG_LOOK_RINGS_ONLY_IF_MOVED
    if
    :: atomic { true -> w = mark[p]; own_entry(); if :: mark[p] == w -> goto wait :: else -> goto ring fi }
    OR_KILLED
    fi;
#else
    if :: atomic { true -> own_entry(); goto ring } OR_KILLED fi;           /* its hint may be lost: ring again */
#endif

#if SIG
interrupted:
    atomic { if :: !CAUGHT && !why -> why = EINTR :: else fi; goto wait };
#endif

bereaved:                                                   /* the server is certainly dead */
    if
    :: atomic { true ->
        if :: !why -> why = ESRCH :: else fi;
        if
#ifdef BUG_ONE_ERROR_CODE
        :: word[r] == w -> word[r] = WITH(w, FAILN)
#elif defined(BUG_BEREAVED_BY_STORE)
        :: ST(w) == SENT -> word[r] = WITH(w, FAILN)
        :: ST(w) != SENT && !ENDED(w) -> word[r] = WITH(w, FAILR)
#else
        :: word[r] == w && ST(w) == SENT -> word[r] = WITH(w, FAILN)
        :: word[r] == w && ST(w) != SENT && !ENDED(w) -> word[r] = WITH(w, FAILR)
#endif
        :: else                                             /* it had still time to change it */
        fi;
        goto wait }
    OR_POKED(BEREAVED)
    OR_KILLED
    fi;

leave:
    if
    :: atomic { ST(word[r]) == SENT -> word[r] = WITH(word[r], IDLE); goto complete }
    :: atomic { ST(word[r]) == RECV -> word[r] = WITH(word[r], IDLE); why = why | RECEIVED; goto complete }
#ifdef BUG_CANCEL_IN_BUSY
    :: atomic { ST(word[r]) == BUSY -> word[r] = WITH(word[r], IDLE); why = why | RECEIVED; goto complete }
#else
    :: atomic { ST(word[r]) == BUSY -> word[r] = WITH(word[r], BUSYC); goto wait }
#endif
    :: atomic { ENDED(word[r]) || ST(word[r]) == BUSYC -> goto wait }
    OR_POKED(LEAVE)
    OR_KILLED
    fi;

#if SIG
#include "poke.pml"
#endif

#if RELAYS
relay:                                                      /* it is our turn again */
    if
#ifdef BUG_RELAY_KEEPS_GENERATION
    :: atomic { true -> word[r] = WITH(word[r], IDLE) - 16; lent[r] = 0; sleeping[r] = 0 }
#else
    :: atomic { true -> word[r] = WITH(word[r], IDLE); lent[r] = 0; sleeping[r] = 0 }
#endif
    OR_KILLED
    fi;
    if
    :: atomic { true -> v = relay_to[r]; leg++; sending[r] = 0; wiped[r] = 0; e = 0;
#ifndef BUG_RELAY_FORGETS_RECEIVED
        received = 1;
#endif
#if SIG
        must_leave = 0;
#endif
#if CATCH
        caught[r] = 0;
#endif
        skip }
    OR_KILLED
    fi;
    if :: atomic { true -> meet(); goto met } OR_KILLED fi;
#endif

finish:
    if :: atomic { true -> word[r] = WITH(word[r], IDLE) } OR_KILLED fi;
complete:
    atomic {
#if RELAYS
        if :: received && why != OK -> why = why | RECEIVED :: else fi;
        e = leg;
        do
        :: e > 0 ->
            e--;
            assert(why == OK || (why & RECEIVED) || !seen[LEG(e)] || G_not_safe_to_repeat);
            assert((relayed[LEG(e)] && !answered[LEG(e)]) || B_relay_is_wrong)
        :: else -> break
        od;
        assert(!relayed[TX] || why == (TIMEOUT | RECEIVED) || why == (EINTR | RECEIVED) || B_relay_is_wrong);
#endif
        assert(out[TX] == 0 || B_ends_twice);
        out[TX] = why;
#ifdef REACH
        assert(ENDING != REACH);                                            /* a witness that it can happen */
#endif
        assert((why == OK) == answered[TX] || B_result_is_wrong);          /* nor is a Reply lost */
        assert(why == OK || (why & RECEIVED) || !seen[TX] || G_not_safe_to_repeat);
        assert((why & 7) != ESRCH || killed[p] || D_false_obituary);
        if :: (why & 7) == ESRCH -> link[v] = 0 :: else fi;
        lent[r] = 0; sleeping[r] = 0; sending[r] = 0; wiped[r] = 0;
        END_OF_SEND;
        why = 0; w = 0; e = 0; p = 0; v = 0; impatient = 0; n++;
        goto end_home
    };

die:
    atomic { marked[r] = 1; in_wait[r] = 0 };
    atomic {
        gone[r] = 1;
        p = 0; e = 0;
        do
        :: p < NP && e < NE -> if :: entry[E(p,e)] == r+1 || conn[E(p,e)] == r+1 -> dirty[p] = 1 :: else fi; e++
        :: p < NP && e == NE -> p++; e = 0
        :: p == NP -> break
        od;
        p = 0;
        do :: p < NP -> mark[p] = 0; p++ :: else -> break od;
        do :: v < NV -> link[v] = 0; v++ :: else -> break od;
        p = 0; e = 0; v = 0; w = 0; why = 0; impatient = 0; selective = 0; n = 0;
        END_OF_SEND;
#if SIG
        sigs = 0; pw = 0; back = 0;
#endif
#if PIN
        pin = 0;
#endif
#if RECL
        if :: r % 2 == 0 -> run client(r+1) :: else fi
#endif
    }
}
