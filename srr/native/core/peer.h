/*
 * peer.h - another process's files: finding them, opening them, and whether it is still the one we met.
 */
#ifndef SRR_PEER_H
#define SRR_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "layout.h"

/* A process, by what can't come back: its number, and a file that only it can have at that place. */
struct peer {
    pid_t pid;
    pid_t tid;       /* the thread through which we saw its descriptors: the first, unless that one has left */
    uid_t uid;
    gid_t gid;
    int row_fd;      /* number in the peer's own table */
    int life_fd;
    dev_t device;    /* of the row file */
    ino_t inode;
    uint64_t row_id;
    uint64_t started; /* when its process started, in ticks since boot; an exec does not change it. 0: unknown */
};

/*
 * Meet a process and open its row file read-write (ret_fd, close-on-exec).
 *   -ESRCH no such process, it is dying, or the number is a thread's   -ENOENT it has no rows yet
 *   -EACCES another user's, or the kernel does not let us look         -EPROTO another version
 *   -EHOSTUNREACH another pid namespace
 * With row_fd >= 0 only that descriptor is looked at.
 */
int peer_meet(pid_t pid, int row_fd, struct peer *ret_peer, int *ret_fd);

/* The same whoever's it is, for those who only look. */
int peer_find(pid_t pid, int row_fd, struct peer *ret_peer, int *ret_fd);

/* For those who only look: its pair with that receiver, read-only, among its descriptors. -ENOENT, -EACCES. */
int peer_open_pair(pid_t pid, pid_t receiver, uint32_t index);

/* Open the life file of a peer just met, read-only. -EPROTO: it isn't one that only its owner can write. */
int peer_open_life(const struct peer *peer, int *ret_fd, uint32_t *ret_word_at);

/*
 * The liveness check: does the process still have that very file at that place, in any of its threads?
 * False is certain: all its threads are gone, it is another program now, or it has closed its rows.
 */
bool peer_alive(const struct peer *peer);

/* Only whether a process of this number exists, is no zombie and is a thread group's leader: 0 or -ESRCH. */
int process_exists(pid_t pid);

/* Does it run as this user? Also where the kernel shows us nothing else of it. */
bool process_is_ours(pid_t pid);

/* The inode of this process's pid namespace: pids mean something only within one. 0: no /proc. */
uint64_t pid_namespace(void);
/* Another process's. 0: it can't be seen. */
uint64_t pid_namespace_of(pid_t pid);

/* The same for a sender's number, which may be a thread's that leads no group. */
int sender_exists(pid_t id);

/* Is that a thread of that process? */
bool is_thread_of(pid_t pid, pid_t tid);

/* When the process of this number started, in clock ticks since boot; 0: there is none, or we can't see. */
uint64_t process_started(pid_t pid);

/* A descriptor that becomes readable when the process has died (all threads), or -errno. */
int process_watch(pid_t pid);
bool watch_says_dead(int watch);

#endif
