/*
 * bell.pml - a thread sleeps until the bell rings, and what it does at a slice's end (included in the receiver's
 * body): srr/native/core/receive.c, and receiver_look() in port.c.
 */
sleep:
#if SELECT
    if :: atomic { true -> if :: t == 1 -> all[p] = 1 :: else fi } OR_DIES fi;
#endif
#ifdef BUG_ANNOUNCED_LATE
    if :: !rung[T(p,t)] :: atomic { rung[T(p,t)] -> goto scan } OR_DIES fi; /* "the bell is as it was" */
#endif
#ifdef BUG_FLAG_CLEARED_BY_WAKER
    if :: atomic { true -> sleepers[p] = 1 } OR_DIES fi;
#else
    if :: atomic { true -> sleepers[p] = sleepers[p] + 1 } OR_DIES fi;
#endif
    if
#ifdef BUG_ANNOUNCED_LATE
    :: atomic { true -> in_wait_t[T(p,t)] = 1 }
#else
#if SELECT == 2
    :: atomic { !rung[T(p,t)] -> in_wait_t[T(p,t)] = 1;
        if :: !in_wait_t[T(p,1-t)] -> longest[p] = t :: else -> longest[p] = 1-t fi }
#else
    :: atomic { !rung[T(p,t)] -> in_wait_t[T(p,t)] = 1 }                    /* FUTEX_WAIT(bell, b) */
#endif
    :: atomic { rung[T(p,t)] -> goto awake }
#endif
    OR_DIES
    fi;
end_asleep:
    if
    :: atomic { !in_wait_t[T(p,t)] ->
#if RTMO
        if :: t == 1 -> quit = 1 :: skip fi;                                /* and its time is over, too */
#endif
        skip }
#if CATCH
    :: atomic { in_wait_t[T(p,t)] && owed[p] && !caught[0] -> in_wait_t[T(p,t)] = 0 }  /* whatever else it waits for */
#endif
#if RTMO
    :: atomic { in_wait_t[T(p,t)] && t == 1 -> in_wait_t[T(p,t)] = 0; end = TIMED_OUT }
#endif
    :: atomic { in_wait_t[T(p,t)] && dirty[p] -> in_wait_t[T(p,t)] = 0; end = SLICE }
    OR_DIES
    fi;
awake:
    if
    :: atomic { true ->
#ifdef BUG_FLAG_CLEARED_BY_WAKER
        skip;
#else
        sleepers[p] = sleepers[p] - 1;
#endif
        if
        :: end == TIMED_OUT -> end = WOKEN; goto die        /* no wake was consumed: free to go */
        :: end == SLICE -> end = WOKEN
#ifdef BUG_QUIT_AFTER_WAKE
        :: end == WOKEN && quit -> goto die
        :: end == WOKEN && !quit -> goto again
#else
        :: end == WOKEN -> goto again                       /* rule 8: look before leaving */
#endif
        fi }
    OR_DIES
    fi;
bury:
    if
    :: atomic { !lock[p] -> dirty[p] = 0;
        do
        :: e == NE -> break
        :: e < NE ->
            if
            :: entry[E(p,e)] && gone[ROW(entry[E(p,e)])] -> entry[E(p,e)] = 0; disconnect()
            :: else ->
                if :: conn[E(p,e)] && gone[ROW(conn[E(p,e)])] -> disconnect() :: else fi;
#if FORGE && !defined(BUG_LOOK_TRUSTS_CONN)
                if :: conn[E(p,e)] != entry[E(p,e)] && !taken[E(p,e)] -> h = h | BIT(e) :: else fi
#endif
            fi;
            e++
        od;
        e = 0;
        if :: h == 0 -> goto sleep :: else -> lock[p] = 1; goto follow fi }
    OR_DIES
    fi;
again:
#if SELECT
    if :: atomic { true -> if :: t == 1 -> all[p] = 0 :: else fi; goto scan } OR_DIES fi;
#else
    goto scan;
#endif
