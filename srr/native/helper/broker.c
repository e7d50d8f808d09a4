/*
 * broker.c - the loop: who connects, whose turn it is, who has died.
 *
 * Fair by user: of all users with something to say each gets one datagram served, then the loop looks around again. So
 * what one user does, with however many processes, costs another one at most one request of waiting.
 *
 *     losing                                        ours
 *     attacker: 500 connections, each with          its 500 are one user: one of them is served,
 *     a request; the loop serves what epoll         then the other user's one, then the next of the 500
 *     reports, in order: the 501st waits for all
 */
#define _GNU_SOURCE
#include "broker.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

#include "log.h"
#include "notify.h"
#include "transfer.h"

#define EVENTS 64
#define ACCEPTED_AT_ONCE 16
/*
 * And fair by time. A request that takes longer than DEAR (most take a tenth of it; who is in 65,536 groups can make
 * it 6 ms, and who makes the kernel search a million locks 0.4 s) has its user wait so many times as long.
 */
#define DEAR (200 * INT64_C(1000)) /* ns of CPU time */
#define REST 200
#define PAUSE (100 * INT64_C(1000000)) /* ns, after the system had no more files */

static struct user *turn_first, *turn_last; /* users with something to read */
static uint32_t turn_length;
static int64_t expires = INT64_MAX; /* when strangers have to be looked at */
static int64_t accepts_from;        /* INT64_MAX: nobody waits at the door */
static int64_t rest_ends = INT64_MAX; /* of the first who rests */

static void give_turn(struct user *user)
{
    if (user->in_turn || user->rests_until || !user->ready_first)
        return;
    user->in_turn = true;
    user->next_in_turn = NULL;
    *(turn_first ? &turn_last->next_in_turn : &turn_first) = user;
    turn_last = user;
    turn_length++;
}

static struct user *take_turn(void)
{
    struct user *user = turn_first;
    turn_first = user->next_in_turn;
    turn_length--;
    user->in_turn = false;
    return user;
}

void process_ready(struct process *process)
{
    struct user *user = process->user;
    if (!process->known || process->leaving || process->waits || process->is_ready)
        return;
    process->is_ready = true;
    process->next_ready = NULL;
    *(user->ready_first ? &user->ready_last->next_ready : &user->ready_first) = process;
    user->ready_last = process;
    give_turn(user);
}

void user_spent(struct user *user, int64_t spent)
{
    if (spent <= DEAR)
        return;
    user->rests_until = kernel_now() + REST * spent;
    if (user->rests_until < rest_ends)
        rest_ends = user->rests_until;
}

static void end_rests(int64_t now)
{
    rest_ends = INT64_MAX;
    for (struct user *user = broker.quotas.users; user < broker.quotas.users + USERS; user++)
        if (user->rests_until > now) {
            rest_ends = user->rests_until < rest_ends ? user->rests_until : rest_ends;
        } else if (user->rests_until) {
            user->rests_until = 0;
            give_turn(user);
        }
}

/*
 * A datagram. A writer could want: to speak for who has connected, with a socket that it inherited or was passed (the
 * kernel's word on the writer must be that on who connected); to leave us with half a request or unasked descriptors
 * (fixed size, one descriptor with HELLO only); to have us close what can not be closed (kernel.h).
 */
static bool is_its_own(const struct process *process, const struct delivery *d)
{
    if (d->signed_by_kernel && d->pid == process->pid && d->uid == process->uid)
        return true;
    log_refusal(process->user, REFUSED_FOREIGN,
                "process %d of uid %u used the connection of process %d: each opens its own", d->pid, d->uid,
                process->pid);
    return false;
}

static bool is_of_this_version(const struct process *process, const struct delivery *d)
{
    const struct answer ours = {.magic = HELPER_MAGIC, .op = OP_HELLO, .error = EPROTO, .version = HELPER_PROTOCOL};
    if (d->length < sizeof d->request.magic || d->request.magic == HELPER_MAGIC)
        return true;
    log_refusal(process->user, REFUSED_PROTOCOL, "process %d speaks another protocol: use one version of srr",
                process->pid);
    kernel_send(process->socket, &ours, NULL, 0);
    return false;
}

static bool is_known(const struct process *process, const struct delivery *d)
{
    uint32_t op = d->request.op;
    bool is_hello = op == OP_HELLO && d->fd >= 0 && !process->joined;
    bool is_other = op > OP_HELLO && op <= OP_STATUS && d->fd < 0 && process->joined;
    if (!d->cut && d->length == sizeof d->request && (is_hello || is_other))
        return true;
    log_refusal(process->user, REFUSED_BREACH, "process %d sent what protocol.h does not know", process->pid);
    return false;
}

/* Nothing in it could keep us when we close it. */
static bool is_harmless(const struct process *process, const struct delivery *d)
{
    if (d->fd < 0 || kernel_is_memfd(d->fd))
        return true;
    log_refusal(process->user, REFUSED_DESCRIPTOR,
                "process %d sent a descriptor that is no memory file: nobody of this user is served until srr-helper "
                "starts again",
                process->pid);
    return false;
}

static bool serve(struct process *process)
{
    static struct delivery d; /* static: the fuzzer should see what a stale one could do */
    struct user *user = process->user;
    int r = user->banned ? 0 : kernel_look(process->socket, &d);
    if (r == -EAGAIN)
        return false;
    if (r == 0) {
        process_gone(process);
    } else if (!is_harmless(process, &d)) {
        user->banned = true;
        process_gone(process);
    } else if (is_its_own(process, &d) && is_of_this_version(process, &d) && is_known(process, &d)) {
        kernel_take(process->socket);
        broker.spared = 0;
        int64_t before = kernel_spent();
        serve_request(process, &d.request, d.fd);
        user_spent(user, kernel_spent() - before - broker.spared);
    } else {
        close_later(user, d.fd);
        process_gone(process);
    }
    return true;
}

void greet(const struct guest *guest)
{
    const struct answer full = {
        .magic = HELPER_MAGIC, .op = OP_HELLO, .error = EAGAIN, .version = HELPER_PROTOCOL};
    bool is_served = broker.serves_all || guest->uid == broker.only_uid;
    if (guest->pid <= 0)
        log_nobody("a process of another pid namespace, which has no number here");
    else if (guest->uid == 65534 || guest->uid == UINT32_MAX)
        log_nobody("a process of user 65534 (nobody), which may be anybody of another user namespace: run it as another user");
    else if (is_served && process_new(guest))
        return;
    else if (is_served)
        kernel_send(guest->socket, &full, NULL, 0);
    close_later(NULL, guest->socket);
    close_later(NULL, guest->pidfd);
}

static void accept_some(void)
{
    for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
        struct guest guest;
        int r = has_much_to_close(NULL) ? -EMFILE : kernel_accept(broker.listener, &guest);
        if (r == -EAGAIN) {
            accepts_from = INT64_MAX;
            return;
        }
        if (r < 0 && r != -ECONNABORTED && r != -EINTR) {
            accepts_from = kernel_now() + PAUSE;
            return;
        }
        if (r == 0)
            greet(&guest);
    }
}

/* One datagram of one process of each user that has something to say. */
void broker_turn(void)
{
    for (uint32_t n = turn_length; n > 0; n--) {
        struct user *user = take_turn();
        struct process *process = user->ready_first;
        if (!process || user->rests_until)
            continue; /* it has died meanwhile */
        user->ready_first = process->next_ready;
        process->is_ready = false;
        if (serve(process) && !process->waits)
            process_ready(process);
        give_turn(user);
    }
}

void broker_event(uint64_t event)
{
    struct process *process = &broker.processes[event & EVENT_INDEX & (PROCESSES - 1)];
    switch (event & ~(uint64_t)EVENT_INDEX) {
    case EVENT_LISTENER: accepts_from = 0; break;
    case EVENT_SOCKET: process_ready(process); break;
    case EVENT_DEATH:
        if (process->known && !process->leaving)
            process_gone(process);
        break;
    case EVENT_TRANSFER: transfer_event((uint32_t)event & EVENT_INDEX); break;
    }
}

/* Milliseconds for epoll: until something has to be done without an event. */
static int patience(void)
{
    int64_t now = kernel_now(), ns = transfer_patience();
    if (turn_length > 0)
        return 0;
    if (expires == INT64_MAX && broker.strangers > 0)
        expires = now + SILENCE_MOST;
    int64_t until = expires;
    if (accepts_from < until)
        until = accepts_from;
    if (rest_ends < until)
        until = rest_ends;
    if (ns >= 0 && now + ns < until)
        until = now + ns;
    if ((ns = notify_patience(now)) >= 0 && now + ns < until)
        until = now + ns;
    if (until == INT64_MAX)
        return -1;
    return until <= now ? 0 : (int)((until - now) / 1000000 + 1);
}

void broker_clock(void)
{
    int64_t now = kernel_now();
    if (now >= expires) {
        strangers_expire(now);
        expires = broker.strangers > 0 ? now + SILENCE_MOST / 8 : INT64_MAX;
    }
    if (now >= accepts_from)
        accept_some();
    if (now >= rest_ends)
        end_rests(now);
    transfer_tick();
    notify_tick(now);
}

int broker_run(void)
{
    struct epoll_event door = {.events = EPOLLIN | EPOLLET, .data.u64 = EVENT_LISTENER};
    struct epoll_event signals = {.events = EPOLLIN, .data.u64 = EVENT_SIGNAL};
    if (epoll_ctl(broker.epoll, EPOLL_CTL_ADD, broker.listener, &door) != 0 ||
        epoll_ctl(broker.epoll, EPOLL_CTL_ADD, broker.signals, &signals) != 0)
        return -errno;
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(broker.epoll, events, EVENTS, patience());
        if (n < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == EVENT_SIGNAL)
                return 0;
            broker_event(events[i].data.u64);
        }
        broker_clock();
        broker_turn();
    }
}
