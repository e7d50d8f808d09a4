/*
 * fuzz_leases.c - srr-helper's leases and moves in the hands of libFuzzer: transfer.c, lease.c and quotas.c as they are,
 * over a spawner, workers and processes that are made here.
 *
 * The input is a history: processes lend, take back and move, mostly nearly rightly; they die, and their places in the
 * tables are given to others; pairs end; workers come, are refused, report, never report, die late; time passes; the
 * spawner ends. After it everybody leaves.
 *
 * What is checked, by a second record of leases kept here, besides what the sanitizers see: a worker is sent only what
 * the sender of that very pair has lent for that slot and transaction, and not taken back, and the descriptors are that
 * sender's and that pair's; REVOKE is not answered while a worker that may be alive moves by that lease; every request
 * is answered once, and with its own cookie, unless its sender is gone; each quota comes back to 0, each lease and each
 * worker is free again; what is closed was open.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

static long killed(long number, ...);
#define syscall killed
#define epoll_ctl(...) 0
#include "transfer.c"
#undef syscall

#define CHECK(so) ((so) ? (void)0 : not_so(__LINE__, #so))
#define BODIES 12u
#define LINKS 16u
#define SLOTS_TRIED 3u
#define SPAWNER 900
#define END 901

static _Noreturn void not_so(int line, const char *what)
{
    fprintf(stderr, "fuzz_leases.c:%d: not so: %s\n", line, what);
    abort();
}

static const uint8_t *input, *input_end;
static unsigned byte(void) { return input < input_end ? *input++ : 0; }
static uint64_t wild(void)
{
    unsigned kind = byte() % 8;
    return kind > 2 ? byte() : kind > 0 ? (uint64_t)byte() << byte() % 56 : UINT64_MAX - byte() * 1000;
}

struct broker broker;
static int64_t now;
static int next_fd;
static uint64_t next_id;
static uint64_t cookies[PROCESSES]; /* what its request awaits; 0: nothing */
static bool answers_fail;

/* Our own book. */
static struct loan {
    bool is_lent;
    uint64_t word;
    uint32_t counts[2];
    struct stretch_of parts[2][LEASE_PARTS];
} book[PAIRS][PAIR_SLOTS];

/* Workers by our own account. */
static struct job {
    bool alive, is_moving; /* until it is dead */
    int socket, pidfd;
    uint64_t pair_id; /* whose window it was given */
    uint64_t moves_for; /* that pair */
    uint32_t slot;
    int lender; /* its socket: nobody else ever has that number */
} jobs[USERS];
static uint32_t waiting_for_worker;

static struct job *job_of(int fd)
{
    for (struct job *job = jobs; job < jobs + USERS; job++)
        if (job->alive && (job->socket == fd || job->pidfd == fd))
            return job;
    return NULL;
}

static long killed(long number, ...)
{
    va_list arguments;
    va_start(arguments, number);
    int fd = va_arg(arguments, int);
    va_end(arguments);
    CHECK(number == SYS_pidfd_send_signal && job_of(fd) && job_of(fd)->pidfd == fd);
    return 0;
}

int spawner_start(pid_t *ret_pid, int *ret_end)
{
    *ret_end = END;
    *ret_pid = 1;
    return SPAWNER;
}
int spawner_meet(int s) { return s == SPAWNER ? 0 : -EBADF; }

int spawner_ask(int s, int connection)
{
    CHECK(s == SPAWNER && connection > 0);
    if (byte() % 16 == 15)
        return -EAGAIN;
    waiting_for_worker++;
    return 0;
}

int64_t kernel_now(void) { return now; }
void log_line(int level, const char *format, ...) { (void)level, (void)format; }
void process_ready(struct process *process) { CHECK(!process->waits); }
void kernel_close(int fd)
{
    if (fd == SPAWNER || fd < 0)
        return;
    struct job *job = job_of(fd);
    CHECK(job);
    if (fd == job->pidfd) {
        CHECK(job->socket < 0);
        job->alive = false;
    }
    *(fd == job->pidfd ? &job->pidfd : &job->socket) = -1;
}

static void leaves(struct process *process);
void process_gone(struct process *process) { leaves(process); }

bool process_lives(struct process *process, const struct process *asker)
{
    CHECK(process->joined && process != asker);
    if (byte() % 32 != 31)
        return true;
    leaves(process);
    return false;
}

static struct job *mover_by(const struct pair *pair, uint32_t slot)
{
    for (struct job *job = jobs; job < jobs + USERS; job++)
        if (job->alive && job->is_moving && job->moves_for == pair->id && job->slot == slot)
            return job;
    return NULL;
}

/* Whatever the answer to a REVOKE is: nobody writes there any more, also if the pair has gone before. */
static void check_given_back(const struct process *process, const struct request *request)
{
    for (struct job *job = jobs; job < jobs + USERS && request->op == OP_REVOKE; job++)
        CHECK(!job->alive || !job->is_moving || job->lender != process->socket || job->moves_for != request->pair_id ||
              job->slot != request->index);
}

/* An answer of 0 to what was asked: does our book agree? */
static void note(const struct process *process, const struct request *request, uint64_t moved)
{
    struct pair *pair = find_pair(request->pair_id);
    CHECK(pair && process == (is_move(request) ? pair->receiver : pair->sender));
    struct loan *loan = &book[number_of(pair)][request->index % PAIR_SLOTS];
    CHECK(request->index < PAIR_SLOTS);
    if (request->op == OP_LEND) {
        CHECK(!mover_by(pair, request->index));
        loan->is_lent = true;
        loan->word = request->word;
        loan->counts[0] = request->message_parts;
        loan->counts[1] = request->reply_parts;
        memcpy(loan->parts, request->parts, sizeof loan->parts);
    } else if (request->op == OP_REVOKE) {
        CHECK(loan->is_lent && !mover_by(pair, request->index));
        loan->is_lent = false;
    } else {
        CHECK(moved <= WINDOW_SIZE);
    }
}

int process_tell(struct process *process, const struct answer *answer, const int *fds, unsigned fd_count)
{
    uint64_t *cookie = &cookies[process - broker.processes];
    CHECK(!fds && fd_count == 0 && !process->waits);
    if (!process->joined)
        return -EPIPE;
    CHECK(*cookie != 0 && answer->cookie == *cookie && answer->error >= 0);
    *cookie = 0;
    check_given_back(process, &requests[process - broker.processes].request);
    if (answer->error == 0)
        note(process, &requests[process - broker.processes].request, answer->moved);
    return answers_fail ? -EPIPE : 0;
}

/* An order: is it what was lent? */
int datagram_send(int socket, const void *bytes, size_t size, const int *fds, unsigned fd_count)
{
    struct order order;
    struct job *job = job_of(socket);
    CHECK(job && job->socket == socket && !job->is_moving && size == sizeof order);
    memcpy(&order, bytes, size);
    if (fd_count > 0) {
        CHECK(fd_count == ORDER_FDS);
        const struct pair *given = broker.pairs;
        while (!given->sender || given->fd != fds[ORDER_PAIR])
            CHECK(++given < broker.pairs + LINKS);
        CHECK(fds[ORDER_CONNECTION] == given->sender->socket && fds[ORDER_LIFE] == given->sender->life);
        job->pair_id = given->id;
    }
    const struct pair *pair = find_pair(job->pair_id);
    CHECK(pair && pair->sender->joined && pair->receiver->joined && pair->receiver->waits);
    const struct request *asked_for = &requests[pair->receiver - broker.processes].request;
    CHECK(asked_for->pair_id == pair->id && is_move(asked_for));
    uint32_t slot = (uint32_t)((order.window_at - PAIR_SLOTS_AT - SLOT_WINDOW_AT) / SLOT_STRIDE);
    CHECK(order.window_at == PAIR_SLOTS_AT + (uint64_t)slot * SLOT_STRIDE + SLOT_WINDOW_AT && slot < PAIR_SLOTS);
    const struct loan *loan = &book[number_of(pair)][slot];
    CHECK(loan->is_lent && loan->word == asked_for->word && slot == asked_for->index);
    CHECK(order.is_out == (asked_for->op == OP_MOVE_OUT) && order.part_count <= loan->counts[order.is_out]);
    uint64_t total = 0;
    for (uint32_t i = 0; i < order.part_count; i++) {
        const struct stretch_of *part = &order.parts[i];
        bool is_inside = false;
        for (uint32_t k = 0; k < loan->counts[order.is_out]; k++) {
            const struct stretch_of *lent = &loan->parts[order.is_out][k];
            is_inside |= part->address >= lent->address && part->length <= lent->length &&
                         part->address - lent->address <= lent->length - part->length;
        }
        CHECK(is_inside && part->address + part->length >= part->address);
        total += part->length;
    }
    CHECK(total <= WINDOW_SIZE && total <= asked_for->length);
    if (byte() % 32 == 31)
        return -EPIPE;
    job->is_moving = true;
    job->moves_for = pair->id;
    job->slot = slot;
    job->lender = pair->sender->socket;
    return 0;
}

int datagram_receive(int socket, void *bytes, size_t size, int *ret_fds, unsigned *fd_count, int flags)
{
    struct report report = {.moved = byte()};
    CHECK(flags == MSG_DONTWAIT && size == sizeof report);
    if (socket == SPAWNER) {
        if (waiting_for_worker == 0 || byte() % 64 == 63)
            return waiting_for_worker == 0 ? -EAGAIN : -EBADMSG;
        waiting_for_worker--;
        *fd_count = 0;
        if (byte() % 8 == 7) {
            report.error = EPERM;
        } else {
            struct job *job = jobs;
            while (job->alive)
                CHECK(++job < jobs + USERS);
            *job = (struct job){.alive = true, .socket = next_fd, .pidfd = next_fd + 1};
            next_fd += 2;
            ret_fds[0] = job->socket;
            ret_fds[1] = job->pidfd;
            *fd_count = 2;
        }
    } else {
        struct job *job = job_of(socket);
        CHECK(job && job->socket == socket);
        if (!job->is_moving || byte() % 16 == 15)
            return byte() % 2 ? -EAGAIN : -EBADMSG;
        job->is_moving = false;
        report.error = byte() % 4 ? 0 : EFAULT;
    }
    memcpy(bytes, &report, sizeof report);
    return 0;
}

static void part(struct pair *pair)
{
    transfer_pair_gone(pair);
    memset(book[number_of(pair)], 0, sizeof book[0]);
    pair->sender = pair->receiver = NULL;
}

static void leaves(struct process *process)
{
    process->joined = false;
    transfer_process_gone(process);
    for (struct pair *pair = broker.pairs; pair < broker.pairs + LINKS; pair++)
        if (pair->sender == process || pair->receiver == process)
            part(pair);
    CHECK(!process->waits); /* its requests were about its pairs */
    cookies[process - broker.processes] = 0;
}

static void arrives(struct process *process)
{
    uint32_t uid = 10 + byte() % 4;
    *process = (struct process){.known = true, .joined = true, .socket = next_fd, .life = next_fd + 1, .uid = uid,
                                .gid = uid + byte() % 2, .user = user_meet(&broker.quotas, uid)};
    next_fd += 2;
    user_meet(&broker.quotas, uid)->used[QUOTA_PROCESSES] = 1; /* it is not forgotten */
}

static void meet(void)
{
    struct pair *pair = &broker.pairs[byte() % LINKS];
    struct process *a = &broker.processes[byte() % BODIES], *b = &broker.processes[byte() % BODIES];
    if (pair->sender || a == b || !a->joined || !b->joined)
        return;
    *pair = (struct pair){.sender = a, .receiver = b, .fd = next_fd++, .id = next_id += 1 + byte() % 3};
}

static void ask(void)
{
    const struct pair *pair = &broker.pairs[byte() % LINKS];
    unsigned what = byte();
    struct request request = {.cookie = (uint64_t)next_fd++, .op = OP_LEND + what % 4, .index = what / 4 % SLOTS_TRIED,
                              .pair_id = pair->id, .word = byte() % 4};
    struct process *process = request.op == OP_MOVE_IN || request.op == OP_MOVE_OUT ? pair->receiver : pair->sender;
    if (byte() % 16 == 15) { /* somebody else's */
        process = &broker.processes[byte() % BODIES];
        request.index = byte() % 2 ? request.index : (uint32_t)wild();
        request.pair_id = byte() % 2 ? request.pair_id : wild();
    }
    if (!process || !process->joined || process->waits)
        return;
    if (request.op == OP_LEND) {
        request.message_parts = byte() % 16 == 15 ? (uint32_t)wild() : byte() % (LEASE_PARTS + 1);
        request.reply_parts = byte() % (LEASE_PARTS + 1);
        for (uint32_t i = 0; i < 2 * LEASE_PARTS; i++)
            request.parts[i] = (struct stretch_of){wild(), wild()};
    }
    request.offset = wild();
    request.length = wild();
    uint64_t moved = 0;
    cookies[process - broker.processes] = request.cookie;
    int r = transfer_request(process, &request, &moved);
    if (!process->joined)
        return; /* it went meanwhile: process_lives() */
    CHECK((r == TRANSFER_LATER) == process->waits);
    if (r == TRANSFER_LATER)
        return;
    cookies[process - broker.processes] = 0;
    CHECK(r <= 0);
    check_given_back(process, &request);
    if (r == 0)
        note(process, &request, moved);
}

static void worker_is_told(unsigned which, bool of_death)
{
    struct worker *worker = &workers[which % USERS];
    struct job *job = worker->state == FREE || worker->state == COMING ? NULL : job_of(worker->pidfd);
    if (of_death && job)
        job->is_moving = false; /* the kernel says: it is dead */
    transfer_event((of_death ? 2 : 1) + 2 * (which % USERS));
}

static void act(void)
{
    switch (byte() % 16) {
    case 0:
    case 1:
        meet();
        break;
    case 2:
        if (spawner >= 0)
            transfer_event(0);
        break;
    case 3: {
        struct pair *pair = &broker.pairs[byte() % LINKS];
        if (pair->sender && byte() % 4 == 0)
            part(pair);
        break;
    }
    case 4:
        now += byte() * INT64_C(1000000);
        transfer_tick();
        CHECK(transfer_patience() != 0);
        break;
    case 5:
        worker_is_told(byte(), byte() % 4 == 0);
        break;
    case 6:
        worker_is_told(byte(), false);
        break;
    case 7: {
        struct process *process = &broker.processes[byte() % BODIES];
        if (byte() % 4)
            break;
        if (process->joined)
            leaves(process);
        else
            arrives(process);
        break;
    }
    case 8:
        answers_fail = byte() % 8 == 0;
        break;
    default:
        ask();
    }
}

static void end(void)
{
    answers_fail = false;
    for (struct process *process = broker.processes; process < broker.processes + BODIES; process++)
        if (process->joined)
            leaves(process);
    while (waiting_for_worker > 0 && spawner >= 0)
        transfer_event(0);
    for (uint32_t i = 0; i < USERS; i++)
        if (workers[i].state != FREE)
            worker_is_told(i, true);
    for (struct worker *worker = workers; worker < workers + USERS; worker++)
        CHECK((worker->state == FREE || (worker->state == COMING && spawner < 0)) && !worker->first);
    for (struct job *job = jobs; job < jobs + USERS; job++)
        CHECK(!job->alive);
    CHECK(broker.quotas.used[QUOTA_LEASES] == 0 && broker.quotas.used[QUOTA_MOVES] == 0);
    for (uint32_t pair = 0; pair < PAIRS; pair++)
        for (uint32_t slot = 0; slot < PAIR_SLOTS; slot++)
            CHECK(!lease_find(&leases, pair, slot));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    input_end = data + size;
    memset(&broker, 0, sizeof broker);
    memset(&leases.of, 0, sizeof leases.of);
    leases.first_free = leases.never_used = 0;
    memset(workers, 0, sizeof workers);
    memset(requests, 0, sizeof requests);
    memset(book, 0, sizeof book);
    memset(jobs, 0, sizeof jobs);
    memset(cookies, 0, sizeof cookies);
    asked_first = asked_count = waiting_for_worker = 0;
    earliest = INT64_MAX;
    now = 1;
    next_fd = 1000;
    next_id = 0;
    answers_fail = false;
    broker.is_transferring = true;
    spawner = transfer_start() == 0 ? SPAWNER : -1;
    for (uint32_t i = 0; i < BODIES; i++)
        arrives(&broker.processes[i]);
    while (input < input_end)
        act();
    end();
    return 0;
}
