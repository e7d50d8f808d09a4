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
 *     it is a fault like any other in the inline lane, unless the program catches faults (srr_signals_wrapped).
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
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

#define SRR_PARTS_MAX 255      /* iovecs in one message or one reply (QNX4: _QNX_MXTAB_LEN) */
#define SRR_NAME_MAX 64        /* bytes in a name, without the final 0 */
#define SRR_EDSTFAULT 1012     /* QNX4's EDSTFAULT: the other side's buffer faulted, not mine */

/* How the bytes of one message travelled. */
enum srr_lane {
    SRR_LANE_NONE = 0,     /* there were no bytes */
    SRR_LANE_INLINE = 1,   /* through the slot in shared memory */
    SRR_LANE_DIRECT = 2,   /* process_vm_readv/writev, straight across */
    SRR_LANE_WINDOW = 3,   /* through the slot's 256 KiB, by both sides: where the kernel refuses the direct lane */
    SRR_LANE_BORROWED = 4, /* reserved: mapped by the receiver, not copied */
    SRR_LANE_HELPER = 5,   /* moved by srr-helper --transfer, between two users */
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
 *   -EACCES     `to` is another user's, or the two may not look at each other (srr doctor says why), and there is no
 *               srr-helper to introduce them, or none of its names admits this user (srr_name_share)
 *   -EPERM      the receiver may not read or write this process's memory, and its SRR_LANE forbids other lanes
 *   -ETIME      this process did not move its bytes while the receiver waited for them: it was stopped, or starved
 *               (window lane: nothing for 1 s, SRR_STALL_MS, or less than 16 MiB/s on the whole)
 *   -EFAULT     a part of the message or of the reply buffer is not in this process's memory
 *   -EHOSTUNREACH  `to` lives in another pid namespace
 *   -EPROTO     `to` uses another version of the library's shared memory
 *   -EAGAIN     1024 threads of this process already have a slot; or srr-helper grants this user no more pairs
 *   -EMSGSIZE   the parts add up to more than 2^46 bytes
 *   -SRR_EDSTFAULT  the receiver's buffer is not in its memory
 *   any other   what the receiver answered with srr_error (SRR_BY_SERVER is set)
 * A proxy's id as `to` triggers the proxy: the data is dropped, the call does not block.
 * After -ETIMEDOUT and -EINTR the call may last as long as the receiver needs to finish a copy
 * into `reply` that it has begun, at most 1 MiB of it (256 KiB by the window).
 */
int srr_send(pid_t to, const struct iovec *message, int message_parts, const struct iovec *reply,
             int reply_parts, const struct srr_wait *wait, struct srr_sent *ret_sent);

/* What was received. */
enum srr_kind {
    SRR_KIND_MESSAGE = 0,  /* a message: its sender awaits the reply */
    SRR_KIND_PROXY = 1,    /* a proxy was triggered: `tid` is the proxy's id; there is nobody to reply to */
    SRR_KIND_NOTICE = 2,   /* a system message about process `tid` (srr_notify, SRR_FLAG_SIGCATCH); without a reply */
};

/* A message that was received and, if it is of SRR_KIND_MESSAGE, awaits its reply. */
struct srr_message {
    uint64_t id;           /* for the calls below, in this process only; 0 unless SRR_KIND_MESSAGE */
    uint64_t nbytes;       /* length sent */
    uint64_t copied;       /* bytes of it that the receive buffer took */
    uint64_t room;         /* bytes of reply that the sender has room for */
    pid_t tid;             /* the sending thread */
    pid_t pid;             /* its process */
    uid_t uid;             /* its user, by the kernel's word */
    uint32_t lane;         /* enum srr_lane */
    uint32_t kind;         /* enum srr_kind */
    gid_t gid;             /* its group, likewise */
};

/* In place of an id: the message of that sender (srr_message.tid) that awaits our reply, the latest of several. */
#define SRR_SENDER(sender) (UINT64_C(1) << 63 | (uint32_t)(sender))

/*
 * Take the next message, proxy or notice, in order of arrival (or of priority: srr_flags). QNX4: Receive, Receivemx.
 *
 * from == 0: from anyone. Else only from that process (pid), thread (tid) or proxy; others stay queued.
 * RECEIVE-blocked until there is one. Ends with 0, or:
 *   -ESRCH      `from` does not exist, or died while we waited for it
 *   -ETIMEDOUT  the time ran out
 *   -EINTR      a signal handler ran, or `look` said so. Where srr-helper serves this process, a handler that was installed with
 *               SA_RESTART and is not wrapped (srr_signals_wrapped) may not end the call: the kernel's wait for several
 *               words goes on after it
 *   -EFAULT     the receive buffer is not in this process's memory; the sender gets -SRR_EDSTFAULT
 */
int srr_receive(pid_t from, const struct iovec *buffer, int parts, const struct srr_wait *wait,
                struct srr_message *ret_message);

/* The same, never blocking: -ENOMSG when nothing waits. QNX4: Creceive, Creceivemx. */
int srr_creceive(pid_t from, const struct iovec *buffer, int parts, struct srr_message *ret_message);

/*
 * Four calls on a received message; none blocks, but for long messages by the window lane, where they wait for the
 * sender's thread to move its bytes: one that moves none for 1 s (SRR_STALL_MS), or less than 16 MiB/s on the whole,
 * has its Send ended with -ETIME, and this call is -ESRCH. Any thread of the receiving process may make them. They
 * return the bytes moved (truncated to what there is, or to the room), or:
 *   -ESRCH         the sender is not REPLY-blocked on us: it died, gave up, did not serve, or has its reply
 *   -EFAULT        my buffer is not in my memory
 *   -SRR_EDSTFAULT the sender's buffer is not in its memory; from srr_reply, its Send ends with -EFAULT
 *   -EPERM         the kernel does not let us reach the sender's memory (srr doctor says why), and SRR_LANE
 *                  forbids other lanes; from srr_reply, the sender's Send ends with -EPERM too
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
 * Hand a sender that is REPLY-blocked on us over to process `target`, which receives the message as though it had been
 * sent to it straight away, and must reply to it. Does not block. What srr_write wrote stays written. QNX4: Relay.
 *   -ESRCH  the sender is not REPLY-blocked on us, or there is no process `target`
 * Later failures (`target` dies, may not be reached) are the sender's: its Send ends with them.
 */
int srr_relay(uint64_t id, pid_t target);

/*
 * Proxies. A proxy is a message of fixed content (`data`, copied now) that anybody who knows its id can have
 * delivered to its owner with srr_trigger(), which never blocks, counts (65,535 at most are pending, more are
 * dropped), tells nothing about who triggered, and may be called from a signal handler whose program wraps its
 * handlers (srr_signals_wrapped), else only from ordinary code. Ids are numbers of the pid space: that of a
 * parked thread in the process that attached it, so nobody else has it. A proxy is gone when its owner or the
 * process that attached it is, and at exec. QNX4: qnx_proxy_attach, qnx_proxy_detach, Trigger.
 *
 * srr_proxy_attach: owner 0 or a pid of this user's, which must have rows already. priority 1 to 29, or -1: the
 * caller's. Returns the id.
 *   -EINVAL  nbytes > SRR_PROXY_MAX, or the priority
 *   -EAGAIN  no thread, or 256 proxies are attached to the owner or by the caller, or the owner has not used the
 *            library yet
 *   -ESRCH   no such owner
 *   -EACCES  it is another user's
 * srr_proxy_detach: -ESRCH no such proxy, -EPERM it is neither attached to nor by the caller.
 * srr_trigger: the owner's pid, or -ESRCH: no such proxy (any more). -EACCES it is another user's.
 * srr_proxy_look: what is known of one. Failures as srr_trigger().
 * srr_proxy_list: calls `each` for the proxies that deliver to process `owner`, until it returns something
 * other than 0, which is returned. Failures as srr_look().
 */
#define SRR_PROXY_MAX 100      /* bytes of data */
struct srr_proxy_view {
    pid_t id;
    pid_t owner;           /* whom it delivers to */
    uint32_t count;        /* triggers not received yet */
    uint32_t priority;
};
pid_t srr_proxy_attach(pid_t owner, const void *data, uint32_t nbytes, int priority);
int srr_proxy_detach(pid_t proxy);
pid_t srr_trigger(pid_t proxy);
int srr_proxy_look(pid_t id, struct srr_proxy_view *ret_proxy);
int srr_proxy_list(pid_t owner, int (*each)(void *arg, const struct srr_proxy_view *proxy), void *arg);

/* Put a notice into this process's own queue, as though `from` had sent it. At most 64 bytes: -EINVAL. */
int srr_notify(pid_t from, const void *data, uint32_t nbytes);

/*
 * This process's flags: new = (old & ~mask) | (bits & mask). QNX4: qnx_pflags; its _PPF_ values. The core heeds:
 *   PRIORITY_REC    messages are received by the priority that their senders have when they are seen, then by arrival
 *   PRIORITY_FLOAT  the same, and the receiving thread takes the priority of the sender it has just received from, and
 *                   a more urgent one's that is SEND-blocked on it; only where it may return to a higher one
 *                   (RLIMIT_NICE, CAP_SYS_NICE)
 *   SIGCATCH        a wrapped signal (srr_signals_wrapped) does not end the Send of a client that is REPLY-blocked on
 *                   us: it stays pending, the client is SIGNAL-blocked, and we receive a notice: uint16 0, 1; int32
 *                   signal bits (1 << (signo - 1))
 */
#define SRR_FLAG_PRIORITY_REC 0x10u
#define SRR_FLAG_PRIORITY_FLOAT 0x20u
#define SRR_FLAG_SIGCATCH 0x80u
int srr_flags(uint32_t bits, uint32_t mask, uint32_t *ret_old, uint32_t *ret_new);

/*
 * Priorities as QNX4 counts them, 1 (lowest) to 29: 1 to 19 are nice values 9 to -9 (a lower nice is 19, a higher 1),
 * 20 to 29 are SCHED_RR at 1 to 10. tid 0: the calling thread. srr_set_priority returns the one before. -ESRCH,
 * -EINVAL, -EPERM (the kernel does not let us: RLIMIT_NICE, CAP_SYS_NICE). QNX4: getprio, setprio.
 */
int srr_priority(pid_t tid);
int srr_set_priority(pid_t tid, int priority);

/*
 * Signals, for a library that wraps the program's signal handlers (libsrr-qnx4 does). Without it a handler that
 * runs after a verb was entered but before it sleeps may leave it blocked until the next one.
 *
 * srr_signals_wrapped: from now on every handler of this process calls srr_signal_arrived() first. `faults`: those for
 * SIGSEGV and SIGBUS call srr_fault_arrived() first, and bad addresses give -EFAULT in the inline lane, too. `catcher`
 * is called when a Send of this process meets a receiver with SRR_FLAG_SIGCATCH: time to wrap signals without a handler
 * as well.
 *
 * srr_signal_arrived: 0: go on and run the handler; a verb that this thread is blocked in has been ended with -EINTR,
 * so the handler may as well not return. 1: return at once; the signal is pending again, and will arrive when the verb
 * lets it. `info` and `context` are the wrapper's own arguments. Async-signal-safe, as is srr_fault_arrived(), which
 * does not return if the fault was the library's own copying.
 */
void srr_signals_wrapped(int faults, void (*catcher)(void));
int srr_signal_arrived(int signo, const void *info, void *context);
void srr_fault_arrived(void);

/* For that library's own short sections: signals that arrive between the two wait for the end. They nest. */
void srr_signals_hold(void);
void srr_signals_release(void);

/*
 * Names. A name belongs to one process of this user, a process may hold several, and it is gone when
 * the process is, however it died. 1 to SRR_NAME_MAX bytes, any but 0. They are kept in the folder that
 * srr_runtime_dir() names. QNX4: qnx_name_attach, _detach, _locate, _query. Failures:
 *   -EBUSY      (attach) a living process holds the name
 *   -ESRCH      (locate) nobody does, and there is nothing to wait for; (detach) this process does not
 *   -ETIMEDOUT, -EINTR  (locate, with `wait`) nobody attached it in time; a signal handler ran, or `look` said so
 *   -EAGAIN     (attach) 4096 names are held already
 *   -EACCES     the folder is not this user's alone, so it is not trusted
 *   -ENAMETOOLONG
 * srr_name_locate returns the pid. With `wait` it waits until somebody attaches the name; without
 * (a null pointer, or time 0) it answers at once: here a null pointer does not mean for ever.
 * srr_name_attach returns a small number, 0 or more, that no other living name of this user has.
 * srr_name_list calls `each` for every living name; it returns what `each` returned first that was
 * not 0, else 0. `pid` 0: all processes of this user.
 */
int srr_name_attach(const char *name);
int srr_name_detach(const char *name);
pid_t srr_name_locate(const char *name, const struct srr_wait *wait);
int srr_name_list(pid_t pid, int (*each)(void *arg, int id, pid_t pid, const char *name), void *arg);
int srr_runtime_dir(char *buffer, size_t size);

/*
 * Names for other users, by srr-helper: attached in the folder as above, and found by others as "name@user" (or
 * "name@uid"), as their owner's user and the name's `mode` and group `gid` say, which are a file's: w may send to
 * this process, r may see the name in lists. Nobody else's plain name is ever found: a name is its user's alone,
 * whoever has one that is spelled the same. srr_name_locate takes them, too, after a name of one's own of exactly
 * that spelling; srr_send to a pid works as well, if one of its names admits the caller. Sharing a name again
 * changes its mode and group. Failures, beside those above:
 *   -ENOSYS     there is no srr-helper (SRR_HELPER, else /run/srr/helper.sock), or this kernel is older than 5.16
 *   -EPERM      (share) gid is none of this process's groups
 *   -EAGAIN     (share) this user shares too many names
 *   -EINVAL     mode has other bits than 0666
 * A blocked call sleeps on several words at once where it expects others: see -EINTR of srr_receive.
 */
struct srr_shared_name {
    const char *name;
    uid_t uid;             /* whose */
    gid_t gid;
    uint32_t mode;
    pid_t pid;
};
int srr_name_share(const char *name, uint32_t mode, gid_t gid);
/* Those that this process may see, of all users, its own among them. */
int srr_name_list_shared(int (*each)(void *arg, const struct srr_shared_name *name), void *arg);

/* What there is of srr-helper, for `srr doctor`. */
struct srr_helper_view {
    char path[256];        /* where it is looked for; empty: SRR_HELPER says nowhere */
    int32_t reachable;     /* 0, or why not: -ENOENT there is none, -ECONNREFUSED it does not run, -EACCES its socket is not to be trusted,
                              -EPROTO another version, -ENOSYS this kernel is too old, -EHOSTUNREACH another pid namespace */
    uint32_t protocol;     /* ours */
    uint32_t layout;       /* ours */
    uint32_t transfer;     /* 1: it moves bytes */
    uint32_t used[8], limit[8]; /* of this user: processes, names, pairs, KiB of pairs, watches, leases, moves, log lines */
};
int srr_helper(struct srr_helper_view *ret_helper);

/* The states a thread can be in. QNX4: SEND-, RECEIVE-, REPLY-, SIGNAL-blocked. */
enum srr_blocked {
    SRR_NOT_BLOCKED = 0,
    SRR_SEND_BLOCKED = 1,
    SRR_RECEIVE_BLOCKED = 2,
    SRR_REPLY_BLOCKED = 3,
    SRR_SIGNAL_BLOCKED = 4, /* REPLY-blocked on a process with SRR_FLAG_SIGCATCH, with a signal pending */
};
struct srr_thread_view {
    int64_t since_ns;      /* CLOCK_MONOTONIC when it began to sleep; 0: not asleep (it spins) */
    uint64_t sent;         /* Sends through this slot so far */
    pid_t tid;
    pid_t on;              /* pid it is SEND- or REPLY-blocked on */
    uint32_t blocked;      /* enum srr_blocked */
    uint32_t reserved;
    uint64_t id;           /* the transaction's: another Send has another one */
    uint64_t nbytes;       /* of the message */
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
    uint32_t flags;        /* srr_flags() */
    uint32_t reserved;
};

/*
 * Look at another process's rows without touching them: for ps and tracers. Never blocks.
 *   -ESRCH  no such process   -ENOENT  it has no rows: it never used the library
 *   -EACCES it is another user's   -EPROTO another version's
 */
int srr_look(pid_t pid, struct srr_process_view *ret_process, struct srr_thread_view *ret_threads,
             uint32_t max_threads);

/*
 * Messages that await that process's reply: whose, and which of its threads received it. Their number, at most `max`;
 * fails as srr_look().
 */
struct srr_taken_view {
    pid_t from;            /* the sending thread */
    pid_t by;
};
int srr_look_taken(pid_t pid, struct srr_taken_view *ret_taken, uint32_t max);

/*
 * The beginning of the message that a thread of that process is SEND- or REPLY-blocked with, into `buffer`. Bytes
 * stored, or the failures of srr_look(); -ESRCH also if that thread is not blocked, or not any more; -EPERM, -EFAULT:
 * its memory can not be read (a message over 64 KiB stays there; by the window lane, as much as is in the window).
 */
int64_t srr_peek(pid_t pid, pid_t tid, void *buffer, uint32_t size);

/*
 * Where calls come from, for interpreters: what the debugger of their language would show. While a tracer listens to
 * the probe `frames`, srr_frames_wanted() is 1; the calling thread then sets a text before a verb, "function
 * (file:line);" outermost first, and NULL after it. The text is the caller's, and read during the verb only.
 */
int srr_frames_wanted(void);
void srr_frames(const char *text);

/* Nanoseconds that so many hits of the probe `idle` take: what listening costs here, for a tracer attached to it. */
int64_t srr_probe_cost(uint32_t hits);

/*
 * The descriptors that the library keeps open, in order: of this process's rows, of srr-helper's socket and of those
 * whom it has introduced. Their number, at most `max`. Whoever closes them is found by nobody any more, and what is
 * opened in their place is taken for them. Async-signal-safe.
 */
#define SRR_KEPT_MAX 256
int srr_kept(int *fds, int max);

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

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
