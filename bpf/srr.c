/*
 * srr.c - what the tracer runs in the kernel. Compiled by BCC on the user's machine; see README.md.
 *
 * Which parts there are is decided by srr/trace/programs.py, with -D: WANT_TRANSACTIONS, WANT_TOTALS, WANT_CHANGES,
 * WANT_FRAMES, WANT_BY_TYPE, WANT_IMPOSED, WANT_EXITS, WANT_SYSCALLS; and what is left out in the kernel already:
 * CHOSEN (only processes in map `chosen`), MIN_LATENCY_NS, FAILED_ONLY. PEEK: bytes of the message that follow a
 * transaction.
 */
#include <uapi/linux/ptrace.h>
#include "event.h"

#ifndef PEEK
#define PEEK 0
#endif
#ifndef RING_PAGES
#define RING_PAGES 4096
#endif

/* What happened, and what of it was lost; an event is in one of the first, and each loss in one of the others. */
enum count {
    MADE_TRANSACTIONS,
    MADE_CHANGES,
    MADE_FRAMES,
    LOST_TRANSACTIONS, /* no room in the ring */
    LOST_CHANGES,
    LOST_FRAMES,
    LOST_TOTALS,       /* no room in the map */
    LOST_UNREADABLE,   /* the record was not in memory when it was looked at */
    LOST_IMPOSED,
    COUNTS,
};
BPF_ARRAY(counts, u64, COUNTS);

static __always_inline void count(int which)
{
    u64 *n = counts.lookup(&which);
    if (n)
        __sync_fetch_and_add(n, 1);
}

/* The current process << 32 | thread, as the tracer counts them: by its own pid namespace, if it has one. */
static __always_inline u64 current_thread(void)
{
#ifdef NAMESPACE_INODE
    struct bpf_pidns_info inside = {};
    if (bpf_get_ns_current_pid_tgid(NAMESPACE_DEVICE, NAMESPACE_INODE, &inside, sizeof inside) == 0)
        return (u64)inside.tgid << 32 | inside.pid;
#endif
    return bpf_get_current_pid_tgid();
}

/*
 * An event that is not left out is counted here, before it can be lost. Its number on this CPU: a gap tells when
 * something was lost, `counts` how much.
 */
BPF_PERCPU_ARRAY(sequences, u64, 3);
static __always_inline u64 made(int which)
{
    count(which);
    u64 *n = sequences.lookup(&which);
    if (!n)
        return 0;
    *n += 1;
    return (u64)bpf_get_smp_processor_id() << 48 | (*n & 0xffffffffffffULL);
}

#ifdef CHOSEN
BPF_HASH(chosen, u32, u8, 4096);
static __always_inline bool is_chosen(u32 pid)
{
    return chosen.lookup(&pid) != NULL;
}
#else
static __always_inline bool is_chosen(u32 pid)
{
    return true;
}
#endif

#if defined WANT_TRANSACTIONS || defined WANT_TOTALS
#ifdef WANT_TRANSACTIONS
BPF_RINGBUF_OUTPUT(transactions, RING_PAGES);
#endif

#ifdef WANT_TOTALS
/* Four times an octave, from 64 ns to 2 minutes: a bucket is at most a quarter wide of what it counts. */
#define BUCKETS 128
struct totals_key {
    s32 client; /* as the kernel counts */
    s32 server; /* as the client counts */
    u32 type;   /* WANT_BY_TYPE: the message's first two bytes; 0x10000: it is shorter, or nobody asked */
    u32 reserved;
};
struct totals {
    u64 count, failed, sent, replied;
    u64 queue_ns, service_ns, transfer_ns, wakeup_ns, total_ns;
    u64 untimed; /* among count: without queue, service and wake-up time */
    u64 lanes[8]; /* messages by enum srr_lane */
    u64 queue[BUCKETS], service[BUCKETS], transfer[BUCKETS], wakeup[BUCKETS], total[BUCKETS];
};
BPF_F_TABLE("hash", struct totals_key, struct totals, totals, 4096, BPF_F_NO_PREALLOC);
BPF_ARRAY(zero_totals, struct totals, 1);

static __always_inline void add(u64 *sum, u64 *buckets, u64 ns)
{
    u32 e, b = 0;
    if (ns >= 64) {
        e = bpf_log2l(ns) - 1; /* BCC's counts from 1 */
        b = (e - 6) * 4 + ((ns >> (e - 2)) & 3);
        if (b >= BUCKETS)
            b = BUCKETS - 1;
    }
    __sync_fetch_and_add(sum, ns);
    __sync_fetch_and_add(&buckets[b & (BUCKETS - 1)], 1);
}

static __always_inline void add_totals(struct srr_done *done, s32 client, u64 head)
{
    struct totals_key key = {.client = client, .server = done->server, .type = 0x10000};
    int first = 0;
#ifdef WANT_BY_TYPE
    if (done->message_part >= 2)
        key.type = head & 0xffff;
#endif
    struct totals *t = totals.lookup(&key);
    if (!t) {
        struct totals *zero = zero_totals.lookup(&first);
        if (!zero)
            return;
        totals.insert(&key, zero);
        t = totals.lookup(&key);
        if (!t) {
            count(LOST_TOTALS);
            return;
        }
    }
    __sync_fetch_and_add(&t->count, 1);
    __sync_fetch_and_add(&t->lanes[done->lane & 7], 1);
    __sync_fetch_and_add(&t->sent, done->sent);
    __sync_fetch_and_add(&t->replied, done->replied);
    if (done->status != 0)
        __sync_fetch_and_add(&t->failed, 1);
    add(&t->transfer_ns, t->transfer, done->transfer_ns);
    add(&t->total_ns, t->total, done->ended_ns - done->began_ns);
    if (done->published_ns == 0 || done->received_ns < done->published_ns || done->replied_ns < done->received_ns ||
        done->woken_ns < done->replied_ns) {
        __sync_fetch_and_add(&t->untimed, 1);
        return;
    }
    add(&t->queue_ns, t->queue, done->received_ns - done->published_ns);
    add(&t->service_ns, t->service, done->replied_ns - done->received_ns);
    add(&t->wakeup_ns, t->wakeup, done->woken_ns - done->replied_ns);
}
#endif

int on_done(struct pt_regs *ctx)
{
    u64 who = current_thread(), head = 0;
    s32 peeked = 0;
    struct srr_done done;
    if (PT_REGS_PARM2(ctx) != sizeof done || bpf_probe_read_user(&done, sizeof done, (void *)PT_REGS_PARM1(ctx)) != 0) {
        made(MADE_TRANSACTIONS);
        count(LOST_UNREADABLE);
        return 0;
    }
#ifdef CHOSEN
    if (!is_chosen(who >> 32) && !is_chosen(done.server))
        return 0;
#endif
#ifdef MIN_LATENCY_NS
    if (done.ended_ns - done.began_ns < MIN_LATENCY_NS)
        return 0;
#endif
#ifdef FAILED_ONLY
    if (done.status == 0)
        return 0;
#endif
    u64 sequence = made(MADE_TRANSACTIONS);
#if defined WANT_TRANSACTIONS || defined WANT_BY_TYPE
    if (done.message_part >= 8)
        bpf_probe_read_user(&head, 8, (void *)done.message);
    else if (done.message_part >= 2)
        bpf_probe_read_user(&head, 2, (void *)done.message);
#endif
#ifdef WANT_TOTALS
    add_totals(&done, who >> 32, head);
#endif
#ifdef WANT_TRANSACTIONS
    struct srr_transaction *t = transactions.ringbuf_reserve(sizeof *t + PEEK);
    if (!t) {
        count(LOST_TRANSACTIONS);
        return 0;
    }
    t->sequence = sequence;
    t->pid = who >> 32;
    t->tid = who;
    t->head = head;
    t->reserved = 0;
    t->done = done;
#if PEEK > 0
    u32 n = done.message_part < PEEK ? done.message_part : PEEK;
    peeked = n;
    if (n > 0 && bpf_probe_read_user(t + 1, n, (void *)done.message) != 0)
        peeked = -1;
#endif
    t->peeked = peeked;
    transactions.ringbuf_submit(t, BPF_RB_NO_WAKEUP);
#endif
    return 0;
}
#endif

#ifdef WANT_IMPOSED
/* Which client a thread works for: the one that it received from last, until it has replied. */
struct service {
    u64 id;
    u64 since_ns; /* it has been on a CPU; 0: it isn't */
    u32 server;   /* the kernel's number */
    s32 client;   /* as the server counts */
};
struct imposed_key {
    u32 server;
    s32 client;
};
struct imposed {
    u64 cpu_ns, count;
};
BPF_HASH(services, u32, struct service, 16384);
BPF_HASH(serving_thread, u64, u32, 16384);
BPF_HASH(imposed, struct imposed_key, struct imposed, 16384);

static __always_inline void charge(struct service *s, u64 now, u64 served)
{
    struct imposed_key key = {.server = s->server, .client = s->client};
    struct imposed none = {};
    struct imposed *sum = imposed.lookup_or_try_init(&key, &none);
    if (!sum) {
        count(LOST_IMPOSED);
        return;
    }
    if (s->since_ns != 0 && now > s->since_ns)
        __sync_fetch_and_add(&sum->cpu_ns, now - s->since_ns);
    __sync_fetch_and_add(&sum->count, served);
}

static __always_inline void begin_service(u64 id, s32 client)
{
    u64 who = current_thread(), now = bpf_ktime_get_ns();
    u32 tid = bpf_get_current_pid_tgid(); /* as sched_switch counts */
    struct service *before = services.lookup(&tid);
    if (before) {
        u64 left = before->id;
        charge(before, now, 0);
        serving_thread.delete(&left); /* its end tells nothing any more */
    }
    struct service s = {.id = id, .since_ns = now, .server = who >> 32, .client = client};
    if (services.update(&tid, &s) != 0 || serving_thread.update(&id, &tid) != 0)
        count(LOST_IMPOSED);
    charge(&s, now, 1);
}

static __always_inline void end_service(u64 id)
{
    u32 *tid = serving_thread.lookup(&id);
    if (!tid)
        return;
    u32 thread = *tid;
    serving_thread.delete(&id);
    struct service *s = services.lookup(&thread);
    if (!s || s->id != id)
        return;
    charge(s, bpf_ktime_get_ns(), 0);
    services.delete(&thread);
}

/* A thread ends without having replied: another one may get its number. */
static __always_inline void forget_service(void)
{
    u32 tid = bpf_get_current_pid_tgid();
    struct service *s = services.lookup(&tid);
    if (!s)
        return;
    u64 id = s->id;
    charge(s, bpf_ktime_get_ns(), 0);
    serving_thread.delete(&id);
    services.delete(&tid);
}

TRACEPOINT_PROBE(sched, sched_switch)
{
    u32 prev = args->prev_pid, next = args->next_pid;
    u64 now = bpf_ktime_get_ns();
    struct service *s = services.lookup(&prev);
    if (s) {
        charge(s, now, 0);
        s->since_ns = 0;
    }
    s = services.lookup(&next);
    if (s)
        s->since_ns = now;
    return 0;
}
#endif

#if defined WANT_CHANGES || defined WANT_IMPOSED
#ifdef WANT_CHANGES
BPF_RINGBUF_OUTPUT(changes, RING_PAGES);

static __always_inline void tell_change(u32 kind, u64 id, s32 peer, s32 peer_thread, u64 nbytes, u32 detail, u64 extra)
{
    u64 who = current_thread();
    u64 sequence = made(MADE_CHANGES);
    struct srr_change *c = changes.ringbuf_reserve(sizeof *c);
    if (!c) {
        count(LOST_CHANGES);
        return;
    }
    c->time_ns = bpf_ktime_get_ns();
    c->sequence = sequence;
    c->id = id;
    c->nbytes = nbytes;
    c->extra = extra;
    c->pid = who >> 32;
    c->tid = who;
    c->peer = peer;
    c->peer_thread = peer_thread;
    c->detail = detail;
    c->kind = kind;
    changes.ringbuf_submit(c, BPF_RB_NO_WAKEUP);
}
#endif

/* All the probes of enum srr_kind_of_change: the cookie is which. */
int on_change(struct pt_regs *ctx)
{
    u32 kind = bpf_get_attach_cookie(ctx);
#ifdef WANT_IMPOSED
    if (kind == SRR_ON_RECEIVE && PT_REGS_PARM1(ctx) != 0)
        begin_service(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx));
    else if (kind == SRR_ON_REPLY || kind == SRR_ON_RELAY)
        end_service(PT_REGS_PARM1(ctx));
#endif
#ifdef WANT_CHANGES
#ifdef CHOSEN
    if (!is_chosen(current_thread() >> 32) && !is_chosen(PT_REGS_PARM2(ctx)))
        return 0;
#endif
    tell_change(kind, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx), PT_REGS_PARM4(ctx),
                PT_REGS_PARM5(ctx), PT_REGS_PARM6(ctx));
#endif
    return 0;
}

#if defined WANT_IMPOSED || (defined WANT_CHANGES && defined WANT_EXITS)
RAW_TRACEPOINT_PROBE(sched_process_exit)
{
#ifdef WANT_IMPOSED
    forget_service();
#endif
#if defined WANT_CHANGES && defined WANT_EXITS
    tell_change(SRR_ON_EXIT, 0, 0, 0, 0, 0, 0);
#endif
    return 0;
}
#endif

#if defined WANT_CHANGES && defined WANT_SYSCALLS
/* On request only: they slow down every system call of every process on the machine. */
struct call {
    u64 began_ns;
};
BPF_HASH(calls, u32, struct call, 16384);

static __always_inline int call_begins(void)
{
    u64 who = current_thread();
    u32 tid = who;
    struct call c = {.began_ns = bpf_ktime_get_ns()};
    if (is_chosen(who >> 32))
        calls.update(&tid, &c);
    return 0;
}

static __always_inline int call_ends(u32 which, s64 result)
{
    u32 tid = current_thread();
    struct call *c = calls.lookup(&tid);
    if (!c)
        return 0;
    u64 took = bpf_ktime_get_ns() - c->began_ns;
    calls.delete(&tid);
    tell_change(SRR_ON_SYSCALL, 0, 0, 0, result, which, took);
    return 0;
}

TRACEPOINT_PROBE(syscalls, sys_enter_futex) { return call_begins(); }
TRACEPOINT_PROBE(syscalls, sys_exit_futex) { return call_ends(0, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_process_vm_readv) { return call_begins(); }
TRACEPOINT_PROBE(syscalls, sys_exit_process_vm_readv) { return call_ends(1, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_process_vm_writev) { return call_begins(); }
TRACEPOINT_PROBE(syscalls, sys_exit_process_vm_writev) { return call_ends(2, args->ret); }
#endif
#endif

#ifdef WANT_FRAMES
BPF_RINGBUF_OUTPUT(frames, RING_PAGES);

int on_frames(struct pt_regs *ctx)
{
    u64 who = current_thread();
#ifdef CHOSEN
    if (!is_chosen(who >> 32))
        return 0;
#endif
    u64 sequence = made(MADE_FRAMES);
    struct srr_frames *f = frames.ringbuf_reserve(sizeof *f);
    if (!f) {
        count(LOST_FRAMES);
        return 0;
    }
    f->time_ns = bpf_ktime_get_ns();
    f->sequence = sequence;
    f->id = PT_REGS_PARM1(ctx);
    f->pid = who >> 32;
    f->tid = who;
    f->side = PT_REGS_PARM2(ctx);
    u32 n = PT_REGS_PARM4(ctx);
    f->count = n < SRR_FRAMES_MAX ? n : SRR_FRAMES_MAX;
    f->text[0] = 0;
    /* The whole table, whatever its count: it is on the thread's stack. */
    if (bpf_probe_read_user(f->addresses, sizeof f->addresses, (void *)PT_REGS_PARM3(ctx)) != 0)
        f->count = 0;
    if (PT_REGS_PARM6(ctx) != 0)
        bpf_probe_read_user_str(f->text, sizeof f->text, (void *)PT_REGS_PARM5(ctx));
    frames.ringbuf_submit(f, BPF_RB_NO_WAKEUP);
    return 0;
}
#endif

#ifdef WANT_COST
/* What a hit costs: the trap, and about what on_done does. Attached to the probe `idle` of the tracer itself. */
int on_idle(struct pt_regs *ctx)
{
    struct srr_done done;
    int which = 0;
    bpf_probe_read_user(&done, sizeof done, (void *)PT_REGS_PARM1(ctx));
    u64 *n = sequences.lookup(&which);
    return n && *n == done.id;
}
#endif
