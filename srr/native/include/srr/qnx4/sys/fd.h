/*
 * <sys/fd.h>: descriptors that stand for a process, for Sendfd() (<sys/kernel.h>). On QNX4 open() made them,
 * because files were kept by processes. Here qnx_fd_attach() makes them, as real descriptors: dup(), fork(),
 * exec and close() do with them what they do with all. The side of I/O managers (a handle for another process's
 * descriptor) is not here. Source: Library Reference; headers.
 */
#ifndef __FD_H_INCLUDED
#define __FD_H_INCLUDED

#include <sys/types.h>

/* What qnx_fd_query() tells (headers, the 32-bit form; pid and vid take the places of the zeros behind them). */
#pragma pack(push, 1)
struct _fd_entry {
    nid_t nid;
    pid_t pid;            /* the process that it stands for; PROC_PID for those of Linux's own */
    pid_t vid;            /* the same */
    uint32_t handle : 24; /* 0 */
    uint32_t flags : 8;   /* _FD_CLOSE_ON_EXEC */
};
#pragma pack(pop)

#define _FD_INVALID 0x80
#define _FD_CLOSE_ON_EXEC 0x40
#define _FD_CORRECT_CLOSE_ON_EXEC 1

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A new descriptor, the lowest free one from fd on, that stands for process pid on node nid. owner_pid is 0;
 * vid is pid, or 0; flags are 0, or _FD_CLOSE_ON_EXEC, in the lower or the upper byte, and a size that is not
 * used; handle is not used. Does not block. Returns the descriptor, or -1:
 *   ESRCH         there is no process pid
 *   EHOSTUNREACH  nid is another node
 *   EINVAL        fd is negative or too large, or vid is neither pid nor 0
 *   EMFILE, ENFILE, ENOMEM  there are no more descriptors
 *   ENOSYS        owner_pid is not 0: the side of I/O managers
 */
extern int qnx_fd_attach(pid_t owner_pid, int fd, nid_t nid, pid_t pid, pid_t vid, unsigned flags, unsigned handle);

/* Close such a descriptor. Does not block. Returns 0, or -1: EBADF, it is not one. */
extern int qnx_fd_detach(int fd);

/*
 * Tell about descriptor fd of process pid (0: this one) or, if it is not open, the next higher one; go on with
 * that + 1 to see all. proc_pid is PROC_PID or 0. Does not block. Returns the descriptor that *buf is about, or
 * -1:
 *   EINVAL  there is none
 *   ESRCH   there is no process pid, or proc_pid is neither
 *   EACCES  it is another user's (ours)
 */
extern int qnx_fd_query(pid_t proc_pid, pid_t pid, int fd, struct _fd_entry *buf);

#ifdef __cplusplus
}
#endif
#endif
