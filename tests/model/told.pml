/*
 * told.pml - a hint says that a sender that we owe a reply holds back a signal (included in the receiver's
 * body): tells_signals() in srr/native/core/port.c. The bits stay where they are.
 */
#define STEP_BITS \
    if \
    :: atomic { taken[E(p,e)] && signals[r] && !told[E(p,e)] -> tx = signals[r]; TAKE_BITS } \
    :: atomic { !taken[E(p,e)] || !signals[r] || told[E(p,e)] -> FORGET; goto follow } \
    OR_DIES fi;
#ifdef BUG_SIGNALS_TAKEN
#define TAKE_BITS signals[r] = 0
#else
#define TAKE_BITS skip
#endif
#ifdef BUG_TOLD_ONLY_IN_RECV
#define STILL_OURS (word[r] == taken_word[E(p,e)])
#else
#define STILL_OURS (WITH(word[r],IDLE) == WITH(taken_word[E(p,e)],IDLE) && !ENDED(word[r]))
#endif
tells:
#ifndef BUG_WORD_READ_FIRST
    STEP_BITS
#endif
    if
    :: atomic { taken[E(p,e)] && STILL_OURS }
    :: atomic { !taken[E(p,e)] || !STILL_OURS -> FORGET; goto follow }
    OR_DIES
    fi;
#ifdef BUG_WORD_READ_FIRST
    STEP_BITS
#endif
    atomic {
        assert(tx == TAG(taken_word[E(p,e)]) || S_told_another);
        told[E(p,e)] = 1; noticed[p] = 1; FORGET; goto follow
    };
