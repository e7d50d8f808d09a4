/*
 * stepper_players.c - the clients and servers that are killed and frozen, and those that must go on. See stepper.h.
 *
 * What a player does besides calling the library (checking bytes, waiting for the other one to sleep) lies
 * between two trace_pause(): it is not stepped.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "srr.h"
#include "stepper.h"

#define LARGEST (640 * 1024)
#define ERRANDS_MAX 4
#define MARK 0xa5 /* what a client fills its buffers with as soon as they are its own again */

struct board *board;

struct request {
    uint32_t round, number, kind, size;
};

static void fill(unsigned char *data, size_t size, uint32_t number, unsigned salt)
{
    unsigned seed = (board->round * 131 + number * 31 + salt) % 251;
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(seed + i * 7);
}

static void fill_message(unsigned char *data, uint32_t kind, uint32_t size, uint32_t number)
{
    struct request request = {board->round, number, kind, size};
    fill(data, size, number, 1);
    memcpy(data, &request, sizeof request);
}

static void fill_reply(unsigned char *data, uint32_t size, uint32_t number)
{
    fill(data, size, number, 2);
}

static unsigned char *buffer(size_t size)
{
    unsigned char *data = malloc(size);
    if (!data)
        complain("no memory");
    memset(data, 0xee, size); /* also so that its pages are there */
    return data;
}

void clear_board(uint32_t round)
{
    memset(board, 0, offsetof(struct board, ready));
    board->round = round;
    board->idle_ns = 15 * INT64_C(1000000);
    for (unsigned i = 0; i < MESSAGES; i++)
        sem_init(&board->ends[i].done, 1, 0);
}

/* Blocked from birth on: it interrupts nothing. */
static sigset_t finish_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    return set;
}

pid_t spawn(void)
{
    sigset_t set = finish_signal();
    pid_t driver = getpid(), player = fork();
    if (player == 0) {
        sigprocmask(SIG_BLOCK, &set, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (getppid() != driver)
            _exit(1);
    } else if (player < 0) {
        perror("stepper: fork");
        exit(1);
    }
    return player;
}

void complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(board->complaint, sizeof board->complaint, format, arguments);
    va_end(arguments);
    _exit(1);
}

void await_finish(void)
{
    sigset_t set = finish_signal();
    while (sigwaitinfo(&set, NULL) < 0)
        ;
}

void tell_finish(pid_t player)
{
    kill(player, SIGUSR1);
}

static int count_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

/* The Send is over, its buffers are the client's own again. */
static void settle(const struct errand *errand, int result, const struct srr_sent *sent, unsigned char *message,
                   unsigned char *reply)
{
    struct end *end = &board->ends[errand->number];
    unsigned char *expected = buffer(errand->size);
    fill_reply(expected, errand->size, errand->number);
    end->right = result == 0 && sent->replied == errand->size && sent->stored == errand->size &&
                 memcmp(reply, expected, errand->size) == 0;
    free(expected);
    memset(message, MARK, errand->size);
    memset(reply, MARK, errand->size);
    end->at = now();
    end->result = result;
    end->flags = sent->flags;
    end->ended = true;
    sem_post(&end->done);
}

/* Guarantee C, and nothing leaked. */
static void check_afterwards(const struct errand *errands, unsigned count, unsigned char **reply, int descriptors)
{
    for (unsigned i = 0; i < count; i++)
        for (uint32_t at = 0; at < errands[i].size; at++)
            if (reply[i][at] != MARK)
                complain("byte %u of reply buffer %u was written after its Send had ended", at, errands[i].number);
    if (count_descriptors() > descriptors + 2) /* its row file and its life file */
        complain("a client has %d descriptors more than before", count_descriptors() - descriptors);
    struct srr_process_view view;
    if (srr_look(getpid(), &view, NULL, 0) == 0)
        board->ends[errands[0].number].healed = view.healed;
}

pid_t spawn_client(const struct errand *errands, unsigned count, unsigned stepped)
{
    unsigned char *message[ERRANDS_MAX], *reply[ERRANDS_MAX];
    pid_t player = spawn();
    if (player != 0)
        return player;
    for (unsigned i = 0; i < count; i++) {
        message[i] = buffer(errands[i].size);
        reply[i] = buffer(errands[i].size);
        fill_message(message[i], errands[i].kind, errands[i].size, errands[i].number);
    }
    int descriptors = count_descriptors();
    if (stepped > 0)
        trace_begin();
    for (unsigned i = 0; i < count; i++) {
        struct iovec out = {message[i], errands[i].size}, in = {reply[i], errands[i].size};
        struct srr_wait wait = {.timeout_ns = errands[i].timeout_ns};
        struct srr_sent sent;
        int result = srr_send(errands[i].to, &out, 1, &in, 1, wait.timeout_ns > 0 ? &wait : NULL, &sent);
        if (i < stepped)
            trace_pause();
        settle(&errands[i], result, &sent, message[i], reply[i]);
        if (i < stepped)
            trace_pause();
        if (i + 1 == stepped)
            trace_end();
    }
    await_finish();
    check_afterwards(errands, count, reply, descriptors);
    _exit(0);
}

/* Until the sender has been asleep for longer than its first slice, so that it looks up meanwhile. */
static void await_sleep(pid_t sender)
{
    struct srr_process_view view;
    struct srr_thread_view thread = {.since_ns = 0};
    for (int64_t end = now() + 3000000000; now() < end && !board->hurry; usleep(100)) {
        if (srr_look(sender, &view, &thread, 1) < 0)
            return; /* it is dead */
        if (view.threads > 0 && thread.since_ns != 0 && now() - thread.since_ns > 12000000)
            return;
    }
}

struct server {
    bool stepped; /* still */
    unsigned left; /* messages until it may be idle */
    unsigned char *in, *out, *piece;
};

static void outside(const struct server *server)
{
    if (server->stepped)
        trace_pause();
}

static void check_message(const struct server *server, const struct srr_message *m)
{
    const struct request *request = (const struct request *)(void *)server->in;
    if (m->copied != m->nbytes || m->nbytes != request->size || m->room != request->size)
        complain("message %u: %llu bytes, %llu copied, room for %llu", request->number, (unsigned long long)m->nbytes,
                 (unsigned long long)m->copied, (unsigned long long)m->room);
    fill_message(server->out, request->kind, request->size, request->number);
    if (memcmp(server->in, server->out, request->size) != 0)
        complain("message %u is not what was sent", request->number);
    fill_reply(server->out, request->size, request->number);
}

static int64_t answer(const struct server *server, const struct request *request, uint64_t id)
{
    uint32_t size = request->size;
    if (request->kind == RICH) {
        struct iovec part = {server->piece, 64}, rest = {server->out + size / 2, size - size / 2};
        int64_t r = srr_read(id, size / 2, &part, 1);
        if (r != -ESRCH && (r != 64 || memcmp(server->piece, server->in + size / 2, 64) != 0))
            complain("srr_read: %lld", (long long)r);
        r = srr_write(id, size / 2, &rest, 1);
        if (r != -ESRCH && r != (int64_t)rest.iov_len)
            complain("srr_write: %lld", (long long)r);
        size /= 2;
    }
    board->fates[request->number].replying++;
    struct iovec reply = {server->out, size};
    return request->kind == ERROR ? srr_error(id, EDOM) : srr_reply(id, &reply, 1);
}

static void serve(struct server *server)
{
    struct srr_message m;
    struct iovec part = {server->in, LARGEST};
    struct srr_wait idle = {.timeout_ns = board->idle_ns};
    if (server->stepped)
        board->receiving = true;
    int r = srr_receive(0, &part, 1, server->stepped && !board->thawed ? &idle : NULL, &m);
    const struct request *request = (const struct request *)(void *)server->in;
    if (r == 0 && m.copied >= sizeof *request && request->round == board->round && request->number < MESSAGES)
        board->fates[request->number].received++;
    if (server->stepped)
        board->receiving = false;
    if (r == -ETIMEDOUT && server->stepped) {
        if (server->left == 0) {
            trace_end();
            server->stepped = false;
        }
        return;
    }
    outside(server);
    if (r != 0)
        complain("srr_receive: %d", r);
    if (request->round != board->round)
        complain("in point %u came a message of point %u", board->round, request->round);
    check_message(server, &m);
    if (request->kind == LATE)
        await_sleep(m.pid);
    outside(server);
    int64_t answered = answer(server, request, m.id);
    if (answered >= 0)
        board->fates[request->number].replied++;
    else if (answered == -ESRCH)
        board->fates[request->number].refused++;
    else
        complain("srr_reply: %lld", (long long)answered);
    server->left -= server->left > 0;
    while (request->kind == AWAY && board->away)
        usleep(100);
}

pid_t spawn_server(unsigned stepped, bool cold)
{
    pid_t player = spawn();
    if (player != 0) {
        while (stepped == 0 && sem_wait(&board->ready) != 0)
            ;
        return player;
    }
    struct server server = {stepped > 0, stepped, buffer(LARGEST), buffer(LARGEST), buffer(LARGEST)};
    struct srr_message none;
    if (!cold && srr_creceive(0, NULL, 0, &none) != -ENOMSG)
        complain("a new server has a message already");
    if (stepped > 0)
        trace_begin();
    else
        sem_post(&board->ready);
    for (;;)
        serve(&server);
}
