/*
 * rendezvous.pml - the rendezvous of srr/native/core as a checker sees it: Send, Receive and Reply
 * between processes that each own their part of the waiting table, and may be killed at any step.
 *
 *   client  one slot (word, description, `sleeping`) and one life mark, in its own memory. NC of them.
 *   server  a port (entries, hints, summary, bell, sleepers) in its own memory; NT threads receive from it;
 *           connections, queue, lock and the record of what was taken are private to it. NV of them.
 *
 * There is no third party. A client ends its own Send once its server is certainly dead; a server frees
 * the entries of clients that are certainly dead.
 *
 * One step
 *   Each `if :: atomic { ... } OR_KILLED fi` is one access to shared memory or one system call, with the
 *   thread-local work around it. "Load, CAS, on failure load again" is one step. Everything is seq_cst
 *   in C (descriptions are relaxed, but bracketed by the word), so interleaving is all there is.
 *
 * Looks
 *   Every sleeper in srr looks up at the end of a time slice, and would find what a lost wake-up left
 *   behind. That would hide the loss, so here a slice ends only when somebody has died (or scribbled):
 *   a client looks only if its server is gone or its entry was wiped, a server only if a client of its
 *   has gone, and what it does then is to bury. Any other sleep ends by a wake-up, or never: then
 *   nothing can move any more, and monitor() says A_lost_wakeup.
 *
 * Kills
 *   KB counts exactly: runs with KB=0, 1, 2 together say "at most 2".
 *
 * Relay
 *   A Send that was relayed goes on at another server as a new transaction, its next leg. The specification
 *   counts each leg as a transaction; only the last one's end is the Send's.
 *
 * -DBUG_name puts one mistake in. check.sh knows which configuration must refute which.
 */

/* ---- sizes ---- */
#ifndef NC
#define NC 2            /* client pids                                                    */
#endif
#ifndef NX
#define NX 1            /* Sends that each client process makes                           */
#endif
#ifndef NV
#define NV 1            /* server pids                                                    */
#endif
#ifndef NT
#define NT 1            /* receiving threads of each server: 1 or 2                       */
#endif
#ifndef KB
#define KB 0            /* SIGKILLs, of any process, at any step                          */
#endif
#ifndef RECL
#define RECL 0          /* 1: a killed client's pid is given to a new client, once        */
#endif
#ifndef REINC
#define REINC 0         /* 1: a killed server's pid is given to a new server, once        */
#endif

/* ---- what happens besides ---- */
#ifndef TMO
#define TMO 1           /* each Send may have a time-out or signal, at any moment of its sleep */
#endif
#ifndef RTMO
#define RTMO 0          /* thread 1 may be timed out of Receive, and then leaves for good */
#endif
#ifndef SELECT
#define SELECT 0        /* thread 1 receives from client pid 0 only. 1: it sleeps in a futex queue of its own
                         * (FUTEX_WAIT_BITSET); 2: in the same one, and the kernel wakes who slept first */
#endif
#ifndef MORE
#define MORE 0          /* the server may Writemsg, refuse a message, Reply once more     */
#endif
#ifndef DIRECT
#define DIRECT RECL     /* bytes go through process_vm_*, which is given a pid            */
#endif
#ifndef PIN
#define PIN 0           /* a client may send through the first link it made, however old  */
#endif
#ifndef RELAYS
#define RELAYS 0        /* each Send may be relayed this often, to any server, also back  */
#endif
#ifndef TOUR
#define TOUR 0          /* 1: Sends go to one server after the other, not to any          */
#endif
#ifndef SENDER
#define SENDER 0        /* a thread may answer whatever its process has taken: Reply(pid) */
#endif
#ifndef SIG
#define SIG 0           /* so many wrapped signal handlers run in each client, at any step of a Send */
#endif
#ifndef CATCH
#define CATCH 0         /* servers set SIGCATCH: those of pid 0 (1), all (2); NC=1 only   */
#endif
#ifndef FORGE
#define FORGE 0         /* this many entries are wiped by somebody who may not            */
#endif

/* ---- names ---- */
#define NR (NC*(1+RECL))        /* client processes, one after the other under one pid    */
#define NP (NV*(1+REINC))       /* server processes, likewise                             */
#define NE NR                   /* entries of a port                                      */
#define PID_OF(r)  ((r)/(1+RECL))
#define E(p,e)     ((p)*NE+(e))
#define T(p,t)     ((p)*NT+(t))
#define NL (RELAYS+1)           /* legs of a Send                                         */
#define LEG(l)     ((r*NX+n)*NL+(l)+1)
#if RELAYS
#define TX         LEG(leg)     /* the transaction that client process r is at            */
#else
#define TX         LEG(0)
#endif
#define NTX        (NR*NX*NL+1)
#define CATCHES(p) (CATCH == 2 || (CATCH == 1 && (p)/(1+REINC) == 0))

#define IDLE  0
#define SENT  1
#define RECV  2
#define BUSY  3
#define BUSYC 4
#define DONE  5
#define FAILN 6
#define FAILR 7
#define RELAY 8
#define ST(w)      ((w) & 15)
#define WITH(w,s)  (((w) & 240) | (s))
#define ENDED(w)   (ST(w) == IDLE || ST(w) >= DONE)
#ifdef BUG_NO_GENERATION
#define NEXT(w)    SENT
#else
#define NEXT(w)    (((w) & 240) + 16 + SENT)
#endif

/* ---- a client's memory: the server writes `word` too, within the rules ---- */
byte word[NR];
byte desc[NR];                  /* of which transaction the description speaks            */
byte target[NR];                /* row id of the receiver: server process + 1             */
bit  sleeping[NR];
#if RELAYS
byte relay_to[NR];              /* a pid's number                                         */
#endif
#if CATCH
byte signals[NR];               /* 0: none to tell the server of. C has bits, here it says whose they are, too */
bit  caught[NR];                /* `signalled`: a handler waits for the server's leave    */
#endif

/* ---- a port: its server's memory, clients write it too ---- */
byte entry[NP*NE];              /* 0 free, or client process + 1 (pid, slot, nonce)       */
byte hints[NP];                 /* bit e: look at entry e                                 */
bit  summary[NP];
bit  rung[NP*NT];               /* the bell, as thread t sees it: it moved since I read it */
byte sleepers[NP];
bit  all[NP];                   /* SLEEPERS_WAKE_ALL, a bit of `sleepers`                 */

/* ---- a server's private memory ---- */
byte conn[NP*NE];               /* the entry as it was accepted; its slot is mapped       */
byte queue[NP];                 /* bit e: a message was seen in the slot of entry e       */
byte taken[NP*NE];              /* serial of the message that is owed a reply             */
#if defined(BUG_TAKEN_COPIED_LATE) || defined(BUG_ID_READ_LATE) || SENDER || CATCH
#define TAKEN_WORD
byte taken_word[NP*NE];
#endif
#if SENDER
bit  writing[NP*NE];            /* a thread is at it                                      */
#endif
#if CATCH
bit  told[NP*NE];               /* its sender holds back a signal, and a notice was made of that */
bit  noticed[NP];               /* the application was given the notice                   */
byte owed[NP];                  /* the application has received it, and answers when it is told of a signal */
#endif
bit  lock[NP];

/* ---- the kernel ---- */
bit  marked[NR];                /* the life: set when the thread ends, before the process has gone */
bit  gone[NR];
byte holder[NC];                /* which client process has this pid (or had it last)     */
bit  killed[NP];
byte left[NP];                  /* threads that have ended                                */
bit  dead[NP];                  /* all have: the liveness check says so                   */
byte born[NV];                  /* which server process has this pid                      */
bit  in_wait[NR];               /* sleeps on its word                                     */
bit  in_wait_t[NP*NT];          /* sleeps on the bell                                     */
#if SELECT == 2
byte longest[NP];               /* which thread has slept longest, if both do             */
#endif
byte kills = KB;

/* ---- permission to look ---- */
bit  dirty[NP];                 /* a client of this port has gone since the last look     */
bit  wiped[NR];                 /* its entry was wiped while it was sending               */
byte sending[NR];               /* to this server process + 1                             */

/* ---- what the specification remembers ---- */
byte lent[NR];                  /* transaction that has the application's buffers, 0: none */
byte out[NTX];                  /* how it ended, 0: not yet                               */
bit  seen[NTX];                 /* some server's application has been given it            */
bit  answered[NTX];             /* a Reply to it has returned success                     */
bit  refused[NTX];
#if RELAYS
byte relayed[NTX];              /* a Relay of it has returned success: to this pid's number + 1 */
#endif

/* how a Send ends */
#define OK      1
#define TIMEOUT 2
#define ESRCH   3
#define REFUSED 4
#define EINTR   5
#define RECEIVED 8              /* "in doubt"; without it: "not received, safe to repeat" */

/* For -DREACH: how, and after what: 100 a Relay, 200 a signal that the server was told of */
#if RELAYS
#define ENDING (why + 100 * received)
#elif CATCH
#define ENDING (why + 200 * (caught[r] && noticed[p]))
#else
#define ENDING why
#endif

/* The promises, so that a refutation says which one was broken. Nobody sets these. */
bit A_lost_wakeup, A_lost_signal, B_ends_twice, B_result_is_wrong, B_relay_is_wrong, C_lands_elsewhere, D_left_behind,
    D_false_obituary, G_not_safe_to_repeat, S_left_a_catcher, S_told_another, delivered_twice, delivered_for_a_corpse,
    delivered_the_wrong_thing;

/* Is the server certainly dead? The bug: its first thread is. */
#ifdef BUG_DEATH_IS_FIRST_THREAD
#define DEAD(p) (killed[p] && left[p] > 0)
#else
#define DEAD(p) dead[p]
#endif

/* Is the message for this server process? The bug: for this pid. */
#ifdef BUG_TARGET_IS_PID
#define FOR_ME(r) ((target[r]-1)/(1+REINC) == p/(1+REINC))
#else
#define FOR_ME(r) (target[r] == p+1)
#endif

/* The client process of an entry. The bug: whoever has its pid now. */
#ifdef BUG_ENTRY_BY_PID
#define ROW(x) holder[PID_OF((x)-1)]
#else
#define ROW(x) ((x)-1)
#endif

#if KB > 0
#define OR_KILLED :: atomic { kills > 0 -> kills--; goto die }
#else
#define OR_KILLED
#endif

/* One of a process's threads has got the signal when it is sent; the others go on until they get it too. */
#if KB > 0
#define OR_DIES :: atomic { kills > 0 && !killed[p] -> kills--; killed[p] = 1; goto die } ALSO_DIES
#else
#define OR_DIES
#endif
#if NT > 1
#define ALSO_DIES :: atomic { killed[p] -> goto die }
#else
#define ALSO_DIES
#endif

/* A handler may run here (poke.pml), and comes back here. */
#define LOAD        1
#define LOADED      2
#define ANNOUNCE    3
#define COMPARE     4
#define WOKEN_BY_IT 5
#define BEREAVED    6
#define LEAVE       7
#if SIG
#define AFTER_RING ask
#define OR_POKED(here) :: atomic { sigs -> sigs--; put_off = 1; back = here; goto poke }
#define END_OF_SIG put_off = 0; must_leave = 0; from = 0
#else
#define AFTER_RING wait
#define OR_POKED(here)
#define END_OF_SIG skip
#endif
#if CATCH
#define TAG(w) (((w) & 240) | 1)
#define CAUGHT caught[r]
#define END_OF_CATCH caught[r] = 0
#else
#define CAUGHT 0
#define END_OF_CATCH skip
#endif
#if RELAYS
#define END_OF_SEND END_OF_SIG; END_OF_CATCH; leg = 0; received = 0; wished = 0
#else
#define END_OF_SEND END_OF_SIG; END_OF_CATCH
#endif

#include "client.pml"
#include "server.pml"

#if FORGE
proctype forger() {
    byte e, n;
end_forge:
    atomic {
        if
        :: n < FORGE && entry[E(0,0)] -> e = 0
#if NE > 1
        :: n < FORGE && entry[E(0,1)] -> e = 1
#endif
        fi;
        if :: sending[entry[E(0,e)]-1] == 1 -> wiped[entry[E(0,e)]-1] = 1 :: else fi;
        entry[E(0,e)] = 0; e = 0; n++;
        goto end_forge
    }
}
#endif

/* When nothing can move any more, nobody waits (Spin sees that) and nothing is left behind (D). */
proctype monitor() {
    byte i, p;
    timeout;
    atomic {
        do
        :: i < NR -> assert(gone[i] || !sending[i] || A_lost_wakeup); i++
        :: else -> break
        od;
        do
        :: p < NP && !dead[p] ->
            i = 0;
            do
            :: i < NE -> 
                assert(!entry[E(p,i)] || !gone[entry[E(p,i)]-1] || D_left_behind);
                assert(!conn[E(p,i)] || !gone[conn[E(p,i)]-1] || D_left_behind);
                assert((!queue[p] && !taken[E(p,i)]) || D_left_behind);
                i++
            :: else -> break
            od;
#ifndef BUG_FLAG_CLEARED_BY_WAKER
#if NT > 1
            assert(sleepers[p] == in_wait_t[T(p,0)] + in_wait_t[T(p,1)] || D_left_behind);
#else
            assert(sleepers[p] == in_wait_t[T(p,0)] || D_left_behind);
#endif
#endif
            p++
        :: p < NP && dead[p] -> p++
        :: p == NP -> break
        od
    }
}

init {
    byte k;
    atomic {
        do :: k < NV -> run server(k*(1+REINC)); k++ :: else -> break od;
        k = 0;
        do :: k < NC -> run client(k*(1+RECL)); k++ :: else -> break od;
#if FORGE
        run forger();
#endif
        run monitor()
    }
}
