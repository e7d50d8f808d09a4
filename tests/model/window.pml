/*
 * window.pml - the window lane of srr/native/core/window.c: chunks through a slot, asked for by the receiver and moved by
 * the blocked sender's own thread. What comes before and after (rows, bells, queues) is in rendezvous.pml; here a
 * receiver just finds a message that is for it.
 *
 *   sender    one slot, one thread, NX Sends in turn, to receiver 0, 1, ... in turn. A handler or a time-out may make it
 *             leave, at any step.
 *   receiver  NV processes. Each takes what is sent to it, makes up to REQS requests (ASK as Readmsg, GIVE as Writemsg), then
 *             replies: by the window with its last chunks not awaited, by the window where all of it fits, or inline.
 *
 * A message and a reply have M chunks, the window N places. What a chunk holds says whose it is and which; that is compared.
 * A step word is number * 16 + chunks, as step_make() has it.
 *
 * Steps and looks as in rendezvous.pml: one access a step; nobody wakes at a slice's end but for a death. So a lost
 * wake-up stays lost. Labels are the names of window.c's functions.
 *
 * -DBUG_name puts one mistake in. check.sh knows what must find it.
 */
#ifndef NX
#define NX 1            /* Sends                                                          */
#endif
#ifndef NV
#define NV 1            /* receivers                                                      */
#endif
#ifndef M
#define M 3             /* chunks of a message, and of a reply                            */
#endif
#ifndef N
#define N 2             /* chunks in the window                                           */
#endif
#ifndef REQS
#define REQS 1          /* requests of one transaction, besides the reply                 */
#endif
/* -DFEW: all requests are of the whole, and no reply fits into the window */
#ifndef LEAVES
#define LEAVES 1        /* so many handlers or time-outs, at any step                     */
#endif
#ifndef FAULTS
#define FAULTS 0        /* so many bad buffers, of either side                            */
#endif
#ifndef STALLS
#define STALLS 0        /* so many times a receiver has waited long enough                */
#endif
#ifndef KR
#define KR 0            /* receivers killed, at any step                                  */
#endif
#ifndef KS
#define KS 0            /* 1: the sender is killed, at any step                           */
#endif

#define IDLE  0
#define SENT  1
#define RECV  2
#define BUSY  3
#define BUSYC 4
#define ASK   5
#define GIVE  6
#define DONE  7
#define FAILN 8
#define FAILR 9
#define W(t,s)       ((t)*16+(s))
#define ST(w)        ((w)%16)
#define TX(w)        ((w)/16)
#define SERVED(w)    (ST(w) == ASK || ST(w) == GIVE)
#define ENDED(w)     (ST(w) == IDLE || ST(w) >= DONE)
#ifdef BUG_LEAVES_FROM_GIVE
#define LEAVING(w)   (ST(w) == BUSY -> W(TX(w),BUSYC) : W(TX(w),IDLE))
#else
#define LEAVING(w)   (ST(w) == BUSY || ST(w) == GIVE -> W(TX(w),BUSYC) : W(TX(w),IDLE))
#endif
#define MAY_LEAVE(w) (!ENDED(w) && ST(w) != BUSYC)
#define CHUNK(t,reply,k) ((t)*32+(reply)*16+(k)+1)
#define STEP(number,chunks) ((number)*16+(chunks))
#define CHUNKS(step,number) ((step)/16 == (number) -> (step)%16 : 0)
#define END 15          /* STEP_CHUNKS - 1 */
#ifdef BUG_LEAVES_BY_ONE
#define LEAP 15
#else
#define LEAP 7          /* STEP_LEAP: no small number of leaps and steps comes back */
#endif

#define ON_WORD 1
#define ON_STEP 2

/* the slot */
byte word, target, asked_from, asked, asked_number, receiver_step, receiver_sleeping, sender_step, window[N];
bit sleeping, sender_failed, by_window;
/* the kernel's, and what nobody shares */
byte in_wait;                   /* what the sender sleeps on */
bit in_wait_r[NV], dead[NV], gone, over, in_handler, left, must_leave;
byte leaves, faults, stalls, reply_buffer[M];
/* broken promises: never set; their names are what the checker says */
bit A_lost_wakeup, C_wrong_reply, S_mixed_request, delivered_the_wrong_thing;

inline wake(what) { if :: in_wait == what -> in_wait = 0 :: else fi }

inline wake_receivers() { d_step { i = 0; do :: i < NV -> in_wait_r[i] = 0; i++ :: else -> break od; i = 0 } }

/* (c), (d) of the sender */
inline tell_receivers() {
#ifdef BUG_FLAG_CLEARED_BY_SENDER
    if :: !receiver_sleeping :: atomic { receiver_sleeping -> receiver_sleeping = 0; wake_receivers() } fi
#else
    if :: !receiver_sleeping :: atomic { receiver_sleeping -> wake_receivers() } fi
#endif
}

proctype sender() provided (!gone && !in_handler) {
    byte n, w, number, from, length, done, theirs, i, seen_number, seen_from;
    bit begun, last;
next:
    atomic {
        if :: n == NX -> over = 1; goto finished :: else -> n++ fi;
        target = (n-1) % NV; left = 0; must_leave = 0; begun = 0;
        i = 0; do :: i < M -> reply_buffer[i] = 0; i++ :: else -> break od; i = 0;
        word = W(n,SENT)
    };
wait_for_end:
    atomic {
        w = word;
        if
        :: left || ENDED(w) || TX(w) != n -> goto ended
        :: else
        fi;
        if
        :: SERVED(w) && !must_leave -> goto window_serve
        :: else
        fi
    };
sleep_on_word:
    sleeping = 1;
    atomic { if :: word == w -> in_wait = ON_WORD :: else fi };
asleep:
    if
    :: atomic { in_wait == 0 -> goto wait_for_end }
    :: atomic { in_wait != 0 && dead[target] -> in_wait = 0 } /* the slice's look: bereaved */
    fi;
    atomic {
        w = word;
        if
        :: ENDED(w) || TX(w) != n -> goto wait_for_end
        :: else -> word = (ST(w) == SENT -> W(n,FAILN) : W(n,FAILR)); goto wait_for_end
        fi
    };

window_serve:
    theirs = receiver_step;
#ifndef BUG_WORD_READ_ONCE
    if :: word != w -> goto wait_for_end :: else fi;
#endif
read_request:
    atomic { seen_number = asked_number; if :: begun && seen_number == number -> goto have_it :: else fi };
    seen_from = asked_from;
    i = asked;
    if :: word != w && last -> i = 0; goto settle :: word != w && !last -> i = 0; goto wait_for_end :: else fi;
    atomic {
#ifndef BUG_NUMBER_READ_ONCE
        if :: asked_number != seen_number -> i = 0; goto wait_for_end :: else fi;
#endif
        number = seen_number; from = seen_from; length = i; i = 0; begun = 1; done = 0;
        assert((from <= 1 && length > 0 && from + length <= M && (from == 0 || from + length == M)) || S_mixed_request)
    };
    sender_failed = 0;
have_it:
    if :: last -> goto window_finish :: else fi;
    atomic {
        i = CHUNKS(theirs, number);
#ifdef BUG_SLEEPS_ON_THE_WORD_AT_LAST
        if :: done == length -> i = 0; goto sleep_on_word :: else fi;
#else
        if :: done == length -> i = 0; goto sleep_on_step :: else fi;
#endif
#ifdef BUG_TOO_FAR
        if :: (ST(w) == ASK && done >= i + N + 1) || (ST(w) == GIVE && done >= i) -> i = 0; goto sleep_on_step :: else -> i = 0 fi
#else
        if :: (ST(w) == ASK && done >= i + N) || (ST(w) == GIVE && done >= i) -> i = 0; goto sleep_on_step :: else -> i = 0 fi
#endif
    };
#ifdef BUG_STEPS_EARLY
    sender_step = STEP(number, done + 1);
#endif
    if
    :: atomic { ST(w) == ASK -> window[done % N] = CHUNK(n,0,from+done); done++ }
    :: atomic { ST(w) == GIVE -> reply_buffer[from+done] = window[done % N]; done++ }
    :: atomic { faults < FAULTS -> faults++ };
#ifdef BUG_FAILED_AFTER_STEP
        done = length;
        sender_step = STEP(number, done);
        sender_failed = 1
#else
        sender_failed = 1;
        done = length
#endif
    fi;
    sender_step = STEP(number, done);                       /* (c) */
    tell_receivers();                                       /* (d) */
    goto wait_for_end;
sleep_on_step:
#ifdef BUG_SLEEPS_ON_THE_WORD
    goto sleep_on_word;
#endif
    sleeping = 1;
    atomic { if :: receiver_step == theirs -> in_wait = ON_STEP :: else fi };
    goto asleep;

ended:                                                      /* by the receiver, or we have left */
    if
    :: atomic { left || ST(word) != DONE || TX(word) != n || !by_window -> goto settle }
    :: atomic { !(left || ST(word) != DONE || TX(word) != n || !by_window) -> last = 1; w = word; goto read_request }
    fi;
window_finish:
    atomic {
        i = CHUNKS(receiver_step, number);
        assert(((i == length || i == END) && length - done <= N) || S_mixed_request);
        i = 0
    };
drain_rest:
    if
    :: atomic { done < length -> reply_buffer[from+done] = window[done % N]; done++; goto drain_rest }
    :: atomic { done == length && !sender_failed ->
            i = 0; do :: i < length -> assert(reply_buffer[i] == CHUNK(n,1,i) || C_wrong_reply); i++ :: else -> break od; i = 0 }
    :: atomic { done == length && sender_failed }
    fi;
settle:
    atomic {
        last = 0; w = 0; number = 0; from = 0; length = 0; done = 0; theirs = 0; seen_number = 0; seen_from = 0; begun = 0;
        by_window = 0; sleeping = 0; word = W(n,IDLE); goto next
    };
finished:
    skip
}

/* On the sender's thread, in the middle of anything: poke_sender(). A time-out's leaving does the same. */
proctype handler() provided (!gone) {
    byte w, i;
end_none:
    do
    :: atomic { leaves < LEAVES && !over && MAY_LEAVE(word) && !left && !must_leave -> leaves++; in_handler = 1; w = word };
        if
        :: atomic { word == w -> word = LEAVING(w);
            if :: ST(word) == IDLE -> left = 1 :: else -> must_leave = 1 fi }
        :: atomic { word != w -> in_handler = 0; w = 0; goto end_none }
        fi;
window_leave:
#ifdef BUG_LEAVES_QUIETLY
        goto left_it;
#endif
#ifdef BUG_LEAVES_GIVE_QUIETLY
        if :: ST(w) == GIVE -> goto left_it :: else fi;
#endif
        if
        :: SERVED(w) ->
#ifdef BUG_LEAVES_BY_XOR
            sender_step = (sender_step/16)*16 + (END - sender_step%16);
#else
            sender_step = (sender_step/16)*16 + (sender_step + LEAP)%16;
#endif
            tell_receivers()
        :: else
        fi;
left_it:
        /* A handler ends a sleep that had begun before it; one that begins after it compares */
        atomic { w = 0; in_wait = 0; in_handler = 0 }
    od
}

#define CAS_WORD(a,b,failed) \
    if :: atomic { word == (a) -> word = (b) } :: atomic { word != (a) -> goto failed } fi
#define WAKE(what) \
    if :: !sleeping :: atomic { sleeping -> wake(what) } fi
#ifdef BUG_STEPPED_BLINDLY
#define RECEIVER_STEPPED(chunks) \
    atomic { step = STEP(number, chunks); receiver_step = step }; \
    WAKE(ON_STEP)
#else
#define RECEIVER_STEPPED(chunks) \
    atomic { if :: receiver_step == step -> step = STEP(number, chunks); receiver_step = step :: else fi }; \
    WAKE(ON_STEP)
#endif
#ifdef BUG_NO_STEP_AT_END
#define STEP_AT_END skip
#else
#define STEP_AT_END RECEIVER_STEPPED(END)
#endif

proctype receiver(byte p) provided (!dead[p]) {
    byte tx, number, step, from, length, k, there, wanted, seen, i, requests;
    byte got[M];
    bit asks, last, bad, small;
take:
end_idle:
    atomic { ST(word) == SENT && target == p; tx = TX(word); word = W(tx,RECV); requests = 0 };
act:
    if
    :: atomic { requests < REQS -> requests++; asks = 1; last = 0; from = 0; length = M }
    :: atomic { requests < REQS -> requests++; asks = 0; last = 0; from = 0; length = M }
    :: atomic { asks = 0; last = 1; from = 0; length = M }
#ifndef FEW
    :: atomic { requests < REQS -> requests++; asks = 1; last = 0; from = 1; length = M-1 }
    :: atomic { requests < REQS -> requests++; asks = 0; last = 0; from = 1; length = M-1 }
    :: atomic { asks = 0; last = 1; small = 1; from = 0; length = N }
#endif
    :: goto shortly
    fi;

#ifndef BUG_ASKED_IN_RECV
    CAS_WORD(W(tx,RECV), W(tx,BUSY), lost);
#endif
ask:
    number = (asked_number + 1) % 16;
#ifdef BUG_NUMBER_FIRST
    asked_number = number;
#endif
    asked_from = from;
    asked = length;
    atomic { step = STEP(number, 0); receiver_step = step };
#ifndef BUG_NUMBER_FIRST
    asked_number = number;
#endif
    atomic { k = 0; there = 0; bad = 0; if :: small -> goto fits :: else fi };
publish:
#ifdef BUG_ASKED_IN_RECV
    CAS_WORD(W(tx,RECV), W(tx,(asks -> ASK : GIVE)), lost);
#else
    CAS_WORD(W(tx,BUSY), W(tx,(asks -> ASK : GIVE)), unwanted);
#endif
    WAKE(ON_WORD);
    if :: !asks -> goto put_chunks :: else fi;

take_chunks:
    atomic { if :: k == length -> goto withdraw_ask :: else -> wanted = k + 1; goto await_chunks fi };
take_chunk:
    assert((there <= length && there <= k + N) || S_mixed_request);
#ifdef BUG_CREDIT_EARLY
    RECEIVER_STEPPED(k + 1);
#endif
    if
    :: got[k] = window[k % N]
    :: atomic { faults < FAULTS -> faults++; bad = 1; wanted = (k + N < length -> k + N : length) };
#ifdef BUG_NO_REST
        goto withdraw_ask
#else
        goto await_chunks                                   /* what it is filling now, it must have filled */
#endif
    fi;
#ifndef BUG_CREDIT_EARLY
    RECEIVER_STEPPED(k + 1);
#endif
    k++;
    goto take_chunks;
withdraw_ask:
    CAS_WORD(W(tx,ASK), W(tx,RECV), lost_while_asking);
    STEP_AT_END;
    WAKE(ON_WORD);
    atomic {
        i = 0;
        do
        :: i < length && !bad -> assert(got[i] == CHUNK(tx,0,from+i) || delivered_the_wrong_thing); i++
        :: else -> break
        od;
        i = 0; bad = 0
    };
    goto act;
lost_while_asking:                                          /* withdraw() steps all the same */
    STEP_AT_END;
    goto lost;

put_chunks:
    atomic {
        if
        :: k == length && last -> goto done
        :: k == length && !last -> wanted = length; goto await_chunks
        :: k < length && k >= there + N -> wanted = k + 1 - N; goto await_chunks
        :: else
        fi
    };
put_chunk:
    assert(there <= k || S_mixed_request);
    if
    :: window[k % N] = CHUNK(tx,1,from+k)
    :: atomic { faults < FAULTS -> faults++; bad = 1; wanted = k };
#ifdef BUG_NO_REST
        goto withdraw_give
#else
        goto await_chunks
#endif
    fi;
    RECEIVER_STEPPED(k + 1);
    k++;
    goto put_chunks;
withdraw_give:
    CAS_WORD(W(tx,GIVE), W(tx,BUSY), lost_while_giving);
    STEP_AT_END;
    WAKE(ON_WORD);
    atomic {
        i = 0;
        do
        :: i < k && !(bad && i >= wanted) -> assert(reply_buffer[from+i] == CHUNK(tx,1,from+i) || C_wrong_reply); i++
        :: else -> break
        od;
        i = 0; bad = 0
    };
    CAS_WORD(W(tx,BUSY), W(tx,RECV), unwanted);
    goto act;
lost_while_giving:
    STEP_AT_END;
    goto unwanted;

fits:                                                       /* all of it: the sender is not woken for it */
    if
    :: i < length -> window[i] = CHUNK(tx,1,i); i++; goto fits
    :: i == length -> i = 0
    fi;
    atomic { step = STEP(number, length); receiver_step = step };
done:
    atomic { by_window = 1; word = W(tx,DONE); small = 0 }; /* an exchange; what is told in BUSY and GIVE is stable */
    WAKE(ON_WORD);
#ifndef BUG_NOT_CLOSED
    STEP_AT_END;                                            /* window_close() */
#endif
    goto clear;

await_chunks:
    seen = sender_step;
    if
    :: atomic { word == W(tx,(asks -> ASK : GIVE)) }
    :: atomic { word != W(tx,(asks -> ASK : GIVE)) && asks -> goto lost_while_asking }
    :: atomic { word != W(tx,(asks -> ASK : GIVE)) && !asks -> goto lost_while_giving }
    fi;
    atomic { i = CHUNKS(seen, number); if :: i < wanted -> i = 0; goto sleep :: else -> there = i; i = 0 fi };
    if
    :: atomic { !sender_failed && asks && !bad -> goto take_chunk }
    :: atomic { !sender_failed && asks && bad -> goto withdraw_ask }
    :: atomic { !sender_failed && !asks && (bad || k == length) -> goto withdraw_give }
    :: atomic { !sender_failed && !asks && !bad && k < length -> goto put_chunk }
    :: atomic { sender_failed -> goto failed }
    fi;
sleep:
#ifdef BUG_ANNOUNCED_LATE
    atomic { if :: sender_step == seen -> in_wait_r[p] = 1 :: else fi };
    receiver_sleeping++;
#else
#ifdef BUG_FLAG_CLEARED_BY_SENDER
    receiver_sleeping = 1;                                  /* (a) */
#else
    receiver_sleeping++;                                    /* (a) */
#endif
    atomic { if :: sender_step == seen -> in_wait_r[p] = 1 :: else fi }; /* (b) */
#endif
    if
    :: atomic { !in_wait_r[p] -> i = 0 }
    :: atomic { in_wait_r[p] && gone -> in_wait_r[p] = 0; i = 1 }
    :: atomic { in_wait_r[p] && stalls < STALLS -> stalls++; in_wait_r[p] = 0; i = 2 }
    fi;
#ifndef BUG_FLAG_CLEARED_BY_SENDER
    receiver_sleeping--;
#endif
    atomic {
        if
        :: i == 0 -> goto await_chunks
        :: i == 1 -> i = 0; goto lost
        :: i == 2 -> i = 0; if :: asks -> goto give_up_asking :: else -> goto give_up fi
        fi
    };

failed:                                                     /* its buffer is bad: Readmsg or Writemsg says so, and may go on */
    atomic { if :: asks -> bad = 1; goto withdraw_ask :: else -> bad = 1; wanted = 0; k = 0; goto withdraw_give fi };

give_up_asking:                                             /* ETIME: FAILR */
    CAS_WORD(W(tx,ASK), W(tx,RECV), lost_while_asking);
    STEP_AT_END;
    CAS_WORD(W(tx,RECV), W(tx,BUSY), lost);
    goto unwanted;
give_up:
    CAS_WORD(W(tx,GIVE), W(tx,BUSY), lost_while_giving);
    STEP_AT_END;
unwanted:                                                   /* BUSY, BUSYC: conn_end() */
    if
    :: atomic { TX(word) == tx && (ST(word) == BUSY || ST(word) == BUSYC) -> word = W(tx,FAILR) }
    :: atomic { !(TX(word) == tx && (ST(word) == BUSY || ST(word) == BUSYC)) -> goto lost }
    fi;
    WAKE(ON_WORD);
    goto lost;

shortly:
    CAS_WORD(W(tx,RECV), W(tx,BUSY), lost);
    word = W(tx,DONE);
    WAKE(ON_WORD);
lost:
clear:
    atomic {
        bad = 0; small = 0; asks = 0; last = 0; tx = 0; number = 0; step = 0; from = 0; length = 0; k = 0; there = 0; wanted = 0;
        seen = 0; i = 0; requests = 0; goto take
    }
}

proctype killer() {
    byte kr, ks, p;
end_killer:
    do
    :: atomic { kr < KR && !over -> kr++; p = 0; do :: p < NV-1 -> p++ :: break od; dead[p] = 1; p = 0 }
    :: atomic { ks < KS && !over && !in_handler -> ks++; gone = 1 }
    od
}

proctype monitor() {
    byte p;
    timeout;
    assert(over || gone || A_lost_wakeup);
    do
    :: p < NV -> assert(!in_wait_r[p] || dead[p] || A_lost_wakeup); p++
    :: else -> break
    od
}

init {
    atomic {
        byte p;
        run sender();
        if :: LEAVES > 0 -> run handler() :: else fi;
        do :: p < NV -> run receiver(p); p++ :: else -> break od;
        if :: KR + KS > 0 -> run killer() :: else fi;
        run monitor()
    }
}
