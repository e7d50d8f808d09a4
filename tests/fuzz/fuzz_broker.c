/*
 * fuzz_broker.c - srr-helper's broker in the hands of libFuzzer: tables.c, requests.c, broker.c, quotas.c and
 * admission.c as they are, over a kernel that is made here (it replaces kernel.c, files.c, log.c and notify.c).
 *
 * The input is a history: processes of a few users connect, send requests (mostly nearly right ones:
 * structure-aware), die, exec, close, do not read what they are sent; time passes; the kernel has no more files.
 * After it everybody leaves.
 *
 * What is checked, besides what the sanitizers see: descriptors are closed exactly once, and all are, but one for
 * each banned user; what others have seen is closed by the janitor, who comes when the input says so; each quota comes back to 0; nobody is told of a pair whom no name admits, by a second record of
 * names kept here; a pair's file goes to its two processes only, a gate's to its receiver and its one user; nobody
 * hears of a name that it may not see.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "log.h"
#include "notify.h"

#define BODIES 10u
#define FILES 4096
#define CHECK(so) ((so) ? (void)0 : not_so(__LINE__, #so))

static _Noreturn void not_so(int line, const char *what)
{
    fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, line, what);
    abort();
}

/* Who there is. Two processes a user or more; one user is root. */
static struct body {
    int32_t pid;
    uint32_t uid, gid;
    gid_t groups[2];
    bool dead, execed;
} bodies[BODIES];

enum kind { CLOSED, SOCKET, PIDFD, MEMFD, SHRINKABLE, FOREIGN, NEWS, GATE, PAIR };
static struct file {
    enum kind kind;
    struct body *of;
    unsigned uses;      /* what lies in a socket's queue has one of its own */
    bool is_closing;    /* the janitor has it */
    /* of a socket: */
    bool unread, has_pending, at_end;
    struct delivery pending;
    /* of a gate or a pair: who has been sent it */
    struct body *told[2];
    uint32_t uid;
} files[FILES];
static int open_files, kept_files;

/* What was published, by our own book. */
static struct known_name {
    int socket;
    uint32_t gid, mode;
    char text[HELPER_NAME_MAX + 8];
} book[64];

static struct news_page pages[PROCESSES];
static bool page_used[PROCESSES];
static int64_t now, spent, dear; /* dear: how much each look at the CPU clock adds to it */
static unsigned failures; /* bits: what the kernel refuses now */
enum { NO_FILES = 1, NO_ROOM = 2, BROKEN = 4, NOT_READ = 8 };
static uint64_t last_random;

static const uint8_t *input, *input_end;
static unsigned byte(void) { return input < input_end ? *input++ : 0; }

static int file_new(enum kind kind, struct body *of)
{
    for (int fd = 3; fd < FILES; fd++)
        if (files[fd].kind == CLOSED) {
            memset(&files[fd], 0, sizeof files[fd]);
            files[fd].kind = kind;
            files[fd].of = of;
            files[fd].uses = 1;
            open_files++;
            return fd;
        }
    abort();
}

static bool is_open(int fd, enum kind kind)
{
    return fd >= 0 && fd < FILES && files[fd].kind == kind && !files[fd].is_closing;
}
static struct delivery served; /* what is being answered */

/* kernel.h */
int kernel_accept(int listener, struct guest *ret_guest)
{
    (void)listener;
    (void)ret_guest;
    return -EAGAIN;
}

int kernel_look(int socket, struct delivery *ret_delivery)
{
    CHECK(is_open(socket, SOCKET));
    struct file *file = &files[socket];
    if (file->at_end)
        return 0;
    if (!file->has_pending)
        return -EAGAIN;
    *ret_delivery = served = file->pending;
    if (served.fd >= 0)
        files[served.fd].uses++;
    return 1;
}

static void drop(int fd)
{
    if (fd < 0 || --files[fd].uses > 0)
        return;
    files[fd].kind = CLOSED;
    open_files--;
}

void kernel_take(int socket)
{
    CHECK(is_open(socket, SOCKET) && files[socket].has_pending);
    int fd = files[socket].pending.fd;
    CHECK(fd < 0 || files[fd].uses == 2); /* or we would close it here */
    files[socket].has_pending = false;
    drop(fd);
}

static bool book_admits(const struct body *who, const struct known_name *name, unsigned want)
{
    const struct body *owner = files[name->socket].of;
    unsigned digit = name->mode & 7;
    if (who->uid == 0 || who->uid == owner->uid)
        return true;
    if (who->gid == name->gid || who->groups[0] == name->gid || who->groups[1] == name->gid)
        digit = name->mode >> 3 & 7;
    return (digit & want) != 0;
}

static bool may_meet(const struct body *sender, const struct body *receiver)
{
    if (sender->uid == receiver->uid || sender->uid == 0)
        return true;
    for (size_t i = 0; i < sizeof book / sizeof book[0]; i++)
        if (book[i].socket && files[book[i].socket].of == receiver && book_admits(sender, &book[i], 2))
            return true;
    return false;
}

static struct known_name *book_find(uint32_t uid, const char *text)
{
    for (size_t i = 0; i < sizeof book / sizeof book[0]; i++)
        if (book[i].socket && files[book[i].socket].of->uid == uid && strcmp(book[i].text, text) == 0)
            return &book[i];
    return NULL;
}

static struct body *body_of(int32_t pid)
{
    for (struct body *body = bodies; body < bodies + BODIES; body++)
        if (body->pid == pid)
            return body;
    return NULL;
}

static void check_introduction(struct body *to, const struct answer *answer, const int *fds)
{
    struct body *peer = body_of(answer->pid);
    CHECK(peer && peer != to && peer->uid == answer->uid && peer->gid == answer->gid);
    struct body *sender = answer->op == OP_MEET ? peer : to, *receiver = answer->op == OP_MEET ? to : peer;
    CHECK(may_meet(sender, receiver));
    CHECK(answer->index < GATE_PAIRS);
    CHECK(is_open(fds[0], GATE) && is_open(fds[1], PAIR) && is_open(fds[2], PIDFD) && is_open(fds[3], MEMFD));
    CHECK(files[fds[2]].of == peer && files[fds[3]].of == peer);
    struct file *gate = &files[fds[0]], *pair = &files[fds[1]];
    CHECK(gate->uid == sender->uid && (!gate->told[0] || gate->told[0] == receiver));
    gate->told[0] = receiver;
    struct body **end = &pair->told[answer->op != OP_MEET];
    CHECK(!*end);
    *end = to;
    CHECK(!pair->told[1] || (pair->told[0] == receiver && pair->told[1] == sender));
}

static void check_answer(struct body *to, int socket, const struct answer *answer)
{
    const struct request *asked = &served.request;
    struct known_name *name;
    CHECK(answer->error == 0 && answer->cookie == asked->cookie);
    switch (answer->op) {
    case OP_PUBLISH:
        name = book_find(to->uid, asked->name);
        for (size_t i = 0; !name; i++)
            name = book[i].socket ? NULL : &book[i];
        CHECK(!name->socket || name->socket == socket);
        name->socket = socket;
        name->gid = asked->gid;
        name->mode = asked->mode;
        memcpy(name->text, asked->name, sizeof name->text);
        break;
    case OP_WITHDRAW:
        name = book_find(to->uid, asked->name);
        CHECK(name && name->socket == socket);
        name->socket = 0;
        break;
    case OP_LOCATE:
        name = book_find(asked->uid, asked->name);
        CHECK(name && files[name->socket].of->pid == answer->pid && book_admits(to, name, 2 | 4));
        break;
    case OP_LIST:
        name = book_find(answer->uid, answer->name);
        CHECK(name && files[name->socket].of->pid == answer->pid && book_admits(to, name, 4));
        break;
    }
}

int kernel_send(int socket, const struct answer *answer, const int *fds, unsigned fd_count)
{
    CHECK(is_open(socket, SOCKET) && answer->magic == HELPER_MAGIC && answer->version == HELPER_PROTOCOL);
    struct file *file = &files[socket];
    if (failures & (BROKEN | NO_ROOM))
        return failures & BROKEN ? -EPIPE : -EAGAIN;
    if (failures & NOT_READ && fd_count > 0)
        file->unread = true;
    if (answer->error != 0)
        CHECK(fd_count == 0);
    else if (answer->op == OP_MEET || answer->op == OP_CONNECT)
        check_introduction(file->of, answer, fds);
    else if (answer->op == OP_HELLO)
        CHECK(fd_count == 1 && is_open(fds[0], NEWS));
    else
        check_answer(file->of, socket, answer);
    return 0;
}

bool kernel_is_read(int socket)
{
    CHECK(is_open(socket, SOCKET));
    return !files[socket].unread;
}

size_t kernel_groups(int socket, gid_t *groups, size_t room)
{
    CHECK(is_open(socket, SOCKET) && room >= 2);
    memcpy(groups, files[socket].of->groups, sizeof files[socket].of->groups);
    return 2;
}

bool kernel_is_dead(int pidfd)
{
    CHECK(is_open(pidfd, PIDFD));
    return files[pidfd].of->dead;
}

bool kernel_is_memfd(int fd)
{
    CHECK(is_open(fd, MEMFD) || is_open(fd, SHRINKABLE) || is_open(fd, FOREIGN));
    kept_files += files[fd].kind == FOREIGN;
    return files[fd].kind != FOREIGN;
}

bool kernel_is_fixed(int memfd)
{
    CHECK(is_open(memfd, MEMFD) || is_open(memfd, SHRINKABLE));
    return files[memfd].kind == MEMFD;
}

bool kernel_life_is_held(int life, int32_t pid)
{
    CHECK(is_open(life, MEMFD));
    const struct body *of = files[life].of;
    return of->pid == pid && !of->dead && !of->execed;
}

void kernel_close(int fd)
{
    CHECK(fd < 0); /* of all that is here others have seen */
}

void kernel_close_later(int fd)
{
    CHECK(fd >= 0 && fd < FILES && files[fd].kind != CLOSED && files[fd].kind != FOREIGN && !files[fd].is_closing);
    for (size_t i = 0; files[fd].kind == SOCKET && i < sizeof book / sizeof book[0]; i++)
        if (book[i].socket == fd)
            book[i].socket = 0;
    files[fd].is_closing = true;
}

bool kernel_has_closed(int fd) { return !files[fd].is_closing; }

static void janitor_comes(void)
{
    for (int fd = 0; fd < FILES; fd++)
        if (files[fd].is_closing) {
            if (files[fd].has_pending)
                drop(files[fd].pending.fd);
            files[fd].is_closing = files[fd].has_pending = false;
            drop(fd);
        }
}

void kernel_hang_up(int socket) { CHECK(is_open(socket, SOCKET)); }
int kernel_watch(int socket, int pidfd, uint32_t index)
{
    CHECK(is_open(socket, SOCKET) && is_open(pidfd, PIDFD) && index < PROCESSES);
    return failures & NO_FILES ? -ENOSPC : 0;
}

void kernel_unwatch(int socket, int pidfd)
{
    CHECK(is_open(socket, SOCKET) && is_open(pidfd, PIDFD));
    for (size_t i = 0; i < sizeof book / sizeof book[0]; i++) /* its names are gone from now on */
        if (book[i].socket == socket)
            book[i].socket = 0;
}

uint64_t kernel_random(void) { return ++last_random; }
int64_t kernel_now(void) { return now; }
int64_t kernel_spent(void) { return spent += dear; }

int make_news(struct news_page **ret_page)
{
    if (failures & NO_FILES)
        return -ENFILE;
    uint32_t i = 0;
    while (page_used[i])
        i++;
    page_used[i] = true;
    *ret_page = &pages[i];
    return file_new(NEWS, NULL);
}

void news_add(struct news_page *page)
{
    CHECK(page_used[page - pages]);
    page->word++;
}

void news_end(struct news_page *page)
{
    CHECK(page_used[page - pages]);
    page_used[page - pages] = false;
}

int make_gate(const struct gate_header *header)
{
    if (failures & NO_FILES)
        return -ENFILE;
    int fd = file_new(GATE, NULL);
    files[fd].uid = header->uid;
    return fd;
}

int make_pair(const struct pair_header *header)
{
    CHECK(header->index < GATE_PAIRS);
    return failures & NO_FILES ? -ENFILE : file_new(PAIR, NULL);
}

/* log.h, notify.h */
void log_line(int level, const char *format, ...) { (void)level, (void)format; }
void log_nobody(const char *what) { (void)what; }
void log_refusal(struct user *user, enum refusal why, const char *format, ...)
{
    char line[512];
    va_list args;
    CHECK(user && why <= REFUSED_GROUP);
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
}
int64_t notify_patience(int64_t then) { return (void)then, -1; }
void notify_tick(int64_t then) { (void)then; }

/* The history. */
static struct process *some_process(void)
{
    unsigned n = byte(), known = 0;
    for (unsigned i = 0; i < PROCESSES; i++)
        known += broker.processes[i].known && !broker.processes[i].leaving;
    for (unsigned i = 0; known > 0 && i < PROCESSES; i++)
        if (broker.processes[i].known && !broker.processes[i].leaving && n-- % known == 0)
            return &broker.processes[i];
    return NULL;
}

static void somebody_connects(void)
{
    struct body *body = &bodies[byte() % BODIES];
    body->dead = body->execed = false; /* its number comes back */
    struct guest guest = {.pid = body->pid, .uid = body->uid, .gid = body->gid};
    guest.socket = file_new(SOCKET, body);
    guest.pidfd = file_new(PIDFD, body);
    greet(&guest);
}

static uint32_t some_id(void)
{
    static const uint32_t ids[] = {0, 1001, 1002, 1003, 65534, UINT32_MAX};
    return ids[byte() % 6];
}

static void somebody_asks(bool with_turn)
{
    struct process *process = some_process();
    if (!process || files[process->socket].has_pending)
        return;
    struct file *file = &files[process->socket];
    struct delivery *d = &file->pending;
    struct request *q = &d->request;
    memset(d, 0, sizeof *d);
    unsigned odd = byte();
    *q = (struct request){.magic = HELPER_MAGIC, .cookie = last_random ^ odd};
    q->op = process->joined ? byte() % (OP_STATUS + 2) : OP_HELLO;
    q->pid = q->op == OP_HELLO ? process->pid : bodies[byte() % BODIES].pid;
    q->version = LAYOUT_VERSION;
    q->uid = some_id();
    q->gid = some_id();
    q->mode = byte() % 2 ? (uint32_t)(byte() << 3 & 0666) | 0600 : 0666;
    q->index = byte();
    q->name[0] = (char)('a' + byte() % 4);
    d->length = sizeof *q;
    d->signed_by_kernel = true;
    d->pid = process->pid;
    d->uid = process->uid;
    enum kind comes = q->op == OP_HELLO ? MEMFD : CLOSED;
    switch (odd) { /* most are in order */
    case 1: d->pid = bodies[byte() % BODIES].pid; break;
    case 2: d->uid = some_id(); break;
    case 3: d->cut = true; break;
    case 4: d->length = byte(); break;
    case 5: d->signed_by_kernel = false; break;
    case 6: q->magic = byte(); break;
    case 7: comes = FOREIGN; break;
    case 8: comes = SHRINKABLE; break;
    case 9: q->pid = (int32_t)byte() - 3; break;
    case 10: q->version = byte(); break;
    case 11: q->op = OP_HELLO; break;
    case 16: comes = comes == CLOSED ? MEMFD : CLOSED; break;
    case 12: q->mode = UINT32_MAX; break;
    case 13: q->index = UINT32_MAX; break;
    case 14: memset(q->name, 'x', byte() % sizeof q->name); break;
    case 15: /* anything at all */
        for (unsigned i = byte(); i < sizeof *q && input < input_end; i++)
            ((char *)q)[i] = (char)byte();
        break;
    }
    d->fd = comes == CLOSED ? -1 : file_new(comes, file->of);
    file->has_pending = true;
    broker_event(EVENT_SOCKET | (uint32_t)(process - broker.processes));
    if (with_turn)
        broker_turn();
}

static void somebody_dies(void)
{
    struct process *process = some_process();
    if (!process)
        return;
    struct body *body = files[process->socket].of;
    body->dead = true;
    for (unsigned i = 0; byte() % 4 != 0 && i < PROCESSES; i++)
        if (broker.processes[i].known && !broker.processes[i].leaving && files[broker.processes[i].socket].of == body)
            broker_event(EVENT_DEATH | i);
}

static void somebody_closes(void)
{
    struct process *process = some_process();
    if (process)
        files[process->socket].at_end = true;
    broker_event(process ? EVENT_SOCKET | (uint32_t)(process - broker.processes) : EVENT_LISTENER);
}

static void all_leave(void)
{
    failures = 0;
    for (int fd = 0; fd < FILES; fd++)
        files[fd].unread = false;
    for (unsigned i = 0; i < PROCESSES; i++)
        if (broker.processes[i].known && !broker.processes[i].leaving)
            process_gone(&broker.processes[i]);
    now += 10 * SILENCE_MOST;
    strangers_expire(now);
    broker_turn();
    janitor_comes();
    CHECK(!has_much_to_close(NULL) && broker.closing_count == 0);
    CHECK(broker.strangers == 0 && broker.unread == 0 && open_files == kept_files);
    for (unsigned i = 0; i < QUOTAS; i++)
        CHECK(broker.quotas.used[i] == 0);
    for (unsigned i = 0; i < USERS; i++)
        CHECK(!broker.quotas.users[i].names && broker.quotas.users[i].unread == 0 &&
              broker.quotas.users[i].closing == 0);
    for (unsigned i = 0; i < PROCESSES; i++) /* the largest table */
        CHECK(!page_used[i] && !broker.processes[i].known && broker.watchers[i][0] == 0 &&
              (i >= GATES || !broker.gates[i].receiver) && (i >= PAIRS || !broker.pairs[i].sender));
    memset(&broker.quotas, 0, sizeof broker.quotas);
    for (int fd = 0; kept_files > 0 && fd < FILES; fd++)
        if (files[fd].kind == FOREIGN) {
            files[fd].kind = CLOSED;
            kept_files--;
            open_files--;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    input_end = data + size;
    broker.serves_all = byte() % 8 != 0;
    broker.only_uid = 1001;
    for (unsigned i = 0; i < BODIES; i++)
        bodies[i] = (struct body){.pid = (int32_t)(100 + i),
                                  .uid = i == 9 ? 0 : 1001 + i % 3,
                                  .gid = 1001 + i % 3,
                                  .groups = {50, i % 2 ? 1003 : 51}};
    while (input < input_end) {
        unsigned step = byte();
        switch (step % 16) {
        case 0: case 1: somebody_connects(); break;
        case 2: somebody_dies(); break;
        case 3: somebody_closes(); break;
        case 4: bodies[byte() % BODIES].execed = true; break;
        case 5: now += (int64_t)byte() * 10000000; strangers_expire(now); broker_clock(); break;
        case 6: failures = step >> 4; break;
        case 7: failures = 0; files[byte()].unread = false; break;
        case 8: broker_turn(); janitor_comes(); dear = step >> 4 == 15 ? 250000 : step >> 4; break;
        case 9: somebody_asks(false); break;
        default: somebody_asks(true);
        }
    }
    all_leave();
    return 0;
}
