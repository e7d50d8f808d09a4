/*
 * server.pml - a server process and its receiving threads. Follows srr/native/core/receive.c, port.c,
 * conn.c and reply.c.
 */

#define WOKEN     0
#define TIMED_OUT 1
#define SLICE     2

#define FORGET e = 0; r = 0; w = 0; tx = 0; mine = 0; early = 0
#define BIT(e) (1 << (e))

/* Private: the connection of entry e is no more. */
inline disconnect() {
    conn[E(p,e)] = 0; queue[p] = queue[p] & (255 - BIT(e)); taken[E(p,e)] = 0
}

/* The memory that process_vm_* reaches is that of the pid's present holder. */
#define MEMORY lent[holder[PID_OF(r)]]
#define NOBODY gone[holder[PID_OF(r)]]

#define STEP_WORD \
    if :: atomic { true -> \
        queue[p] = queue[p] & (255 - BIT(e)); r = ROW(conn[E(p,e)]); w = word[r]; early = marked[r]; \
        if :: ST(w) != SENT -> lock[p] = 0; FORGET; goto scan :: else fi } \
    OR_DIES fi;
#define STEP_TARGET \
    if :: FOR_ME(ROW(conn[E(p,e)])) \
    :: atomic { !FOR_ME(ROW(conn[E(p,e)])) -> \
        queue[p] = queue[p] & (255 - BIT(e)); lock[p] = 0; FORGET; goto scan } \
    OR_DIES fi;

proctype receiver(byte p; byte t) {
    byte e, r, w, tx;
    byte h;                     /* hints that were collected and not yet followed         */
    byte mine;                  /* serial of the message that this thread answers         */
    bit early;                  /* ghost: the sender was dead before the take began       */
    byte end;                   /* how the sleep ended                                    */
    bit quit, more;

scan:
    if :: atomic { true -> rung[T(p,t)] = 0 } OR_DIES fi;                   /* b = bell */
    if
    :: atomic { !lock[p] && summary[p] -> lock[p] = 1; summary[p] = 0 }
    :: atomic { !lock[p] && !summary[p] -> lock[p] = 1; goto pick }
    OR_DIES
    fi;
#ifdef BUG_CHECK_THEN_CLEAR
    if :: atomic { true -> h = hints[p] } OR_DIES fi;
#else
    if :: atomic { true -> h = hints[p]; hints[p] = 0 } OR_DIES fi;
#endif

follow:
    if
    :: atomic { h == 0 -> FORGET; goto pick }
    :: atomic { h != 0 ->                                                   /* whose is this entry? */
        do :: !(h & BIT(e)) -> e++ :: else -> break od;
        h = h & (255 - BIT(e));
        w = entry[E(p,e)];
        if
        :: conn[E(p,e)] && conn[E(p,e)] != w && !taken[E(p,e)] -> disconnect()
        :: else
        fi;
        if
        :: conn[E(p,e)] -> r = ROW(conn[E(p,e)]); w = 0
        :: !conn[E(p,e)] && w == 0 -> FORGET; goto follow
        :: !conn[E(p,e)] && w != 0 && holder[PID_OF(w-1)] == ROW(w) && !gone[ROW(w)] ->
            conn[E(p,e)] = w; r = ROW(w); w = 0                             /* opened, and its nonce is right */
        :: else -> goto unclaim
        fi }
    OR_DIES
    fi;
    if
    :: atomic { ST(word[r]) == SENT }
    :: atomic { ST(word[r]) != SENT ->                                      /* a stale hint */
#ifdef BUG_CHECK_THEN_CLEAR
        goto clear
#else
#ifdef BUG_FREE_LIVE_ENTRY
        w = r+1; disconnect(); goto unclaim
#else
        FORGET; goto follow
#endif
#endif
      }
    OR_DIES
    fi;
    if
#ifdef BUG_NO_TARGET
    :: atomic { true -> queue[p] = queue[p] | BIT(e) }
#else
    :: atomic { FOR_ME(r) -> queue[p] = queue[p] | BIT(e) }
    :: atomic { !FOR_ME(r) }                                                /* it is for somebody else now */
#endif
    OR_DIES
    fi;
#ifdef BUG_CHECK_THEN_CLEAR
clear:
    if :: atomic { true -> hints[p] = hints[p] & (255 - BIT(e)) } OR_DIES fi;
#endif
    atomic { FORGET; goto follow };

unclaim:
    if
    :: atomic { true -> if :: entry[E(p,e)] == w -> entry[E(p,e)] = 0 :: else fi; FORGET; goto follow }
    OR_DIES
    fi;

pick:                                           /* any order: priorities and arrivals are not modelled */
#ifdef BUG_QUIT_AFTER_COLLECT
    if :: atomic { quit -> lock[p] = 0; goto die } :: !quit fi;
#endif
    if
#if SELECT && NR > 1
    :: atomic { (queue[p] & 1) && (t == 0 || PID_OF(conn[E(p,0)]-1) == 0) -> e = 0 }
    :: atomic { (queue[p] & 2) && (t == 0 || PID_OF(conn[E(p,1)]-1) == 0) -> e = 1 }
    :: atomic { !((queue[p] & 1) && (t == 0 || PID_OF(conn[E(p,0)]-1) == 0)) &&
                !((queue[p] & 2) && (t == 0 || PID_OF(conn[E(p,1)]-1) == 0)) -> goto nothing }
#else
    :: atomic { queue[p] & 1 -> e = 0 }
#if NE > 1
    :: atomic { queue[p] & 2 -> e = 1 }
#endif
#if NE > 2
    :: atomic { queue[p] & 4 -> e = 2 }
#endif
#if NE > 3
    :: atomic { queue[p] & 8 -> e = 3 }
#endif
    :: atomic { queue[p] == 0 -> goto nothing }
#endif
    OR_DIES
    fi;
#ifdef BUG_TARGET_READ_FIRST
    STEP_TARGET
    STEP_WORD
#else
    STEP_WORD
#if !defined(BUG_NO_TARGET) && !defined(BUG_TARGET_ONLY_AT_COLLECT)
    STEP_TARGET
#endif
#endif
#ifndef BUG_NO_LIFE_AT_TAKE
    if
    :: !marked[r]
    :: atomic { marked[r] && !gone[r] -> lock[p] = 0; FORGET; goto scan }   /* it vanishes; buried later */
    :: atomic { marked[r] && gone[r] ->
        if :: entry[E(p,e)] == r+1 -> entry[E(p,e)] = 0 :: else fi;
        disconnect(); lock[p] = 0; FORGET; goto scan }
    OR_DIES
    fi;
#endif
    if :: atomic { true -> tx = desc[r] } OR_DIES fi;
    if
    :: atomic { word[r] == w ->                                             /* CAS: it is ours */
        w = WITH(w, RECV); word[r] = w;
        mine = lent[r]; taken[E(p,e)] = mine;                               /* stands for a new serial */
#if defined(BUG_TAKEN_COPIED_LATE) || defined(BUG_ID_READ_LATE)
        taken_word[E(p,e)] = w;
#endif
        lock[p] = 0 }
    :: atomic { word[r] != w -> lock[p] = 0; FORGET; goto scan }            /* it left; if it came again, it rang */
    OR_DIES
    fi;
#ifdef BUG_TAKEN_COPIED_LATE
    if :: atomic { true -> mine = taken[E(p,e)]; tx = mine; w = taken_word[E(p,e)] } OR_DIES fi;
#endif
#if DIRECT
    if                                                                      /* process_vm_readv */
    :: atomic { NOBODY -> taken[E(p,e)] = 0; FORGET; goto scan }
    :: atomic { !NOBODY -> if :: MEMORY == tx :: else -> tx = 255 fi }      /* 255: somebody else's bytes */
    OR_DIES
    fi;
#ifndef BUG_NO_LIFE_AFTER_READ
    if
    :: !marked[r]
    :: atomic { marked[r] -> goto release }
    OR_DIES
    fi;
#endif
#endif
    if
#ifndef BUG_NO_VALIDATE
    :: atomic { word[r] != w -> goto release }                              /* it left: thrown away */
    :: atomic { word[r] == w ->
#else
    :: atomic { true ->
#endif
#if MORE
        if :: goto refuse :: skip fi;
#endif
        assert((tx == lent[r] && target[r] == p+1) || delivered_the_wrong_thing);
        assert(!seen[tx] || delivered_twice);
        assert(!early || delivered_for_a_corpse);
        seen[tx] = 1 }
    OR_DIES
    fi;
#ifdef BUG_ID_READ_LATE
    if :: atomic { true -> mine = taken[E(p,e)] } OR_DIES fi;
#endif

reply:
#if NT > 1 || MORE
    if                                                                      /* is it owed a reply? */
    :: atomic { !lock[p] && taken[E(p,e)] == mine && mine }
    :: atomic { !lock[p] && (taken[E(p,e)] != mine || !mine) -> FORGET; more = 0; goto scan } /* ESRCH */
    OR_DIES
    fi;
#endif
#ifdef BUG_ID_READ_LATE
    w = taken_word[E(p,e)];
#endif
#ifdef BUG_REPLY_WITHOUT_BUSY
    if
    :: word[r] == w
    :: atomic { word[r] != w -> goto release }
    OR_DIES
    fi;
#else
    if
    :: atomic { word[r] == w -> word[r] = WITH(w, BUSY) }
    :: atomic { word[r] != w -> goto release }                              /* ESRCH: it left */
    OR_DIES
    fi;
#endif
#if DIRECT
    if                                  /* process_vm_writev. Checked and done in one step: see README, limits */
#ifndef BUG_NO_LIFE_AT_REPLY
    :: atomic { marked[r] || NOBODY -> goto release }                       /* ESRCH: it is dead */
    :: atomic { !marked[r] && !NOBODY -> assert(MEMORY == tx || C_lands_elsewhere) }
#else
    :: atomic { NOBODY -> goto release }
    :: atomic { !NOBODY -> assert(MEMORY == tx || C_lands_elsewhere) }
#endif
    OR_DIES
    fi;
    if                                                                      /* the next chunk */
    :: atomic { word[r] == WITH(w, BUSYC) -> goto end_in_doubt }
#ifndef BUG_NO_LIFE_BETWEEN_CHUNKS
    :: atomic { marked[r] || NOBODY -> goto release }
    :: atomic { word[r] != WITH(w, BUSYC) && !marked[r] && !NOBODY -> assert(MEMORY == tx || C_lands_elsewhere) }
#else
    :: atomic { NOBODY -> goto release }
    :: atomic { word[r] != WITH(w, BUSYC) && !NOBODY -> assert(MEMORY == tx || C_lands_elsewhere) }
#endif
    OR_DIES
    fi;
#else
    if
    :: atomic { marked[r] -> goto release }
    :: !marked[r]
    OR_DIES
    fi;
    if :: atomic { true -> assert(lent[r] == tx || marked[r] || C_lands_elsewhere) } OR_DIES fi; /* the reply area */
#endif
#if MORE
    if
    :: atomic { !more && word[r] == WITH(w,BUSY) -> word[r] = w; more = 1; goto reply }  /* that was a Writemsg */
    :: atomic { !more && word[r] == WITH(w,BUSYC) -> goto end_in_doubt }
    :: skip
    OR_DIES
    fi;
#endif
#ifdef BUG_SLEEPING_READ_FIRST
    if :: atomic { true -> more = sleeping[r] } OR_DIES fi;
#endif
    if
#ifdef BUG_REPLY_WITHOUT_BUSY
    :: atomic { word[r] != w -> goto release }
    :: atomic { word[r] == w ->
#else
#ifdef BUG_BUSYC_FORGOTTEN
    :: atomic { word[r] == WITH(w,BUSYC) -> goto release }
    :: atomic { word[r] == WITH(w,BUSY) ->
#else
    :: atomic { true ->                                                     /* exchange: a finished reply wins */
        assert(word[r] == WITH(w,BUSY) || word[r] == WITH(w,BUSYC) || C_lands_elsewhere);
#endif
#endif
        word[r] = WITH(w, DONE);
        assert(lent[r] == tx || marked[r] || C_lands_elsewhere);
        answered[tx] = 1 }
    OR_DIES
    fi;

wake:
#ifdef BUG_SLEEPING_READ_FIRST
    if
    :: atomic { !more -> goto release }
    :: atomic { more -> more = 0 }
    OR_DIES
    fi;
#else
    if
    :: atomic { !sleeping[r] -> goto release }
    :: sleeping[r]
    OR_DIES
    fi;
#endif
    if :: atomic { true -> in_wait[r] = 0 } OR_DIES fi;                     /* FUTEX_WAKE(word) */
release:
    if
    :: atomic { !lock[p] ->
        if
        :: taken[E(p,e)] == mine ->
            taken[E(p,e)] = 0;
#if FORGE
            if :: conn[E(p,e)] != entry[E(p,e)] -> dirty[p] = 1 :: else fi  /* wiped, and perhaps claimed again */
#endif
        :: else
        fi;
#if MORE
        if :: more -> more = 0; goto reply :: skip fi;                      /* answers twice: must get ESRCH */
        more = 0;
#endif
        FORGET; goto scan }
    OR_DIES
    fi;

#if MORE
refuse:                                         /* its bytes could not be fetched: it was never received */
    if
    :: atomic { word[r] == w -> word[r] = WITH(w, BUSY) }
    :: atomic { word[r] != w -> goto release }
    OR_DIES
    fi;
    if :: atomic { true -> word[r] = WITH(w, FAILN); refused[mine] = 1; goto wake } OR_DIES fi;
#endif
#if MORE || DIRECT
end_in_doubt:
    if :: atomic { true -> word[r] = WITH(w, FAILR); goto wake } OR_DIES fi;
#endif

nothing:
    atomic {
        lock[p] = 0;
        if :: quit -> goto die :: else fi
    };
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
    :: atomic { !rung[T(p,t)] -> in_wait_t[T(p,t)] = 1; if :: !in_wait_t[T(p,1-t)] -> longest[p] = t :: else -> longest[p] = 1-t fi }
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

die:
    atomic {
        in_wait_t[T(p,t)] = 0; FORGET; h = 0; quit = 0; more = 0; end = WOKEN;
        left[p] = left[p] + 1;
        if :: killed[p] && left[p] == NT -> dead[p] = 1 :: else fi;
#if REINC
        if :: dead[p] && p % 2 == 0 -> run server(p+1) :: else fi
#endif
    }
}

proctype server(byte p) {
    atomic {
        born[p/(1+REINC)] = p % (1+REINC);
        run receiver(p, 0);
#if NT > 1
        run receiver(p, 1);
#endif
    }
}
