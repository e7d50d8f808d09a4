/*
 * helper.c - see helper.h.
 *
 * One socket a process, one lock around each question and its answer; whoever holds the lock also reads the news that
 * come in between.
 *
 * It may be killed and started again at any time. Pairs that were made go on without it. All that it has to be told
 * again
 * is told when the next one is joined: who we are, our names, whom we watch (send.c).
 */
#define _GNU_SOURCE
#include "helper.h"
#include "helper_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "helper_socket.h"
#include "link.h"
#include "map.h"
#include "peer.h"
#include "process.h"
#include "signals.h"
#include "srr.h"

#define ANSWER_LONGEST (1000 * MS) /* it answers at once, or is stopped, or overwhelmed */
#define RETRY (1000 * MS)
#define RETRY_AWAY (100 * MS) /* it has been there a moment ago, and others may be waiting for us to be back with it */
#define YOUNG (2000 * MS) /* so long after its start, who is not there or has no name may be on his way */
#define RETRY_HUNG (30000 * MS)
#define AWAY_LONGEST (5000 * MS)
#define AWAY_SLICE (20 * MS)
/*
 * Of those who were let in and are not collected yet: each is four descriptors. With so many nothing more is read, and
 * the helper lets nobody in after some more. Only who asks it something reads on, up to the second number.
 */
#define MEETINGS_KEPT 32
#define MEETINGS_MAX 128

int helper_new(struct process *self)
{
    struct helper *h = calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    pthread_mutex_init(&h->lock, NULL);
    pthread_mutex_init(&h->meeting, NULL);
    helper_path(h->path, sizeof h->path);
    h->fd = h->end = -1;
    h->why = -ENOSYS;
    self->helper = h;
    atomic_store(&self->news, &h->silence);
    return 0;
}

bool helper_has_names(const struct process *self) { return atomic_load(&self->helper->has_names) != 0; }

/* It has been there, and will be again: the socket is, and nobody answers. */
static bool is_away(int r) { return r == -ECONNREFUSED || r == -EPIPE || r == -ECONNRESET || r == -EAGAIN; }

static void leave(struct process *self, int why)
{
    struct helper *h = self->helper;
    struct stat st;
    int fd = atomic_load(&h->fd);
    h->why = why;
    if (fd < 0)
        return;
    if (is_away(why))
        atomic_store(&h->next_try, 0); /* at once */
    if (fstat(fd, &st) == 0 && st.st_dev == h->socket.st_dev && st.st_ino == h->socket.st_ino)
        fd_drop(fd);
    atomic_store(&h->fd, -1);
    atomic_store(&self->joined, 0);
}

/* ---- asking it */

/* An answer's descriptors, by their places. Exactly as many as there must be, else nothing. */
static bool introduced(const struct answer *answer, int fds[FDS_MAX], int count, struct introduction *ret_introduction)
{
    if (count == FDS_MAX) {
        *ret_introduction = (struct introduction){
            .peer = {.pid = answer->pid, .uid = answer->uid, .gid = answer->gid, .watch = fds[2], .life = fds[3]},
            .gate_id = answer->gate_id,
            .pair_id = answer->pair_id,
            .index = answer->index,
            .gate = fds[0],
            .pair = fds[1]};
        return true;
    }
    while (count > 0)
        fd_drop(fds[--count]);
    return false;
}

/* Under both locks. */
static void forget_the_dead(struct process *self)
{
    struct helper *h = self->helper;
    h->last = NULL;
    for (struct meeting **link = &h->first, *meeting; (meeting = *link);) {
        if (stranger_alive(&meeting->it.peer)) {
            h->last = meeting;
            link = &meeting->next;
            continue;
        }
        *link = meeting->next;
        introduction_close(&meeting->it);
        free(meeting);
        atomic_fetch_sub(&self->meetings, 1);
    }
}

/* News: a sender was let in to us. The receiver finds it in the list, and is woken for it. */
static void note_meeting(struct process *self, const struct answer *answer, int fds[FDS_MAX], int count)
{
    struct helper *h = self->helper;
    struct introduction it;
    if (!introduced(answer, fds, count, &it))
        return;
    pthread_mutex_lock(&h->meeting);
    if (atomic_load(&self->meetings) >= MEETINGS_MAX)
        forget_the_dead(self);
    struct meeting *meeting = atomic_load(&self->meetings) < MEETINGS_MAX ? malloc(sizeof *meeting) : NULL;
    if (!meeting) {
        pthread_mutex_unlock(&h->meeting);
        introduction_close(&it); /* its sender waits until its time runs out */
        return;
    }
    *meeting = (struct meeting){NULL, it};
    *(h->last ? &h->last->next : &h->first) = meeting;
    h->last = meeting;
    atomic_fetch_add(&self->meetings, 1);
    pthread_mutex_unlock(&h->meeting);
    port_ring_bell(&self->front->port);
}

bool helper_next_meeting(struct process *self, struct introduction *ret_meeting)
{
    struct helper *h = self->helper;
    if (atomic_load(&self->meetings) == 0)
        return false;
    pthread_mutex_lock(&h->meeting);
    struct meeting *meeting = h->first;
    if (meeting) {
        h->first = meeting->next;
        if (!h->first)
            h->last = NULL;
        atomic_fetch_sub(&self->meetings, 1);
        *ret_meeting = meeting->it;
        free(meeting);
    }
    pthread_mutex_unlock(&h->meeting);
    return meeting != NULL;
}

/* What a dead helper has said is all read, however much: nobody says it again. */
static bool holds_back(const struct process *self)
{
    struct pollfd p = {.fd = self->helper->fd};
    return atomic_load(&self->meetings) >= MEETINGS_KEPT && poll(&p, 1, 0) == 0;
}

/* Under the lock: what it has said unasked. */
static void listen_now(struct process *self)
{
    struct helper *h = self->helper;
    struct answer answer;
    int fds[FDS_MAX], n;
    bool full = false;
    while (h->fd >= 0 && !(full = holds_back(self)) && (n = helper_receive(h->fd, &answer, fds)) != -EAGAIN) {
        if (n >= 0 && answer.op == OP_MEET)
            note_meeting(self, &answer, fds, n);
        else if (n != -EINTR)
            leave(self, n < 0 ? n : -EPROTO);
    }
    atomic_store(&h->held_back, full);
}

/*
 * Whoever finds the lock taken, with news to be read, goes away: so who had it must look again afterwards. The helper
 * sends, then adds to the word. And a receiver empties the list of meetings, then comes to read on:
 *
 *     losing                                          ours
 *     asker:    the list is full: reads no further    the same
 *     receiver: empties it; finds the lock taken      the same
 *     asker:    gives the lock up                     asker: gives the lock up; has held back, and the list is not
 *     receiver: sleeps past those who lie there              full: takes it again, reads on
 */
void helper_unlock(struct process *self)
{
    struct helper *h = self->helper;
    uint32_t before;
    bool again;
    do {
        before = helper_news(self);
        listen_now(self);
        pthread_mutex_unlock(&h->lock);
        again = atomic_load(&h->held_back) && atomic_load(&self->meetings) < MEETINGS_KEPT;
    } while ((again || helper_news(self) != before) && pthread_mutex_trylock(&h->lock) == 0);
}

/* Who is refused at the door is told so before he asks: 0 is nobody's cookie. */
static bool answers(const struct request *request, const struct answer *answer)
{
    return answer->op == request->op &&
           (answer->cookie == request->cookie || (answer->cookie == 0 && request->op == OP_HELLO));
}

/* Under the lock, connected. 0: there is an answer, which may be an error; else why there is no helper any more. */
static int ask(struct process *self, struct request *request, int descriptor, struct answer *ret_answer,
               int fds[FDS_MAX], int *ret_count)
{
    struct helper *h = self->helper;
    int64_t end = now_ns() + ANSWER_LONGEST;
    request->magic = HELPER_MAGIC;
    request->cookie = ++h->cookie;
    int r = helper_send(h->fd, request, descriptor);
    while (r == 0) {
        int n = helper_receive(h->fd, ret_answer, fds);
        if (n >= 0 && answers(request, ret_answer)) {
            *ret_count = n;
            return 0;
        }
        if (n >= 0 && ret_answer->op == OP_MEET)
            note_meeting(self, ret_answer, fds, n);
        else if (n >= 0)
            r = -EPROTO;
        else if (n != -EAGAIN && n != -EINTR)
            r = n;
        else {
            struct pollfd p = {.fd = h->fd, .events = POLLIN};
            int64_t left = end - now_ns();
            if (left <= 0)
                r = -ETIMEDOUT;
            else
                poll(&p, 1, (int)(left / MS) + 1);
        }
    }
    leave(self, r);
    return r;
}

/* Under the lock; the answer is all that counts. */
int helper_ask_plain(struct process *self, struct request *request, struct answer *ret_answer)
{
    int fds[FDS_MAX], count, r = ask(self, request, -1, ret_answer, fds, &count);
    while (r == 0 && count > 0)
        fd_drop(fds[--count]);
    return r;
}

/* ---- joining it */

static int say_hello(struct process *self)
{
    struct helper *h = self->helper;
    struct request request = {.op = OP_HELLO, .pid = self->pid, .version = LAYOUT_VERSION};
    struct answer answer;
    int fds[FDS_MAX], count, r = ask(self, &request, self->life_fd, &answer, fds, &count);
    if (r < 0)
        return r;
    struct news_page *news = NULL;
    if (answer.error == 0 && count >= 1)
        news = map_over(h->news, fds[0], NEWS_SIZE, PROT_READ);
    fd_drop(h->end);
    h->end = news && count == 2 ? fds[--count] : -1;
    while (count > 0)
        fd_drop(fds[--count]);
    r = answer.error > 0 ? -answer.error : !news || news->magic != NEWS_MAGIC ? -EPROTO : 0;
    if (r == 0) {
        h->news = news;
        atomic_store(&self->news, (const a32 *)(const void *)&news->word);
        h->features = answer.features;
        h->version = answer.version;
        h->mover = answer.pid;
        atomic_store(&h->began, now_ns() - (int64_t)(answer.age_ms < 1000000000 ? answer.age_ms : 1000000000) * MS);
        for (struct published *name = h->names; name && r == 0; name = name->next) {
            request = helper_publication(name);
            r = helper_ask_plain(self, &request, &answer); /* what it refuses now it will have told to its log */
        }
    }
    if (r < 0)
        leave(self, r);
    return r;
}

static void join(struct process *self)
{
    struct helper *h = self->helper;
    struct stat st;
    int fd = futex_sleeps_on_any() ? helper_open(h->path) : -ENOSYS, r = fd;
    if (fd >= 0) {
        r = fstat(fd, &st) == 0 ? 0 : -errno;
        h->socket = st;
        h->fd = fd;
        if (r == 0)
            r = say_hello(self);
    }
    h->why = r;
    int64_t retry = r == -ETIMEDOUT || r == -EPROTO ? RETRY_HUNG : is_away(r) ? RETRY_AWAY : RETRY;
    atomic_store(&h->next_try, now_ns() + retry);
    if (r == 0) {
        atomic_store(&self->joined, ++h->joins);
        atomic_store(&self->abroad, 1);
    }
}

void helper_join_first(struct process *self)
{
    pthread_mutex_lock(&self->helper->lock);
    if (!self->joined_once)
        join(self);
    self->joined_once = true;
    helper_unlock(self);
}

void helper_listen(struct process *self)
{
    if (atomic_load(&self->helper->fd) >= 0 && pthread_mutex_trylock(&self->helper->lock) == 0)
        helper_unlock(self);
}

void helper_look(struct process *self)
{
    struct helper *h = self->helper;
    if (!atomic_load(&self->joined_once) || pthread_mutex_trylock(&h->lock) != 0)
        return;
    listen_now(self);
    if (h->fd < 0 && now_ns() >= h->next_try)
        join(self);
    helper_unlock(self);
}

/* ---- questions */

/* 0: answered. -ENOSYS: there is no helper. Or why the verb must end. */
static int ask_patiently(struct process *self, struct request *request, struct patience *patience,
                         struct answer *ret_answer, int fds[FDS_MAX], int *ret_count)
{
    struct helper *h = self->helper;
    int64_t end = now_ns() + AWAY_LONGEST;
    for (;;) {
        pthread_mutex_lock(&h->lock);
        if (h->fd < 0)
            join(self);
        self->joined_once = true;
        int r = h->fd >= 0 ? ask(self, request, -1, ret_answer, fds, ret_count) : h->why;
        helper_unlock(self);
        if (r == 0)
            return 0;
        if (!is_away(r) || now_ns() >= end)
            return -ENOSYS;
        int64_t slice = patience_slice(patience);
        if ((r = patience_check(patience)) != 0 ||
            (r = folder_sleep(-1, -1, slice < AWAY_SLICE ? slice : AWAY_SLICE)) == -EINTR)
            return r;
        if (patience_is_due(patience) && (r = patience_look(patience)) != 0)
            return r;
    }
}

static int introduce_now(struct process *self, pid_t pid, struct patience *patience,
                         struct introduction *ret_introduction)
{
    struct request request = {.op = OP_CONNECT, .pid = pid};
    struct answer answer;
    int fds[FDS_MAX], count, r = ask_patiently(self, &request, patience, &answer, fds, &count);
    if (r < 0)
        return r == -ENOSYS ? -EACCES : r;
    if (answer.error == 0)
        return introduced(&answer, fds, count, ret_introduction) && answer.pid == pid ? 0 : -EPROTO;
    while (count > 0)
        fd_drop(fds[--count]);
    return answer.error > 0 ? -answer.error : -EPROTO;
}

/*
 * A process of our own user that has not joined yet may do so at any moment, and is waited for, as one without rows
 * is. And
 * to a helper that has just begun those come back that its predecessor knew.
 */
int helper_introduce(struct process *self, pid_t pid, struct patience *patience, struct introduction *ret_introduction)
{
    for (;;) {
        int r = introduce_now(self, pid, patience, ret_introduction);
        if ((r != -ESRCH && r != -EACCES) || process_exists(pid) != 0)
            return r;
        bool young = helper_joins(self) != 0 && now_ns() - atomic_load(&self->helper->began) < YOUNG;
        if (!young && (r == -EACCES || !process_is_ours(pid)))
            return -EACCES;
        int64_t slice = patience_slice(patience);
        if ((r = patience_check(patience)) != 0 ||
            (r = folder_sleep(-1, -1, young && slice > AWAY_SLICE ? AWAY_SLICE : slice)) == -EINTR)
            return r;
        if (patience_is_due(patience) && (r = patience_look(patience)) != 0)
            return r;
    }
}

static int error_of(const struct answer *answer)
{
    return answer->error >= 0 && answer->error < 4096 ? -answer->error : -EPROTO;
}

int helper_ask(struct process *self, struct request *request, struct answer *ret_answer)
{
    struct patience patience;
    int fds[FDS_MAX], count;
    patience_begin(&patience, NULL, SLICE_FIRST);
    int r = ask_patiently(self, request, &patience, ret_answer, fds, &count);
    while (r == 0 && count > 0)
        fd_drop(fds[--count]);
    return r < 0 ? r : error_of(ret_answer);
}

/* The lock is ours; it is given up. */
static int ask_and_unlock(struct process *self, struct request *request, struct answer *ret_answer)
{
    int r = self->helper->fd < 0 ? -ENOSYS : helper_ask_plain(self, request, ret_answer);
    helper_unlock(self);
    return r < 0 ? -ENOSYS : error_of(ret_answer);
}

int helper_ask_now(struct process *self, struct request *request, struct answer *ret_answer)
{
    pthread_mutex_lock(&self->helper->lock);
    return ask_and_unlock(self, request, ret_answer);
}

int helper_ask_same(struct process *self, int end, struct request *request, struct answer *ret_answer)
{
    struct stat its, now;
    struct helper *h = self->helper;
    pthread_mutex_lock(&h->lock);
    if (fstat(end, &its) == 0 && fstat(h->end, &now) == 0 && its.st_ino == now.st_ino && its.st_dev == now.st_dev)
        return ask_and_unlock(self, request, ret_answer);
    helper_unlock(self);
    return -ENOSYS;
}

pid_t helper_mover(struct process *self, int *ret_end)
{
    struct helper *h = self->helper;
    pthread_mutex_lock(&h->lock);
    pid_t mover = h->fd >= 0 && h->features & FEATURE_TRANSFER ? h->mover : -ENOSYS;
    if (ret_end && mover >= 0) {
        int end = fcntl(h->end, F_DUPFD_CLOEXEC, 0);
        mover = end < 0 ? -ENOSYS : mover;
        *ret_end = end < 0 ? -1 : fd_keep(end);
    }
    helper_unlock(self);
    return mover;
}

int helper_watch(struct process *self, pid_t pid)
{
    struct request request = {.op = OP_WATCH, .pid = pid};
    struct answer answer;
    return pthread_mutex_trylock(&self->helper->lock) != 0 ? -EAGAIN : ask_and_unlock(self, &request, &answer);
}
