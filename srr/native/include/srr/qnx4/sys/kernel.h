/*
 * <sys/kernel.h>: Send, Receive, Reply and the other kernel calls. Functions here, macros on QNX4.
 *
 * In all of them
 *   - a process is named by its pid; virtual circuits of this node are the pid itself (<sys/vc.h>), a proxy is
 *     named by its id;
 *   - sizes are bytes; what is copied is the smaller of what one side has and the other has room for, silently,
 *     in both directions;
 *   - size 0 with a null pointer is allowed, and so are 0 parts; parts are at most 255 (MAX_MX_TAB);
 *   - on failure -1 is returned and errno says why. Common to all, and not repeated: EINVAL, more than 255
 *     parts; EFAULT, memory of the caller's own that is named by the call is not there; EMFILE, ENFILE, ENOMEM,
 *     no descriptor or memory for this process's rows of the waiting table, on its first call;
 *   - a signal handler that returns ends a blocked call with EINTR, whatever SA_RESTART says and however
 *     shortly before the blocking it ran; a call that ends with EINTR is not restarted.
 * Differs from QNX4: both sides must be processes of the same user, who may look at each other as ptrace means
 * it (EACCES; `srr doctor` says why); QNX4 asked nothing. A Send to oneself is EDEADLK; QNX4 is silent about
 * it.
 *
 * Source of all, where nothing else is said: Library Reference, the call's own page.
 */
#ifndef __KERNEL_H_INCLUDED
#define __KERNEL_H_INCLUDED

#include <sys/types.h>

#include <sys/sendmx.h>

#define PROC_PID 1 /* the process manager; here init's number, for qnx_psinfo(), qnx_name_query(), qnx_vc_attach() */

/* struct _psinfo's state: what a process does (headers). */
#define STATE_DEAD 0            /* a zombie */
#define STATE_READY 1           /* it runs, or could */
#define STATE_SEND_BLOCKED 2    /* it has sent, nobody has received yet */
#define STATE_RECEIVE_BLOCKED 3 /* it waits for a message */
#define STATE_REPLY_BLOCKED 4   /* its message was received, the reply is pending */
#define STATE_HELD 5            /* it is stopped (SIGSTOP) */
#define STATE_SIGNAL_BLOCKED 6  /* REPLY-blocked on a process with _PPF_SIGCATCH, with a signal pending */
#define STATE_WAIT_BLOCKED 7    /* it waits for a child */
#define STATE_SEM_BLOCKED 8     /* it waits for a semaphore; not told apart here */

/*
 * struct _psinfo's un.vproc.substate: what a virtual circuit does (headers). There are no circuits to ask about
 * here.
 */
#define _VCS_READY 1       /* idle */
#define _VCS_VA_NET_BLK 2  /* being attached, blocked on the network */
#define _VCS_VAS_NET_BLK 3 /* being attached to a shared one, blocked on the network */
#define _VCS_GS_PROC_BLK 4 /* growing for a Send, blocked on the process manager */
#define _VCS_GS_NET_BLK 5  /* growing for a Send, blocked on the network */
#define _VCS_S_NET_BLK 6   /* sending, blocked on the network */
#define _VCS_GR_PROC_BLK 7 /* growing for a Reply, blocked on the process manager */
#define _VCS_GR_NET_BLK 8  /* growing for a Reply, blocked on the network */
#define _VCS_GW_PROC_BLK 9 /* growing for a Writemsg, blocked on the process manager */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Send a message to process pid and block until it replies; the reply goes to rmsg. SEND-blocked until pid
 * receives, then REPLY-blocked until it replies. pid need not know the library: the message waits until it
 * does. Returns 0, never a length, or -1:
 *   ESRCH         there is no such process, or it died, or became another program, while we were blocked on it
 *   EINTR         a signal handler ran. While we were SEND-blocked: the message was never received. While we
 *                 were REPLY-blocked: nobody knows what became of it, and a later Reply fails with ESRCH at the
 *                 server. Not while REPLY-blocked on a server with _PPF_SIGCATCH: then the signal waits for the
 *                 server (<sys/psinfo.h>)
 *   EFAULT        message or reply buffer is not in our memory
 *   EDSTFAULT     the receiver's buffer is not in its memory
 *   EDEADLK       pid is this process (ours)
 *   EACCES        pid is another user's, or may not be looked at (ours)
 *   EPERM         the receiver may not reach our memory, and message or reply is too long to go without (ours)
 *   EAGAIN        1024 threads of this process send already (ours; QNX4: no network packets)
 *   EHOSTUNREACH  pid lives in another pid namespace (QNX4: on a node that does not answer)
 *   EPROTO        pid uses another version of the library's shared memory (ours)
 *   any other     what a server that uses srr.h has answered with srr_error() (ours)
 * A proxy's id as pid triggers the proxy: the data is dropped, the call does not block, 0 is returned.
 */
extern int Send(pid_t pid, const void *smsg, void *rmsg, unsigned snbytes, unsigned rnbytes);

/* Send, message and reply buffer in parts. The counts come before the tables. Returns and errors: Send's. */
extern int Sendmx(pid_t pid, unsigned sparts, unsigned rparts, const struct _mxfer_entry *smsg,
                  const struct _mxfer_entry *rmsg);

/*
 * Send to the process that a descriptor from qnx_fd_attach() (<sys/fd.h>) stands for. Returns and errors:
 * Send's; EBADF: not such a descriptor.
 */
extern int Sendfd(int fd, const void *smsg, void *rmsg, unsigned snbytes, unsigned rnbytes);
extern int Sendfdmx(int fd, unsigned sparts, unsigned rparts, const struct _mxfer_entry *smsg,
                    const struct _mxfer_entry *rmsg);

/*
 * Take the next message, from pid or, if it is 0, from anybody; others stay queued. RECEIVE-blocked until there
 * is one. Arrival decides the order, or the sender's priority with _PPF_PRIORITY_REC. Returns the sender's pid,
 * to which Reply() must be made, or a proxy's id, to which none can be made, or, for a system message
 * (<sys/sys_msg.h>), the pid that it is about; never a length. Or -1:
 *   ESRCH   pid does not exist, or died while we waited for it
 *   EINTR   a signal handler ran
 *   EFAULT  the buffer is not in our memory: the message's sender gets EDSTFAULT
 */
extern pid_t Receive(pid_t pid, void *msg, unsigned nbytes);
extern pid_t Receivemx(pid_t pid, unsigned parts, const struct _mxfer_entry *msg);

/* Receive, but never blocking. Errors: Receive's, without EINTR; ENOMSG: no message waits. */
extern pid_t Creceive(pid_t pid, void *msg, unsigned nbytes);
extern pid_t Creceivemx(pid_t pid, unsigned parts, const struct _mxfer_entry *msg);

/*
 * Reply to pid, whose message we have received: its Send ends. The bytes land at offset 0 of its reply buffer.
 * In any order, at any time. Does not block. Returns 0, never a length, or -1:
 *   ESRCH      pid is not REPLY-blocked on us: it never sent, has its reply, was interrupted, or died. Harmless
 *   EFAULT     msg is not in our memory; the client stays blocked
 *   EDSTFAULT  its reply buffer is not in its memory: its Send ends with EFAULT
 *   EPERM      the kernel does not let us reach its memory: its Send ends with EPERM (ours)
 */
extern int Reply(pid_t pid, const void *msg, unsigned nbytes);
extern int Replymx(pid_t pid, unsigned parts, const struct _mxfer_entry *msg);

/*
 * Read from the message of pid, which is REPLY-blocked on us, beginning at `offset` of it: 0 is its first byte,
 * not the first one that Receive left. Does not block. Returns how many bytes were moved, fewer than nbytes at
 * the message's end and 0 behind it, or (unsigned)-1: ESRCH as Reply; EFAULT; EDSTFAULT, its message is not in
 * its memory; EPERM as Reply (ours).
 */
extern unsigned Readmsg(pid_t pid, unsigned offset, void *msg, unsigned nbytes);
extern unsigned Readmsgmx(pid_t pid, unsigned offset, unsigned parts, const struct _mxfer_entry *msg);

/*
 * Write into the reply buffer of pid, which is REPLY-blocked on us and stays so, at `offset`. Does not block.
 * Returns how many bytes were moved, fewer than nbytes where its buffer ends, or (unsigned)-1: as Readmsg.
 */
extern unsigned Writemsg(pid_t pid, unsigned offset, const void *msg, unsigned nbytes);
extern unsigned Writemsgmx(pid_t pid, unsigned offset, unsigned parts, const struct _mxfer_entry *msg);

/*
 * Hand process `source`, which is REPLY-blocked on us, over to `target`, which receives its message as though
 * it had been sent to it straight away, and must reply to it. Does not block. Returns 0, or -1: ESRCH, source
 * is not REPLY-blocked on us, or there is no process `target`. What happens to `target` later is between the
 * two.
 */
extern int Relay(pid_t source, pid_t target);

/*
 * Trigger a proxy: its message is delivered to its owner once more. Does not block. Returns the owner's pid, or -1:
 * ESRCH, there is no such proxy; EACCES, it is another user's (ours).
 */
extern pid_t Trigger(pid_t proxy);

/* Let other processes of the same priority run. Returns nothing, cannot fail. */
extern void Yield(void);

#ifdef __cplusplus
}
#endif
#endif
