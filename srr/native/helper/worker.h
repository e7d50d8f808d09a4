/*
 * worker.h - the transfer worker: a process that moves the bytes of one user's senders, and can be killed while it
 * does.
 *
 *   broker ───── asks ─────▶ spawner ──── clone ─────▶ worker: one for each user that lends
 *     uid srr, nothing else    uid srr, CAP_SETUID       real uid and gid: the lender's
 *     │                        and CAP_SETGID            effective and saved: srr's; no capability
 *     └──── orders, and SIGKILL when it takes too long ────▶
 *
 * Whom process_vm_readv() and process_vm_writev() let in is decided by the real uid and gid, by the kernel, in each
 * call: a process of exactly that user and group, dumpable, without capabilities, that Yama does not hide. So what a
 * lender has become meanwhile (a setuid program, another process with its pid) needs no check of ours that could come
 * too late. And because the other ids are srr's, the broker may kill the worker without any privilege, and its user may
 * neither trace it, nor look into it, nor set its limits.
 *
 * What its user can do is stop it and kill it. Then his own messages wait, or are moved by another lane.
 */
#ifndef SRR_WORKER_H
#define SRR_WORKER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "confine.h"
#include "protocol.h"

/*
 * To a worker: move these bytes between that memory and the window, from its beginning. With descriptors, or for the
 * lender and the window of the last order that had some: the pair's file, the lender's connection (the kernel says of
 * it who that is: nobody else's word is taken) and its life file.
 */
struct order {
    uint32_t is_out; /* window -> memory */
    uint32_t part_count;
    uint64_t window_at; /* of the pair's file */
    struct stretch_of parts[LEASE_PARTS];
};
enum { ORDER_PAIR, ORDER_CONNECTION, ORDER_LIFE, ORDER_FDS };

/* From a worker, and from the spawner (moved: 0; descriptors: the worker's socket, its pidfd). */
struct report {
    int32_t error; /* positive */
    int32_t pid;   /* the spawner's: of the worker */
    uint64_t moved;
};

/*
 * One datagram, whole or not at all: 0 or -errno; -EBADMSG: the end, another size, or other descriptors than none or
 * `*fd_count`. Sending never waits; receiving does, without MSG_DONTWAIT.
 */
int datagram_send(int socket, const void *bytes, size_t size, const int *fds, unsigned fd_count);
int datagram_receive(int socket, void *bytes, size_t size, int *ret_fds, unsigned *fd_count, int flags);

/*
 * Before anybody is listened to: the process that makes workers. It becomes who writes to it first, with
 * spawner_meet(), but keeps two capabilities. Its socket or -errno; and the end of a pipe that hangs up when it and its
 * workers are dead. They alone have the other one: the pipe is root's, so that nobody else opens it again.
 */
int spawner_start(pid_t *ret_pid, int *ret_end);
int spawner_meet(int spawner);
/* Asks for a worker for the user at the other end of that connection. A report will come. */
int spawner_ask(int spawner, int connection);

/* worker.c: what the spawner's child does. */
_Noreturn void worker_run(int socket);
/* The worker's system calls; the spawner's must contain them, because filters are inherited. */
extern const struct allowed worker_calls[];
extern const size_t worker_calls_count;

#endif
