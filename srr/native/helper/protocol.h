/*
 * protocol.h - what a process and srr-helper say to each other.
 *
 * A SOCK_SEQPACKET socket at SRR_HELPER, else /run/srr/helper.sock. Each request is one datagram of exactly
 * sizeof(struct request), each answer and each piece of news one of exactly sizeof(struct answer): a request of
 * another size, with unasked descriptors or an unknown `op` ends the connection. One process has one connection, and
 * it alone may use it: the kernel tells with each datagram who wrote it (SCM_CREDENTIALS), and that must be who
 * connected (SO_PEERCRED). A process whose real and effective users differ must name the effective one there itself.
 *
 * The first request is HELLO, within a second. Requests are answered in order, each by one answer with the same `op`
 * and `cookie`; news (MEET) may come in between. Fields that a request does not use are 0. Numbers are the machine's
 * own; the layout is the same for processes of 32 and of 64 bits. Names of processes are pids of the helper's pid
 * namespace.
 *
 * Who connects when his user has too many processes here gets HELLO's answer, EAGAIN, unasked, or just the end.
 */
#ifndef SRR_PROTOCOL_H
#define SRR_PROTOCOL_H

#include <stdint.h>

#define HELPER_PROTOCOL 1u
#define HELPER_MAGIC (0x73727200u | HELPER_PROTOCOL) /* another version's: answered with EPROTO and ours, then closed */
#define HELPER_SOCKET "/run/srr/helper.sock"
#define HELPER_NAME_MAX 64
#define LEASE_PARTS 12u /* of the message, and as many of the reply */

enum helper_op {
    /*
     * I am here. Descriptor: my life file, a sealed memfd, locked by me (fcntl, whole file): whoever has it sees my
     * death and my exec. Answer: FEATURE_...; the pid to name to Yama (PR_SET_PTRACER) where the helper moves bytes;
     * descriptor: the news page, to be mapped read-only. Its word grows when there is news for me on the socket, when
     * somebody died whom I watch or share a pair with, and, if a LOCATE of mine has failed since it grew last, when a
     * name that others may see is published. With FEATURE_TRANSFER a second one: the end of a pipe, which hangs up
     * when nothing of this helper is left that moves bytes.
     *   EPROTO another version   EHOSTUNREACH another pid namespace   EINVAL not such a file
     *   EBUSY this process is here already (another copy of the library in it)   Then the connection is closed.
     */
    OP_HELLO = 1,
    /*
     * Others may find me by this name, and send to me, as its mode says (w: may Send; r: may see it in lists; for
     * owner, group and others, as a file's). A name is its owner's alone: `name` of one user and `name` of another
     * are two. Again: changes mode and group.
     *   EBUSY another living process of this user has it   EPERM the group is not mine   EAGAIN too many   EINVAL
     */
    OP_PUBLISH = 2,
    OP_WITHDRAW = 3, /* ENOENT I do not have it */
    /* Whose pid has that name of user `uid`? ENOENT nobody whom I may send to or see. EINVAL */
    OP_LOCATE = 4,
    /* The name number `index`, or the next after it, that I may see: `index` is set to its number. ENOENT no more. */
    OP_LIST = 5,
    /*
     * Let me send to process `pid`: one more pair. Descriptors: gate, pair, the peer's pidfd, its life file. The
     * receiver gets MEET first. A gate ends with its last pair; a pair may have the index of one whose sender has
     * died.
     *   ESRCH no such process, or it never said HELLO   EACCES none of its names admits me (not needed within one user)
     *   EAGAIN too many pairs, or it has not looked at its news for long   EDEADLK it is me   ENFILE, ENOMEM: no memfd
     */
    OP_CONNECT = 6,
    /* Tell me when this process dies. ENOENT it has not said HELLO; it is found by the look then. EPERM another user's
     * EAGAIN too many */
    OP_WATCH = 7,
    /*
     * A lease: the right to read `message`, and to write `reply`, on behalf of the receiver of that pair, while it is
     * at that transaction (word) of that slot. One for each slot; a new one replaces it. Then the same, given back:
     * answered when nobody uses it any more, so that the memory is the lender's alone again.
     */
    OP_LEND = 8,
    OP_REVOKE = 9,
    /*
     * The receiver of a pair: move `length` bytes between the sender's lease, from `offset` on, and the pair's window
     * of that slot, from its beginning (at most WINDOW_SIZE). Answer: bytes moved.
     *   ENOENT there is no such lease   EPERM the kernel does not let the worker (srr doctor)
     *   EFAULT the lender's memory is bad   ESRCH the lender is dead   ETIME it took too long; the worker was killed
     *   EINVAL more than a window   EAGAIN its receiver's user has too many moves under way, or too many users lend, or
     *   the lender's worker was busy with others for half a second
     *   ENOTSUP there is no worker, or no longer
     */
    OP_MOVE_IN = 10,  /* message -> window */
    OP_MOVE_OUT = 11, /* window -> reply */
    OP_STATUS = 12, /* for srr doctor: what this user uses of its quotas */

    /*
     * News: a sender has been let in. Descriptors: gate (always; a known one may be closed), pair, its pidfd, its
     * life
     */
    OP_MEET = 64,
};

#define FEATURE_TRANSFER 1u /* there is a transfer worker */

struct stretch_of {
    uint64_t address, length;
};

struct request {
    uint32_t magic;
    uint32_t op;
    uint64_t cookie;
    int32_t pid;       /* HELLO: mine; CONNECT, WATCH: whose */
    uint32_t version;  /* HELLO: LAYOUT_VERSION */
    uint32_t uid;      /* LOCATE */
    uint32_t gid;      /* PUBLISH */
    uint32_t mode;     /* PUBLISH */
    uint32_t index;    /* LIST: from; LEND, REVOKE, MOVE: slot of the pair */
    uint64_t pair_id;  /* LEND, REVOKE, MOVE */
    uint64_t word;     /* LEND, MOVE: the transaction, its state IDLE */
    uint64_t offset, length; /* MOVE */
    uint32_t message_parts, reply_parts; /* LEND */
    char name[HELPER_NAME_MAX + 8];      /* PUBLISH, WITHDRAW, LOCATE: ends with 0 */
    struct stretch_of parts[2 * LEASE_PARTS]; /* LEND: of the message, then of the reply */
};

struct answer {
    uint32_t magic;
    uint32_t op;
    uint64_t cookie;
    int32_t error;     /* 0, or an errno, positive */
    int32_t pid;       /* HELLO: for PR_SET_PTRACER; LOCATE, LIST: holder; CONNECT, MEET: peer */
    uint32_t uid, gid; /* LIST: owner's, name's; CONNECT, MEET: peer's */
    uint32_t mode;     /* LIST */
    uint32_t index;    /* LIST; CONNECT, MEET: of the pair at its gate */
    uint32_t features; /* HELLO */
    uint32_t version;  /* of this helper's protocol */
    uint64_t pair_id;  /* CONNECT, MEET */
    uint64_t gate_id;  /* CONNECT, MEET */
    union {
        uint64_t moved;  /* MOVE */
        uint64_t age_ms; /* HELLO: for how long this helper has run. Who knew the one before may be on his way back */
    };
    char name[HELPER_NAME_MAX + 8]; /* LIST */
    uint32_t used[8], limit[8];     /* STATUS: enum quota */
};

enum quota {
    QUOTA_PROCESSES,
    QUOTA_NAMES,
    QUOTA_PAIRS,
    QUOTA_PAIR_KIB,
    QUOTA_WATCHES,
    QUOTA_LEASES,
    QUOTA_MOVES,
    QUOTA_LOG_LINES,
};

/* The news page: a memfd "srr-news" that only the helper can write. */
#define NEWS_FILE_NAME "srr-news"
#define NEWS_SIZE 4096u
struct news_page {
    uint64_t magic; /* NEWS_MAGIC */
    uint32_t word;  /* futex */
};
#define NEWS_MAGIC UINT64_C(0x7377656e2d727273)

_Static_assert(sizeof(struct request) == 80 + 72 + 384, "request");
_Static_assert(sizeof(struct answer) == 72 + 72 + 64, "answer");

#endif
