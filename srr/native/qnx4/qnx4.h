/* qnx4.h - what the files of libsrr-qnx4 share. */
#ifndef SRR_QNX4_H
#define SRR_QNX4_H

#include <errno.h>
#include <stdbool.h>

#include <sys/kernel.h>
#include <sys/types.h>

#define PUBLIC __attribute__((visibility("default")))

#define THIS_NODE 1 /* programs expect a node's number to be positive */

/* libsrr's way of failing, a negative errno value, becomes QNX4's: errno, and -1. */
static inline int answer(int r)
{
    if (r >= 0)
        return r;
    errno = -r;
    return -1;
}

static inline bool is_here(nid_t nid) { return nid == 0 || nid == THIS_NODE; }

/* Whether that means the process manager of this node: its own number, or "here". */
static inline bool is_proc(pid_t pid) { return pid == 0 || pid == PROC_PID; }

/* For which process a descriptor of qnx_fd_attach() stands. -EBADF: it is none; -ESRCH: the process is gone. */
pid_t fd_process(int fd);

#endif
