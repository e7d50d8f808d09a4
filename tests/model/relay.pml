/*
 * relay.pml - a server hands a message on (included in the receiver's body): srr/native/core/relay.c. The word
 * is BUSY by now, as for a Reply.
 */
hand_on:
    if
    :: atomic { marked[r] -> goto release }
    :: !marked[r]
    OR_DIES
    fi;
#ifndef BUG_RELAY_TO_LATE
    if
    :: atomic { true -> assert(lent[r] == tx || marked[r] || C_lands_elsewhere); relay_to[r] = to - 1 }
    OR_DIES
    fi;
#endif
    if
    :: atomic { true ->                                                     /* exchange */
#ifndef BUG_RELAY_WITHOUT_BUSY
        assert(word[r] == WITH(w,BUSY) || word[r] == WITH(w,BUSYC) || C_lands_elsewhere);
#endif
        word[r] = WITH(w, RELAY);
        relayed[tx] = to;
#ifdef BUG_RELAY_NOT_WOKEN
        goto release
#elif !defined(BUG_RELAY_TO_LATE)
        goto wake
#endif
      }
    OR_DIES
    fi;
#ifdef BUG_RELAY_TO_LATE
    if :: atomic { true -> relay_to[r] = to - 1; goto wake } OR_DIES fi;
#endif
