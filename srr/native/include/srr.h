/*
 * srr.h - Send, Receive and Reply between unrelated processes of one machine.
 *
 * The message passing of QNX4, on Linux: Send blocks until the receiver has Replied; the bytes go
 * straight from one address space into the other. Names and meanings are the QNX4 C Library
 * Reference's; what QNX4 did not have (lengths, time-outs, an error as the reply) is said to be ours.
 *
 * Conventions
 *   - Sizes are bytes. Times are nanoseconds. A process is named by its pid, a sender by its tid
 *     (the main thread's tid is the pid).
 *   - Each function returns 0 or a count on success and a negative errno value on failure; errno
 *     itself is not touched. ret_... arguments are set on success only, except where it is said.
 *   - Short messages and replies are copied by memcpy: where a bad address gives -EFAULT in the direct lane,
 *     it is a fault like any other in the inline lane.
 *   - Every function may be called from any thread. After fork() the child is a new process: it has
 *     no messages, names or slots of its parent's.
 *   - Common failures, not repeated below: -EINVAL (an argument that cannot be right), -EMFILE,
 *     -ENFILE, -ENOMEM (no descriptor or memory for this process's own rows, on its first call).
 */
#ifndef SRR_H
#define SRR_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SRR_PARTS_MAX 255      /* iovecs in one message or one reply (QNX4: _QNX_MXTAB_LEN) */
#define SRR_NAME_MAX 64        /* bytes in a name, without the final 0 */
#define SRR_EDSTFAULT 1012     /* QNX4's EDSTFAULT: the other side's buffer faulted, not mine */

/* How the bytes of one message travelled. */
enum srr_lane {
    SRR_LANE_NONE = 0,     /* there were no bytes */
    SRR_LANE_INLINE = 1,   /* through the slot in shared memory */
    SRR_LANE_DIRECT = 2,   /* process_vm_readv/writev, straight across */
    SRR_LANE_WINDOW = 3,   /* reserved: pooled shared memory, chunk by chunk */
    SRR_LANE_BORROWED = 4, /* reserved: mapped by the receiver, not copied */
    SRR_LANE_HELPER = 5,   /* reserved: by srr-helper */
};

/* How long a call may block. A null pointer means: for ever. */
struct srr_wait {
    int64_t timeout_ns;    /* < 0: for ever; 0: do not block; else nanoseconds from now */
    int (*look)(void *);   /* may be 0. Called at least every 100 ms while blocked; when it returns */
    void *look_arg;        /*   non-zero the call ends as a signal would end it: -EINTR */
};

/* What became of a Send. Filled in on success and on failure alike. */
#define SRR_RECEIVED 1u          /* the receiver took the message: after a failure it is in doubt */
#define SRR_MESSAGE_TRUNCATED 2u /* the receiver never looked at the end of the message */
#define SRR_REPLY_TRUNCATED 4u   /* the reply was longer than the room for it */
#define SRR_BY_SERVER 8u         /* the failure is the receiver's answer (srr_error), not the library's */
struct srr_sent {
    uint64_t replied;      /* length of the reply (or how far srr_write went), also when it did not fit */
    uint64_t stored;       /* bytes of it that are in the reply buffer */
    uint32_t flags;        /* SRR_RECEIVED ... */
    uint8_t message_lane;  /* enum srr_lane */
    uint8_t reply_lane;
    uint16_t reserved;
};

/*
 * Send a message to process `to` and block until it replies. QNX4: Send, Sendmx.
 *
 * SEND-blocked until `to` receives, then REPLY-blocked until it replies. `to` need not know the
 * library yet: the message waits until it does. `reply` may be empty. Ends with 0, or:
 *   -ESRCH      no such process, or it died, or execed (flags say whether it had received)
 *   -ETIMEDOUT  the time ran out (flags likewise)
 *   -EINTR      a signal handler ran, whatever SA_RESTART says, or `look` said so (flags likewise)
 *   -EDEADLK    `to` is this very process
 *   -EACCES     `to` is another user's, or the two may not look at each other (srr doctor says why)
 *   -EPERM      the receiver may not read or write this process's memory, and the message or
 *               reply is too long for the inline lane
 *   -EFAULT     a part of the message or of the reply buffer is not in this process's memory
 *   -EHOSTUNREACH  `to` lives in another pid namespace
 *   -EPROTO     `to` uses another version of the library's shared memory
 *   -EAGAIN     1024 threads of this process already have a slot
 *   -EMSGSIZE   the parts add up to more than 2^46 bytes
 *   any other   what the receiver answered with srr_error (SRR_BY_SERVER is set)
 * After -ETIMEDOUT and -EINTR the call may last as long as the receiver needs to finish a copy
 * into `reply` that it has begun, at most 1 MiB of it.
 */
int srr_send(pid_t to, const struct iovec *message, int message_parts, const struct iovec *reply,
             int reply_parts, const struct srr_wait *wait, struct srr_sent *ret_sent);

/* A message that was received and awaits its reply. */
struct srr_message {
    uint64_t id;           /* for the calls below, in this process only */
    uint64_t nbytes;       /* length sent */
    uint64_t copied;       /* bytes of it that the receive buffer took */
    uint64_t room;         /* bytes of reply that the sender has room for */
    pid_t tid;             /* the sending thread */
    pid_t pid;             /* its process */
    uid_t uid;             /* its user, by the kernel's word */
    uint32_t lane;         /* enum srr_lane */
};

/*
 * Take the next message, in order of arrival. QNX4: Receive, Receivemx.
 *
 * from == 0: from anyone. Else only from that process (pid) or thread (tid); others stay queued.
 * RECEIVE-blocked until there is one. Ends with 0, or:
 *   -ESRCH      `from` does not exist, or died while we waited for it
 *   -ETIMEDOUT  the time ran out
 *   -EINTR      a signal handler ran, or `look` said so
 *   -EFAULT     the receive buffer is not in this process's memory; the sender gets -EFAULT too
 */
int srr_receive(pid_t from, const struct iovec *buffer, int parts, const struct srr_wait *wait,
                struct srr_message *ret_message);

/* The same, never blocking: -ENOMSG when nothing waits. QNX4: Creceive, Creceivemx. */
int srr_creceive(pid_t from, const struct iovec *buffer, int parts, struct srr_message *ret_message);

/*
 * Four calls on a received message; none blocks. Any thread of the receiving process may make them.
 * They return the bytes moved (truncated to what there is, or to the room), or:
 *   -ESRCH         the sender is not REPLY-blocked on us: it died, gave up, or has its reply
 *   -EFAULT        my buffer is not in my memory
 *   -SRR_EDSTFAULT the sender's buffer is not in its memory; from srr_reply, its Send ends with -EFAULT
 *   -EPERM         the kernel does not let us reach the sender's memory (srr doctor says why);
 *                  from srr_reply, the sender's Send ends with -EPERM too
 *
 * srr_reply: ends the Send; the bytes land at offset 0 of its reply buffer. QNX4: Reply, Replymx.
 * srr_error: ends the Send with that errno (1 to 4095), returns 0. Ours; Neutrino's MsgError.
 * srr_read:  from `offset` of the whole message, 0 at or beyond its end. QNX4: Readmsg.
 * srr_write: into the reply buffer at `offset`; the sender stays blocked. QNX4: Writemsg.
 */
int64_t srr_reply(uint64_t id, const struct iovec *reply, int parts);
int srr_error(uint64_t id, int error);
int64_t srr_read(uint64_t id, uint64_t offset, const struct iovec *buffer, int parts);
int64_t srr_write(uint64_t id, uint64_t offset, const struct iovec *data, int parts);

/*
 * Names. A name belongs to one process of this user, a process may hold several, and it is gone when
 * the process is, however it died. 1 to SRR_NAME_MAX bytes, any but 0. They are kept in the folder that
 * srr_runtime_dir() names. QNX4: qnx_name_attach, _detach, _locate, _query. Failures:
 *   -EBUSY      (attach) a living process holds the name
 *   -ESRCH      (locate) nobody does, in the time allowed; (detach) this process does not
 *   -EACCES     the folder is not this user's alone, so it is not trusted
 *   -ENAMETOOLONG
 * srr_name_locate returns the pid. With `wait` it waits until somebody attaches the name; without
 * (a null pointer, or time 0) it answers at once: here a null pointer does not mean for ever.
 * srr_name_list calls `each` for every living name; it returns what `each` returned first that was
 * not 0, else 0. `pid` 0: all processes of this user.
 */
int srr_name_attach(const char *name);
int srr_name_detach(const char *name);
pid_t srr_name_locate(const char *name, const struct srr_wait *wait);
int srr_name_list(pid_t pid, int (*each)(void *arg, pid_t pid, const char *name), void *arg);
int srr_runtime_dir(char *buffer, size_t size);

/* The states a thread can be in. QNX4: SEND-, RECEIVE-, REPLY-blocked. */
enum srr_blocked {
    SRR_NOT_BLOCKED = 0,
    SRR_SEND_BLOCKED = 1,
    SRR_RECEIVE_BLOCKED = 2,
    SRR_REPLY_BLOCKED = 3,
};
struct srr_thread_view {
    int64_t since_ns;      /* CLOCK_MONOTONIC when it began to sleep; 0: not asleep (it spins) */
    uint64_t sent;         /* Sends through this slot so far */
    pid_t tid;
    pid_t on;              /* pid it is SEND- or REPLY-blocked on */
    uint32_t blocked;      /* enum srr_blocked */
    uint32_t reserved;
};
struct srr_process_view {
    int64_t receive_since_ns; /* as since_ns, of the thread that began to sleep last */
    uint64_t sent;         /* Sends begun by this process */
    uint64_t received;     /* messages it has received */
    uint64_t healed;       /* what only the periodic look found: must stay 0 (see docs/table.md) */
    uint32_t receivers;    /* threads RECEIVE-blocked */
    uint32_t threads;      /* srr_thread_views written */
    uint32_t clients;      /* sending threads that have met this process */
    pid_t receive_from;    /* the sender it waits for, 0: anyone, when receivers > 0 */
};

/*
 * Look at another process's rows without touching them: for ps and tracers. Never blocks.
 *   -ESRCH  no such process   -ENOENT  it has no rows: it never used the library
 *   -EACCES it is another user's   -EPROTO another version's
 */
int srr_look(pid_t pid, struct srr_process_view *ret_process, struct srr_thread_view *ret_threads,
             uint32_t max_threads);

/* Limits and version of this library, for `srr doctor` and tests. */
struct srr_facts {
    uint32_t layout_version; /* processes whose layouts differ refuse each other with -EPROTO */
    uint32_t slots;          /* sending threads a process */
    uint32_t entries;        /* sending threads a receiver may have met and not buried */
    uint32_t inline_max;     /* bytes that travel inline at most, as set for this process */
    uint32_t row_size;       /* bytes of the (sparse) row file */
    uint32_t spin_ns;        /* most that a wait spins before it sleeps; 0: never */
};
void srr_facts(struct srr_facts *ret_facts);

#ifdef __cplusplus
}
#endif
#endif
