/*
 * process.h - this process's own rows: made on first use, forgotten by a fork, gone with the process.
 */
#ifndef SRR_PROCESS_H
#define SRR_PROCESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "layout.h"
#include "srr.h"
#include "traced.h"
#include "wait.h"

struct helper;
struct link;
struct receiver;

/* Where a proxy of another process is, that we have triggered. */
#define KNOWN_PROXIES 64
struct known_proxy {
    pid_t id; /* 0: none */
    uint32_t index;
    struct link *link; /* to its owner; held */
};

/* One of our slots: a mapping of our row file, made when the slot is first used. */
struct place {
    struct slot *slot;
    char *message, *reply; /* the inline areas */
    char *window;
    pthread_mutex_t *life; /* held by the thread that has the slot */
    uint32_t index;
    uint64_t word; /* the last transaction's, IDLE: generations go on from here, whatever a peer makes of the slot */
    struct traced traced; /* of the Send under way */
    pid_t relay_to; /* what the last transaction's receiver wrote there */
    uint64_t target; /* pairs: what the slot's `target` is; 0: one of our own rows' */
    struct port *port; /* pairs: the gate's */
    bool taken; /* under the process's lock */
    bool abandoned; /* pairs: the receiver was writing into it when we left, and may be still */
};

struct process {
    pid_t pid;
    a32 abroad; /* 1: we have joined a helper: there may be gates, and news. Before that each verb asks only this */
    uint64_t row_id;
    uint64_t pid_ns;
    int row_fd, life_fd;
    struct row_front *front;
    char *lives;
    pthread_mutex_t lock; /* places, links */
    pthread_mutex_t naming; /* one of our threads at a time changes names */
    pthread_mutex_t introducing; /* one of our threads at a time asks for a pair: the others may use the same */
    _Atomic pid_t let_in; /* whom we named to Yama; -1: there is none */
    struct place *places[SLOTS];
    struct link *links;
    struct known_proxy known_proxies[KNOWN_PROXIES];
    struct receiver *receiver; /* port.h */
    struct helper *helper;     /* helper.h; what each verb asks about it stands here: */
    const a32 *_Atomic news;   /* its word; one that never changes where there is no helper */
    a32 meetings;              /* senders that have been let in to us, and that we have not taken notice of */
    a32 joined;                /* 0: there is no helper; else it is our n-th */
    _Atomic bool joined_once;  /* we have looked for one */
};

/* This process, with rows of its own; in a forked child a new one. NULL: *ret_error is a negative errno. */
struct process *process_self(int *ret_error);

/* The calling thread's tid, and what it has learned about spinning. */
pid_t thread_id(void);
struct spinner *thread_spinner_send(void);
struct spinner *thread_spinner_receive(void);

/*
 * A slot for one Send of the calling thread: the one that it keeps, or, while that one is in use
 * (a Send from within a signal handler or a look()), another. -EAGAIN: all taken.
 */
int place_take(struct process *self, struct place **ret_place);
void place_give(struct process *self, struct place *place);

/* Bytes of a message or reply that go inline at most: SRR_INLINE, INLINE_SIZE at most. */
uint32_t inline_max(void);

/* Under Yama's ptrace_scope 1 whoever reaches into our memory needs our leave; one at a time has it. */
void process_let_in(struct process *self, pid_t pid);

/* SRR_LANE: the lane of what is longer; SRR_LANE_NONE: whatever is best. */
enum srr_lane forced_lane(void);

#endif
