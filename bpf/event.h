/*
 * event.h - what the probes say: shared by the core (which fires them), the programs in this folder (which copy it
 * into maps and rings) and srr/trace/events.py (which reads it there; a test compares the two).
 *
 * Plain fields of fixed width, no holes. Times are CLOCK_MONOTONIC nanoseconds, 0 where there is none. Numbers of
 * processes and threads in struct srr_done are as the client's own pid namespace counts them.
 */
#ifndef SRR_EVENT_H
#define SRR_EVENT_H

#include <linux/types.h>

/* Of a transaction: probe `done`, at the client's return. One for each Send that had a slot, whatever became of it. */
struct srr_done {
    __u64 began_ns;      /* Send was entered */
    __u64 published_ns;  /* the last receiver could see the message: after first contact, inline the copy; 0: never */
    __u64 received_ns;   /* it took the message */
    __u64 replied_ns;    /* it ended the transaction; 0 also where the client left */
    __u64 woken_ns;      /* the client saw that */
    __u64 ended_ns;      /* Send returns */
    __u64 transfer_ns;   /* of all this: bytes were moved, by either side */
    __u64 id;            /* the transaction's; the receiver's probes tell the same one. 0: never published */
    __u64 sent;          /* bytes of the message */
    __u64 replied;       /* bytes that the receiver replied, also those that found no room */
    __u64 message;       /* where the message's first part is, in the client */
    __u64 message_part;  /* bytes there */
    __u64 pid_namespace; /* inode number */
    __s32 client, client_thread;
    __s32 server, server_thread; /* the last receiver, and its thread that took the message (0: none did) */
    __s32 status;        /* 0 or -errno, as returned */
    __u8 lane, reply_lane; /* enum srr_lane */
    __u8 flags;          /* SRR_RECEIVED ... */
    __u8 legs;           /* receivers so far: more than 1 after a Relay */
};

/*
 * The other probes have the same six arguments; the kinds are their order in core/probes.h. That a client is ready
 * again says `done`.
 */
enum srr_kind_of_change {
    SRR_ON_SEND,     /* id, server pid, 0, bytes, lane, room for the reply: SEND-blocked */
    SRR_ON_RECEIVE,  /* id, client pid, client tid, bytes copied, lane | enum srr_kind << 8, bytes of the message:
                        REPLY-blocked */
    SRR_ON_REPLY,    /* id, client pid, client tid, bytes, lane, errno: it is ready */
    SRR_ON_RELAY,    /* id, client pid, client tid, 0, 0, pid of the next receiver */
    SRR_ON_TRIGGER,  /* 0, owner pid, proxy id, 0, 0, triggers that wait */
    SRR_ON_WAIT,     /* 0, sender (0: anyone), 0, 0, 0, 0: RECEIVE-blocked */
    SRR_ON_WAKE,     /* 0, sender, 0, 0, 0, 0 or -errno: not any more */
    SRR_ON_TRANSFER, /* id, client pid, client tid, bytes, lane | 1 << 8 if to the client, nanoseconds */
    SRR_ON_SIGNAL,   /* id, server pid, 0, 0, 0, signal: SIGNAL-blocked */
    SRR_ON_EXIT,     /* by the kernel: a thread has ended */
    SRR_ON_SYSCALL,  /* by the kernel: result in nbytes, nanoseconds in extra, detail: 0 futex, 1 process_vm_readv,
                        2 process_vm_writev */
};

/* A record of ring `changes`. */
struct srr_change {
    __u64 time_ns;
    __u64 sequence; /* the CPU << 48 | its count, lost ones included */
    __u64 id;
    __u64 nbytes;
    __u64 extra;
    __s32 pid, tid; /* whose change: the kernel's numbers */
    __s32 peer, peer_thread;
    __u32 detail;
    __u32 kind;
};

/* A record of ring `transactions`; with peeking, bytes of the message follow, as many as that was told. */
struct srr_transaction {
    __u64 sequence;
    __s32 pid, tid; /* the client: the kernel's numbers */
    __u64 head;     /* the message's first 8 bytes, as far as there are as many */
    __s32 peeked;   /* bytes that follow and count; -1: the page was not there */
    __u32 reserved;
    struct srr_done done;
};

/* A record of ring `frames`: where a thread called Send (side 0) or Reply (side 1) from. */
#define SRR_FRAMES_MAX 48
#define SRR_FRAMES_TEXT 2048
struct srr_frames {
    __u64 time_ns;
    __u64 sequence;
    __u64 id;
    __s32 pid, tid;
    __u32 side;
    __u32 count;    /* addresses, innermost first */
    __u64 addresses[SRR_FRAMES_MAX];
    char text[SRR_FRAMES_TEXT]; /* an interpreter's own, outermost first, "function (file:line);" ...; "": none */
};

#endif
