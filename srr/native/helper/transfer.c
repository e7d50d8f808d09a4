/*
 * transfer.c - leases, and the broker's side of the transfer workers (worker.h).
 *
 * One worker for each user that lends, made when its first bytes are to be moved, ended with the pair that it moved
 * them for last. It does one thing at a time; whoever wants another one of it meanwhile waits in its queue, and so does
 * a lender that wants its memory back while bytes move. No move takes longer than DEADLINE: then the worker is killed;
 * and none is begun after QUEUED_MOST. If the worker does not even die (memory that a FUSE server never fills can not
 * be waited for otherwise), the receiver is answered nevertheless, and that user has no worker until it does:
 *
 *     losing                                      ours
 *     receiver: MOVE                              receiver: MOVE
 *     worker: stuck in the lender's memory        worker: stuck in the lender's memory
 *     broker: SIGKILL, waits for its death        broker: SIGKILL; DEADLINE later: ETIME to the receiver
 *     receiver: waits as long as the lender       receiver: goes on
 *     likes                                       lender: REVOKE waits. It is its own user's memory
 */
#define _GNU_SOURCE
#include "transfer.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lease.h"
#include "log.h"
#include "worker.h"

#define DEADLINE (100 * INT64_C(1000000)) /* ns */
#define QUEUED_MOST (500 * INT64_C(1000000)) /* ns: a receiver waits a second for its answer, no longer */
#define NO_PAIR PAIRS

enum state { FREE, COMING, IDLE, MOVING, DYING };

struct worker {
    enum state state;
    bool is_stuck; /* killed, and not dead in time */
    bool knows;    /* it has done something in the window that it was given last */
    uint32_t uid, gid;
    int socket, pidfd;
    uint64_t pair_id; /* whose window it has, and of which slot; 0: of none */
    uint32_t slot;
    uint32_t pair;    /* for which it moves, as a number; NO_PAIR: it has ended */
    struct process *receiver; /* whom to answer; NULL: nobody */
    int64_t deadline;
    struct waiting *first, *last;
};

/* A request that can not be answered yet: of each process at most one. */
struct waiting {
    struct request request;
    struct process *process;
    int64_t until; /* a move: to begin */
    struct waiting *next;
};

static struct leases leases;
static struct worker workers[USERS];
static struct waiting requests[PROCESSES];
static uint16_t asked[USERS]; /* workers that the spawner was asked for, in its order */
static uint32_t asked_first, asked_count;
static uint16_t pair_numbers[PAIRS]; /* by the low bits of the id: where it was found last */
static int64_t earliest = INT64_MAX;
static int spawner = -1, pipe_end = -1;
static pid_t spawner_pid;

int transfer_start(void) { return (spawner = spawner_start(&spawner_pid, &pipe_end)) < 0 ? spawner : 0; }
int32_t transfer_pid(void) { return spawner_pid; }
int transfer_end(void) { return pipe_end; }

static void watch(int fd, uint32_t which)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = EVENT_TRANSFER | which};
    epoll_ctl(broker.epoll, EPOLL_CTL_ADD, fd, &event);
}

void transfer_watch(void)
{
    if (spawner < 0)
        return;
    /* Touched now, so that memory can not run out later. */
    memset(&leases, 0, sizeof leases);
    memset(requests, 0, sizeof requests);
    spawner_meet(spawner);
    watch(spawner, 0);
}

static struct pair *find_pair(uint64_t id)
{
    uint16_t *number = &pair_numbers[id % PAIRS];
    for (uint32_t i = 0; i < PAIRS && (broker.pairs[*number].id != id || !broker.pairs[*number].sender); i++)
        *number = (uint16_t)((*number + 1) % PAIRS);
    struct pair *pair = &broker.pairs[*number];
    return pair->id == id && pair->sender ? pair : NULL;
}

static uint32_t number_of(const struct pair *pair) { return (uint32_t)(pair - broker.pairs); }
static bool is_move(const struct request *request) { return request->op == OP_MOVE_IN || request->op == OP_MOVE_OUT; }

/* --- who waits ------------------------------------------------------------------------------------------------- */

/* 1: it will be answered later. */
static int wait_for(struct worker *worker, struct process *process, const struct request *request, bool in_queue)
{
    struct waiting *waiting = &requests[process - broker.processes];
    if (!process->waits) {
        if (is_move(request) && quota_take(&broker.quotas, process->user, QUOTA_MOVES, 1) < 0)
            return -EAGAIN;
        *waiting = (struct waiting){.request = *request, .process = process, .until = INT64_MAX};
        if (is_move(request))
            waiting->until = kernel_now() + QUEUED_MOST;
        process->waits = true;
    }
    if (in_queue) {
        waiting->next = NULL;
        *(worker->first ? &worker->last->next : &worker->first) = waiting;
        worker->last = waiting;
        if (waiting->until < earliest)
            earliest = waiting->until;
    }
    return TRANSFER_LATER;
}

/* False: it can not be told, and should go. */
static bool answer(struct process *process, int error, uint64_t moved)
{
    const struct request *request = &requests[process - broker.processes].request;
    struct answer answer = {.magic = HELPER_MAGIC, .op = request->op, .cookie = request->cookie, .error = error,
                            .version = HELPER_PROTOCOL, .moved = moved};
    if (is_move(request))
        quota_give(&broker.quotas, process->user, QUOTA_MOVES, 1);
    process->waits = false;
    process_ready(process);
    return process_tell(process, &answer, NULL, 0) == 0;
}

/* All in its queue once more: what still can not be answered goes to its end again. */
static void retry(struct worker *worker)
{
    uint32_t count = 0;
    for (const struct waiting *w = worker->first; w; w = w->next)
        count++;
    for (; count > 0 && worker->first; count--) {
        struct waiting *waiting = worker->first;
        uint64_t moved = 0;
        worker->first = waiting->next;
        int r = transfer_request(waiting->process, &waiting->request, &moved);
        if (r != TRANSFER_LATER && !answer(waiting->process, -r, moved))
            process_gone(waiting->process);
    }
}

static void refuse_all(struct worker *worker, int error)
{
    while (worker->first) {
        struct waiting *waiting = worker->first;
        worker->first = waiting->next;
        if (!answer(waiting->process, error, 0))
            process_gone(waiting->process);
    }
}

/* Out of its queue. NULL: nobody has waited for too long. */
static struct waiting *take_late(struct worker *worker, int64_t now)
{
    struct waiting *before = NULL, *late = worker->first;
    for (; late && late->until > now; late = late->next)
        before = late;
    if (!late)
        return NULL;
    *(before ? &before->next : &worker->first) = late->next;
    if (worker->last == late)
        worker->last = before;
    return late;
}

/* --- a worker's life ------------------------------------------------------------------------------------------- */

static void set_deadline(struct worker *worker)
{
    worker->deadline = kernel_now() + DEADLINE;
    if (worker->deadline < earliest)
        earliest = worker->deadline;
}

static void kill_worker(struct worker *worker)
{
    syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
    epoll_ctl(broker.epoll, EPOLL_CTL_DEL, worker->socket, NULL);
    kernel_close(worker->socket);
    worker->state = DYING;
    set_deadline(worker);
}

/* NULL: there are too many. One that waits for its death under that uid is its uid's worker, too. */
static struct worker *worker_of(const struct process *lender)
{
    struct worker *free = NULL;
    for (struct worker *worker = workers; worker < workers + USERS; worker++) {
        bool is_used = worker->state != FREE || worker->first;
        if (is_used && worker->uid == lender->uid)
            return worker;
        if (!is_used && !free)
            free = worker;
    }
    if (free)
        *free = (struct worker){.uid = lender->uid, .gid = lender->gid, .pair = NO_PAIR};
    return free;
}

static int make_worker(struct worker *worker, const struct process *lender)
{
    int r = spawner_ask(spawner, lender->socket);
    if (r < 0)
        return r;
    worker->state = COMING;
    asked[(asked_first + asked_count++) % USERS] = (uint16_t)(worker - workers);
    return 0;
}

static void worker_came(void)
{
    struct report report;
    int fds[2];
    unsigned count = 2;
    int r = datagram_receive(spawner, &report, sizeof report, fds, &count, MSG_DONTWAIT);
    if (r == -EAGAIN)
        return;
    if (r < 0) { /* it has ended. Bytes go through windows from now on */
        log_line(3, "the spawner has ended: restart srr-helper to have --transfer again");
        kernel_close(spawner);
        spawner = -1;
        broker.is_transferring = false;
        report.error = ENOTSUP;
    }
    do {
        struct worker *worker = &workers[asked[asked_first]];
        if (asked_count == 0)
            return;
        asked_first = (asked_first + 1) % USERS;
        asked_count--;
        worker->state = FREE;
        if (report.error != 0 || count != 2) {
            refuse_all(worker, report.error);
            continue;
        }
        worker->socket = fds[0];
        worker->pidfd = fds[1];
        worker->state = IDLE;
        worker->knows = false;
        uint32_t number = (uint32_t)(worker - workers);
        watch(worker->socket, 1 + 2 * number);
        watch(worker->pidfd, 2 + 2 * number);
        retry(worker);
        if (worker->state == IDLE)
            kill_worker(worker); /* nobody wants it any more */
    } while (spawner < 0);
}

static void end_move(struct worker *worker, int error, uint64_t moved, bool is_over)
{
    struct process *receiver = worker->receiver;
    worker->receiver = NULL;
    if (is_over && worker->pair != NO_PAIR) {
        struct lease *lease = lease_find(&leases, worker->pair, worker->slot);
        if (lease)
            lease->is_moving = false;
        worker->pair = NO_PAIR;
    }
    if (receiver && !answer(receiver, error, moved))
        process_gone(receiver);
}

static void worker_died(struct worker *worker)
{
    if (worker->state != DYING)
        kill_worker(worker); /* its user, or the system, was faster */
    epoll_ctl(broker.epoll, EPOLL_CTL_DEL, worker->pidfd, NULL);
    kernel_close(worker->pidfd);
    worker->state = FREE;
    worker->is_stuck = false;
    worker->pair_id = 0;
    end_move(worker, ETIME, 0, true);
    retry(worker); /* who still wants it makes it anew */
}

static void worker_reported(struct worker *worker)
{
    struct report report;
    unsigned none = 0;
    int r = datagram_receive(worker->socket, &report, sizeof report, NULL, &none, MSG_DONTWAIT);
    if (r == -EAGAIN)
        return;
    if (r < 0 || worker->state != MOVING) {
        kill_worker(worker);
        return;
    }
    worker->state = IDLE;
    worker->knows = report.error == 0;
    end_move(worker, report.error, report.moved, true);
    retry(worker);
}

void transfer_event(uint32_t which)
{
    if (which == 0) {
        worker_came();
        return;
    }
    struct worker *worker = &workers[(which - 1) / 2 % USERS];
    if (worker->state == FREE || worker->state == COMING)
        return; /* an event that was under way when it died */
    if (which % 2 == 0)
        worker_died(worker);
    else if (worker->state != DYING)
        worker_reported(worker);
}

int64_t transfer_patience(void)
{
    int64_t now = kernel_now();
    return earliest == INT64_MAX ? -1 : earliest > now ? earliest - now : 0;
}

void transfer_tick(void)
{
    int64_t now = kernel_now();
    if (now < earliest)
        return;
    for (struct worker *worker = workers; worker < workers + USERS; worker++)
        if (worker->state == MOVING && worker->deadline <= now)
            kill_worker(worker);
        else if (worker->state == DYING && !worker->is_stuck && worker->deadline <= now) {
            worker->is_stuck = true;
            end_move(worker, ETIME, 0, false);
            retry(worker);
        }
    for (struct worker *worker = workers; worker < workers + USERS; worker++)
        for (struct waiting *late; (late = take_late(worker, now));)
            if (!answer(late->process, EAGAIN, 0))
                process_gone(late->process);
    earliest = INT64_MAX;
    for (const struct worker *worker = workers; worker < workers + USERS; worker++) {
        for (const struct waiting *w = worker->first; w; w = w->next)
            earliest = w->until < earliest ? w->until : earliest;
        if ((worker->state == MOVING || worker->state == DYING) && !worker->is_stuck && worker->deadline < earliest)
            earliest = worker->deadline;
    }
}

/* --- requests -------------------------------------------------------------------------------------------------- */

/*
 * MOVE. A receiver could want: memory that was not lent to it, or no longer (the lease is of its own pair, slot and
 * transaction; what the kernel lets the lender's user do is all that the worker can); another's window (it moves to and
 * from its pair's); to keep us or others busy (one at a time for each process, QUOTA_MOVES for each user).
 */
static int move(struct process *process, const struct request *request, const struct pair *pair, uint64_t *ret_moved)
{
    struct order order = {.is_out = request->op == OP_MOVE_OUT,
                          .window_at = PAIR_SLOTS_AT + (uint64_t)request->index * SLOT_STRIDE + SLOT_WINDOW_AT};
    int r = lease_cut(&leases, number_of(pair), request, order.parts, &order.part_count);
    *ret_moved = 0;
    if (r < 0 && r != -EBUSY)
        return r;
    if (!process_lives(pair->sender, process))
        return -ESRCH;
    struct worker *worker = worker_of(pair->sender);
    if (!worker)
        return -EAGAIN;
    if (worker->is_stuck)
        return -ETIME;
    if (worker->state == IDLE && worker->gid != pair->sender->gid)
        kill_worker(worker);
    worker->gid = worker->state == FREE ? pair->sender->gid : worker->gid;
    if (worker->state == FREE && (r = make_worker(worker, pair->sender)) < 0)
        return r;
    if (worker->state != IDLE)
        return wait_for(worker, process, request, true);
    if ((r = wait_for(worker, process, request, false)) < 0)
        return r;
    const int fds[ORDER_FDS] = {pair->fd, pair->sender->socket, pair->sender->life};
    bool knows = worker->knows && worker->pair_id == pair->id && worker->slot == request->index;
    if (datagram_send(worker->socket, &order, sizeof order, fds, knows ? 0 : ORDER_FDS) < 0) {
        kill_worker(worker); /* it was dead already */
        return wait_for(worker, process, request, true);
    }
    worker->pair_id = pair->id;
    worker->slot = request->index;
    worker->pair = number_of(pair);
    worker->receiver = process;
    worker->state = MOVING;
    lease_find(&leases, worker->pair, worker->slot)->is_moving = true;
    set_deadline(worker);
    return TRANSFER_LATER;
}

/*
 * LEND and REVOKE. A sender could want: to lend what is not its own (the addresses are of its own memory, whatever they
 * are); to lend in another's name (the pair's sender is who the kernel says); to change a lease under a move (it
 * waits); to fill the table (quota).
 */
static int lend(struct process *process, const struct request *request, const struct pair *pair)
{
    bool is_loan = request->op == OP_LEND;
    int r = is_loan ? lease_lend(&leases, number_of(pair), request)
                    : lease_revoke(&leases, number_of(pair), request->index);
    struct worker *worker = r == -EBUSY ? worker_of(process) : NULL;
    if (worker)
        return wait_for(worker, process, request, true);
    if (r == 0 && !is_loan)
        quota_give(&broker.quotas, process->user, QUOTA_LEASES, 1);
    if (r == 1 && (r = quota_take(&broker.quotas, process->user, QUOTA_LEASES, 1)) < 0)
        lease_revoke(&leases, number_of(pair), request->index);
    return r;
}

/* The worker that may still write into what is to be given back; its pair may be gone before it is dead. Or NULL. */
static struct worker *writer_into(const struct request *request)
{
    for (struct worker *worker = workers; worker < workers + USERS; worker++)
        if ((worker->state == MOVING || worker->state == DYING) && worker->pair_id == request->pair_id &&
            worker->slot == request->index)
            return worker;
    return NULL;
}

int transfer_request(struct process *process, const struct request *request, uint64_t *ret_moved)
{
    struct worker *writer = request->op == OP_REVOKE ? writer_into(request) : NULL;
    if (writer)
        return wait_for(writer, process, request, true);
    if (spawner < 0)
        return -ENOTSUP;
    const struct pair *pair = find_pair(request->pair_id);
    if (!pair || process != (is_move(request) ? pair->receiver : pair->sender))
        return -ENOENT;
    return is_move(request) ? move(process, request, pair, ret_moved) : lend(process, request, pair);
}

/* Out of its queue, and answered: that process, or whoever waits for that pair's sake and need not any more. */
static void take_out(struct worker *worker, const struct process *process, const struct pair *pair)
{
    struct waiting *last = NULL;
    for (struct waiting **link = &worker->first; *link;) {
        struct waiting *waiting = *link;
        const struct request *request = &waiting->request;
        if (process ? waiting->process == process
                    : request->pair_id == pair->id && (request->op != OP_REVOKE || !writer_into(request))) {
            *link = waiting->next;
            answer(waiting->process, ESRCH, 0);
        } else {
            last = waiting;
            link = &waiting->next;
        }
    }
    worker->last = last;
}

void transfer_process_gone(const struct process *process)
{
    for (struct worker *worker = workers; process->waits && worker < workers + USERS; worker++)
        take_out(worker, process, NULL);
}

/*
 * One of its two processes is going; the other one, if it waits, is answered. It is called in the middle of that:
 * nobody else goes.
 */
void transfer_pair_gone(const struct pair *pair)
{
    quota_give(&broker.quotas, pair->sender->user, QUOTA_LEASES, lease_end_all(&leases, number_of(pair)));
    for (struct worker *worker = workers; worker < workers + USERS; worker++) {
        if (worker->uid != pair->sender->uid)
            continue;
        take_out(worker, NULL, pair);
        if (worker->pair == number_of(pair)) {
            worker->pair = NO_PAIR;
            if (worker->receiver)
                answer(worker->receiver, ESRCH, 0);
            worker->receiver = NULL;
        }
        if (worker->pair_id == pair->id && (worker->state == IDLE || worker->state == MOVING))
            kill_worker(worker);
    }
}
