/*
 * broker_kernel.c - see broker_kernel.h. It replaces kernel.c, files.c, log.c and notify.c, and checks what it is asked.
 */
#include "broker_kernel.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "log.h"
#include "notify.h"

struct body bodies[BODIES];
struct file files[FILES];
int open_files, kept_files;
bool page_used[PROCESSES];
int64_t now, dear;
unsigned failures;
uint64_t last_random;

/* What was published, by our own book. */
static struct known_name {
    int socket;
    uint32_t gid, mode;
    char text[HELPER_NAME_MAX + 8];
} book[64];

static struct news_page pages[PROCESSES];
static int64_t spent;

_Noreturn void not_so(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}

int file_new(enum kind kind, struct body *of)
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

void janitor_comes(void)
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
