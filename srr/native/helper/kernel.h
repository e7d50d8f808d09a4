/*
 * kernel.h - all that the broker asks of the kernel. The fuzzer (tests/fuzz) puts something else in its place.
 *
 * What a sender of datagrams could do to whoever merely receives them, and what is done about each:
 *
 *   - A descriptor of a FUSE file: close() asks its file system first (FLUSH), which need not ever answer; not even
 *     SIGKILL ends that. So no descriptor is closed, and nothing else asked of it, before it is known to be a memfd
 *     (F_GET_SEALS, which asks no file system). Another one is kept for good, and its user is not listened to again:
 *     that is one descriptor a user.
 *   - Descriptors that take long to be dropped (janitor.h), or more than there is room for, which the kernel drops
 *     itself, in our time. So a datagram is looked at, descriptors and all, while it still lies there, and taken away
 *     only if it is a request in order: then the descriptor that we got by looking is not the last.
 */
#ifndef SRR_HELPER_KERNEL_H
#define SRR_HELPER_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "layout.h"
#include "protocol.h"

#ifndef SO_PEERPIDFD /* headers before Linux 6.5; those of PA-RISC and SPARC have it */
#define SO_PEERPIDFD 77
#endif

/* Somebody who connected. */
struct guest {
    int socket, pidfd;
    int32_t pid;
    uint32_t uid, gid;
};

/* A datagram. */
struct delivery {
    struct request request;
    size_t length;
    bool cut;           /* something of it did not fit */
    bool signed_by_kernel;
    int32_t pid;        /* who wrote it */
    uint32_t uid;
    int fd;             /* that came with it, -1: none; ours. More did not fit */
};

/* kernel.c. 0 or -errno; guests that the kernel does not vouch for are let go: -ECONNABORTED. */
int kernel_accept(int listener, struct guest *ret_guest);
/* The next one, which stays where it is. 1, 0: the other end is closed, -EAGAIN: nothing there. */
int kernel_look(int socket, struct delivery *ret_delivery);
void kernel_take(int socket); /* takes it away */
int kernel_send(int socket, const struct answer *answer, const int *fds, unsigned fd_count);
/* Everything that was sent there has been read. */
bool kernel_is_read(int socket);
/* How many of the supplementary groups that it had when it connected fitted; all of them do. */
size_t kernel_groups(int socket, gid_t *groups, size_t room);
bool kernel_is_dead(int pidfd);
bool kernel_is_memfd(int fd);
bool kernel_is_fixed(int memfd); /* it can neither shrink nor grow */
/*
 * This process holds a lock on its life file: it lives, and has not execed. Its user can make the kernel think about
 * that for long.
 */
bool kernel_life_is_held(int life, int32_t pid);
void kernel_close(int fd); /* what nobody else has seen; -1 */
void kernel_close_later(int fd);
bool kernel_has_closed(int fd);
void kernel_hang_up(int socket); /* the other end hears of it; what was sent can still be read */
int kernel_watch(int socket, int pidfd, uint32_t index);
void kernel_unwatch(int socket, int pidfd);
uint64_t kernel_random(void);
int64_t kernel_now(void);
int64_t kernel_spent(void); /* ns: CPU time of the loop so far */

/* files.c. A descriptor or -errno. */
int make_news(struct news_page **ret_page);
void news_add(struct news_page *page);
void news_end(struct news_page *page);
int make_gate(const struct gate_header *header);
int make_pair(const struct pair_header *header);

#endif
