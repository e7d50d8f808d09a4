/*
 * broker.h - who is here, who has which name, who has met whom. All of it lies in one structure of fixed size.
 */
#ifndef SRR_BROKER_H
#define SRR_BROKER_H

#include "admission.h"
#include "kernel.h"
#include "quotas.h"

#define SILENCE_MOST (1000 * INT64_C(1000000)) /* ns: to say HELLO */
#define GATES_OF_ONE 120u /* futex_waitv takes 128 words: gates, own bell, news, and some to spare */
/*
 * Datagrams with descriptors on their way. The kernel counts those descriptors, all together, against our limit of
 * open files.
 */
#define UNREAD_OF_PROCESS 64u
#define UNREAD_OF_USER 256u
#define UNREAD_TOTAL 2048u
/* Descriptors that the janitor has not closed yet: with so many, nothing is begun that would be another one. */
#define CLOSING_OF_USER 2048u
#define CLOSING_TOTAL 4096u
/*
 * Of each process its socket, pidfd, life and news; of each user one that can not be closed, its worker's socket and
 * that one's pidfd; some of our own.
 */
#define FILES_MOST (4 * PROCESSES + PAIRS + GATES + 3 * USERS + CLOSING_TOTAL + 256)

/* What epoll tells us: one of these, and below it whose. */
enum event {
    EVENT_LISTENER = 0,
    EVENT_SOCKET = 1 << 24,
    EVENT_DEATH = 2 << 24,
    EVENT_TRANSFER = 3 << 24,
    EVENT_SIGNAL = 4 << 24,
};
#define EVENT_INDEX 0xffffffu

struct process {
    bool known, joined;
    bool waits;   /* for the answer to its last request (transfer.c): until then nothing is read from it */
    bool seeking; /* has asked in vain for a name since its news grew */
    bool is_ready;
    bool leaving; /* gone, but what it was sent lies unread at its end, descriptors and all: it still counts */
    int socket, pidfd, life, news_fd;
    int32_t pid;
    uint32_t uid, gid;
    struct user *user;
    struct news_page *news;
    uint32_t names, pairs, gates, unread;
    int64_t deadline; /* to join, or, when leaving, to look again */
    struct process *next_ready;
};

struct name {
    struct process *holder; /* NULL: free */
    uint32_t gid, mode;
    struct name *next; /* of this user's */
    char text[HELPER_NAME_MAX + 8];
};

/* The port of one receiver for the processes of one user: made for the first of its pairs, gone with the last. */
struct gate {
    struct process *receiver; /* NULL: free */
    uint32_t uid;
    int fd;
    uint64_t id;
    uint32_t pairs, last_index;
    uint64_t taken[GATE_PAIRS / 64];
};

struct pair {
    struct process *sender, *receiver; /* NULL: free */
    struct gate *gate;
    uint32_t index;
    int fd; /* kept for the transfer worker */
    uint64_t id;
};

struct closing {
    int fd;
    struct user *user; /* NULL: of nobody whom we serve */
};

struct broker {
    int epoll, listener, signals;
    bool serves_all;   /* else only_uid's processes */
    uint32_t only_uid;
    bool is_transferring;
    uint32_t strangers; /* connected, not joined; or leaving */
    uint32_t unread, closing_count;
    int64_t spared; /* ns: of the CPU time of this request, what another than the asker has to answer for */
    int64_t began;
    struct quotas quotas;
    struct process processes[PROCESSES];
    struct name names[NAMES];
    struct gate gates[GATES];
    struct pair pairs[PAIRS];
    struct closing closing[FILES_MOST];
    uint64_t watchers[PROCESSES][PROCESSES / 64]; /* [of whom]: bit per watcher */
    gid_t groups[65536]; /* of the process being served: as many as the kernel allows */
};
extern struct broker broker;

/* tables.c: making and ending. Whatever ends, ends everything that hangs on it. */
struct process *process_new(const struct guest *guest); /* NULL: no room */
/* Joined; NULL: none, or it has just been found dead. Never the asker itself. */
struct process *process_find(int32_t pid, const struct process *asker);
bool process_lives(struct process *process, const struct process *asker); /* false: it is gone now */
void process_gone(struct process *process);
void strangers_expire(int64_t now);
/* By the janitor (janitor.h), for whatever others have seen. -1 is nothing. */
void close_later(struct user *user, int fd);
bool has_much_to_close(const struct user *user); /* NULL: all together */
/* -EAGAIN: it does not read what it is sent. */
int process_tell(struct process *process, const struct answer *answer, const int *fds, unsigned fd_count);
struct name *name_find(const struct user *user, const char *text);
struct name *name_new(struct process *holder, const char *text); /* NULL: no room */
void name_end(struct name *name);
struct pair *pair_new(struct process *sender, struct process *receiver, int *ret_error);
void pair_end(struct pair *pair);
bool watch_add(struct process *watcher, struct process *of); /* false: was there */

/* requests.c */
void serve_request(struct process *process, const struct request *request, int life);

/* broker.c */
void greet(const struct guest *guest); /* it is ours now, or closed */
void broker_event(uint64_t event);     /* what epoll has told */
void broker_turn(void);                /* one datagram of each user that has something to say */
void broker_clock(void);               /* what is due */
void process_ready(struct process *process); /* there may be something to read */
void user_spent(struct user *user, int64_t spent); /* ns of our CPU time, by one request or for its life file */
int broker_run(void); /* until SIGTERM, SIGINT or SIGHUP */

#endif
