/*
 * server.pml - a server process and its receiving threads. Follows srr/native/core/receive.c, port.c,
 * conn.c and reply.c.
 */

#define WOKEN     0
#define TIMED_OUT 1
#define SLICE     2

#if RELAYS
#define FORGET e = 0; r = 0; w = 0; tx = 0; mine = 0; early = 0; to = 0
#else
#define FORGET e = 0; r = 0; w = 0; tx = 0; mine = 0; early = 0
#endif
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
#if RELAYS
    byte to;                    /* Relay to this pid's number + 1; 0: Reply               */
#endif
#if SENDER
    bit holds;                  /* I am writing                                           */
#endif

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
#if CATCH
        if :: CATCHES(p) -> goto tells :: else fi;
#endif
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

#if CATCH
#include "told.pml"
#endif

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
#if SENDER
    :: atomic { taken[E(p,0)] ->                                            /* no Receive, but Reply(pid) */
        lock[p] = 0; r = ROW(conn[E(p,0)]); mine = taken[E(p,0)]; tx = mine; w = taken_word[E(p,0)]; goto reply }
#endif
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
#ifdef TAKEN_WORD
        taken_word[E(p,e)] = w;
#endif
#if CATCH
#ifndef BUG_TOLD_KEPT
        told[E(p,e)] = 0;
#endif
        noticed[p] = 0;
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
        seen[tx] = 1;
#if CATCH
        owed[p] = 0;
        if :: CATCHES(p) -> owed[p] = tx; FORGET; goto scan :: skip fi;     /* it may wait for a notice */
#endif
        skip }
    OR_DIES
    fi;
#ifdef BUG_ID_READ_LATE
    if :: atomic { true -> mine = taken[E(p,e)] } OR_DIES fi;
#endif

reply:
#if RELAYS
    if                                                                      /* Reply, or Relay to whom that exists? */
    :: atomic { true ->
        if
        :: to = 0
        :: (tx-1) % NL < RELAYS && !dead[born[0]] -> to = 1
#if NV > 1
        :: (tx-1) % NL < RELAYS && !dead[1+REINC+born[1]] -> to = 2
#endif
        fi }
    OR_DIES
    fi;
#endif
#if NT > 1 || MORE || SENDER || CATCH
    if                                                                      /* is it owed a reply? */
#if SENDER
    :: atomic { !lock[p] && taken[E(p,e)] == mine && mine && !writing[E(p,e)] -> writing[E(p,e)] = 1; holds = 1 }
#else
    :: atomic { !lock[p] && taken[E(p,e)] == mine && mine }
#endif
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
#ifdef BUG_RELAY_WITHOUT_BUSY
    if
    :: atomic { to && word[r] == w -> goto hand_on }
    :: atomic { to && word[r] != w -> goto release }
    :: !to
    OR_DIES
    fi;
#endif
    if
    :: atomic { word[r] == w -> word[r] = WITH(w, BUSY) }
    :: atomic { word[r] != w -> goto release }                              /* ESRCH: it left */
    OR_DIES
    fi;
#endif
#if RELAYS
    if :: to -> goto hand_on :: !to fi;
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
    :: atomic { !more && word[r] == WITH(w,BUSY) -> word[r] = w;            /* that was a Writemsg */
#if CATCH
        if :: owed[p] = tx; FORGET; goto scan :: skip fi;
#endif
        more = 1; goto reply }
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
#if SENDER
        if :: holds -> writing[E(p,e)] = 0; holds = 0 :: else fi;
#endif
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
#if RELAYS
#include "relay.pml"
#endif

#if MORE || DIRECT
end_in_doubt:
    if :: atomic { true -> word[r] = WITH(w, FAILR); goto wake } OR_DIES fi;
#endif

nothing:
    atomic {
        lock[p] = 0;
        if :: quit -> goto die :: else fi;
#if CATCH
        if                                                                  /* the application replies, at last */
        :: owed[p] && (noticed[p] || !caught[0]) ->
            mine = owed[p]; tx = owed[p]; owed[p] = 0; w = taken_word[E(p,0)]; goto reply
        :: !noticed[p] || !owed[p]
        fi;
#endif
        skip
    };
#include "bell.pml"

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
