/*
 * helper_inside.h - the connection itself, for the two files that make it up: helper.c and helper_names.c.
 */
#ifndef SRR_HELPER_INSIDE_H
#define SRR_HELPER_INSIDE_H

#include <pthread.h>
#include <sys/stat.h>

#include "helper.h"
#include "process.h"

struct meeting {
    struct meeting *next;
    struct introduction it;
};

struct published {
    struct published *next;
    uint32_t mode, gid;
    char name[HELPER_NAME_MAX + 1];
};

struct helper {
    char path[256];       /* of its socket: asked of the environment once, which a program may change at any moment */
    pthread_mutex_t lock; /* taken before the process's, never after */
    _Atomic int fd;       /* -1: none */
    struct stat socket;   /* what the descriptor is: a program may close what it does not know */
    struct news_page *news;
    a32 silence;          /* in its place, until there has been a helper */
    _Atomic int64_t next_try;
    int why;              /* there is no connection: -errno */
    uint64_t cookie;
    uint32_t features, version;
    pid_t mover;
    int end; /* hangs up when its workers are dead; -1: it has none */
    _Atomic int64_t began; /* the helper */
    uint32_t joins;
    pthread_mutex_t meeting; /* the list; taken last */
    struct meeting *first, *last;
    a32 held_back; /* more may lie on the socket, which was not read because the list was full */
    struct published *names;
    a32 has_names;
};

/* Under the lock: one request, as helper_ask(), of the helper that is there. */
int helper_ask_plain(struct process *self, struct request *request, struct answer *ret_answer);
void helper_unlock(struct process *self);

struct request helper_publication(const struct published *name);

#endif
