/*
 * tables.c - making and ending what broker.h lists.
 *
 * No pointer outlives what it points to: process_gone() goes through every table that may name the process. Where
 * something can not be made whole, what was made of it is unmade before the error is returned.
 */
#include <errno.h>
#include <string.h>

#include "broker.h"
#include "log.h"
#include "transfer.h"

struct broker broker;

static void count_closed(void)
{
    for (uint32_t i = broker.closing_count; i-- > 0;)
        if (kernel_has_closed(broker.closing[i].fd)) {
            if (broker.closing[i].user)
                broker.closing[i].user->closing--;
            broker.closing[i] = broker.closing[--broker.closing_count];
        }
}

static const uint32_t pair_kib = PAIR_SIZE / 1024, gate_kib = GATE_SIZE / 1024;

void close_later(struct user *user, int fd)
{
    if (fd < 0)
        return;
    if (broker.closing_count == FILES_MOST)
        count_closed();
    kernel_close_later(fd);
    broker.closing[broker.closing_count++] = (struct closing){fd, user};
    if (user)
        user->closing++;
}

bool has_much_to_close(const struct user *user)
{
    count_closed();
    return broker.closing_count >= CLOSING_TOTAL || (user && user->closing >= CLOSING_OF_USER);
}

struct process *process_new(const struct guest *guest)
{
    struct process *process = broker.processes;
    while (process < broker.processes + PROCESSES && process->known)
        process++;
    struct user *user = user_meet(&broker.quotas, guest->uid);
    if (process == broker.processes + PROCESSES || !user || user->banned)
        return NULL;
    if (has_much_to_close(user) || quota_take(&broker.quotas, user, QUOTA_PROCESSES, 1) < 0) {
        log_refusal(user, REFUSED_QUOTA, "has %u processes here, and %u descriptors to be closed; more are not served",
                    user->used[QUOTA_PROCESSES], user->closing);
        return NULL;
    }
    if (kernel_watch(guest->socket, guest->pidfd, (uint32_t)(process - broker.processes)) < 0) {
        quota_give(&broker.quotas, user, QUOTA_PROCESSES, 1);
        return NULL;
    }
    *process = (struct process){.known = true,
                                .socket = guest->socket,
                                .pidfd = guest->pidfd,
                                .life = -1,
                                .news_fd = -1,
                                .pid = guest->pid,
                                .uid = guest->uid,
                                .gid = guest->gid,
                                .user = user,
                                .deadline = kernel_now() + SILENCE_MOST};
    broker.strangers++;
    return process;
}

/*
 * What its user has made dear to find out is not asked while that user rests: then it lives as long as it has neither
 * died nor closed its connection. What is left is a program that has execed, and whose child has the connection.
 */
static bool is_same_program(const struct process *process)
{
    if (process->user->rests_until)
        return true;
    int64_t before = kernel_spent();
    bool is_held = kernel_life_is_held(process->life, process->pid);
    int64_t spent = kernel_spent() - before;
    user_spent(process->user, spent);
    broker.spared += spent;
    return is_held;
}

bool process_lives(struct process *process, const struct process *asker)
{
    if (process == asker || (!kernel_is_dead(process->pidfd) && is_same_program(process)))
        return true;
    process_gone(process);
    return false;
}

struct process *process_find(int32_t pid, const struct process *asker)
{
    for (struct process *process = broker.processes; process < broker.processes + PROCESSES; process++)
        if (process->joined && process != asker && process->pid == pid && process_lives(process, asker))
            return process;
    return NULL;
}

static void forget_unread(struct process *process)
{
    process->user->unread -= process->unread;
    broker.unread -= process->unread;
    process->unread = 0;
}

/* What was read, by whomever it was sent to: looked at only when there seems to be too much. */
static void count_unread(void)
{
    for (struct process *process = broker.processes; process < broker.processes + PROCESSES; process++)
        if (process->known && process->unread > 0 && kernel_is_read(process->socket))
            forget_unread(process);
}

/* Who has read what it was sent is told, however much others leave unread: one each, beyond the total. */
static bool has_too_much_unread(const struct process *process)
{
    return process->unread >= UNREAD_OF_PROCESS ||
           (process->unread > 0 && (process->user->unread >= UNREAD_OF_USER || broker.unread >= UNREAD_TOTAL));
}

int process_tell(struct process *process, const struct answer *answer, const int *fds, unsigned fd_count)
{
    if (fd_count > 0 && has_too_much_unread(process)) {
        count_unread();
        if (has_too_much_unread(process))
            return -EAGAIN;
    }
    int r = kernel_send(process->socket, answer, fds, fd_count);
    if (r == 0 && fd_count > 0) {
        process->unread++;
        process->user->unread++;
        broker.unread++;
    }
    return r;
}

struct name *name_find(const struct user *user, const char *text)
{
    struct name *name = user->names;
    while (name && strcmp(name->text, text) != 0)
        name = name->next;
    return name;
}

struct name *name_new(struct process *holder, const char *text)
{
    struct name *name = broker.names;
    while (name < broker.names + NAMES && name->holder)
        name++;
    if (name == broker.names + NAMES || quota_take(&broker.quotas, holder->user, QUOTA_NAMES, 1) < 0)
        return NULL;
    *name = (struct name){.holder = holder, .next = holder->user->names};
    memcpy(name->text, text, sizeof name->text);
    holder->user->names = name;
    holder->names++;
    return name;
}

void name_end(struct name *name)
{
    struct user *user = name->holder->user;
    struct name **link = &user->names;
    while (*link != name)
        link = &(*link)->next;
    *link = name->next;
    name->holder->names--;
    name->holder = NULL;
    quota_give(&broker.quotas, user, QUOTA_NAMES, 1);
}

static struct gate *gate_find(const struct process *receiver, uint32_t uid)
{
    for (struct gate *gate = broker.gates; gate < broker.gates + GATES; gate++)
        if (gate->receiver == receiver && gate->uid == uid)
            return gate;
    return NULL;
}

/* Charged to the sender's user, as its pairs are: it is he who came. */
static struct gate *gate_new(struct process *receiver, struct user *user, int *ret_error)
{
    struct gate *gate = broker.gates;
    while (gate < broker.gates + GATES && gate->receiver)
        gate++;
    *ret_error = -EAGAIN;
    if (gate == broker.gates + GATES || receiver->gates >= GATES_OF_ONE ||
        quota_take(&broker.quotas, user, QUOTA_PAIR_KIB, gate_kib) < 0)
        return NULL;
    struct gate_header header = {
        .magic = GATE_MAGIC, .version = LAYOUT_VERSION, .uid = user->uid, .gate_id = kernel_random()};
    int fd = make_gate(&header);
    if (fd < 0) {
        quota_give(&broker.quotas, user, QUOTA_PAIR_KIB, gate_kib);
        *ret_error = fd;
        return NULL;
    }
    *gate = (struct gate){
        .receiver = receiver, .uid = user->uid, .fd = fd, .id = header.gate_id, .last_index = GATE_PAIRS - 1};
    receiver->gates++;
    return gate;
}

static void gate_end_if_empty(struct gate *gate, struct user *user)
{
    if (gate->pairs > 0)
        return;
    close_later(user, gate->fd);
    gate->receiver->gates--;
    gate->receiver = NULL;
    quota_give(&broker.quotas, user, QUOTA_PAIR_KIB, gate_kib);
}

/* The next one after the last that was given: an index that has just become free may still be mapped. */
static int gate_index(const struct gate *gate)
{
    for (uint32_t i = 1; i <= GATE_PAIRS; i++) {
        uint32_t index = (gate->last_index + i) % GATE_PAIRS;
        if ((gate->taken[index / 64] >> index % 64 & 1) == 0)
            return (int)index;
    }
    return -EAGAIN;
}

static int pair_charge(struct user *user)
{
    if (quota_take(&broker.quotas, user, QUOTA_PAIRS, 1) < 0)
        return -EAGAIN;
    if (quota_take(&broker.quotas, user, QUOTA_PAIR_KIB, pair_kib) == 0)
        return 0;
    quota_give(&broker.quotas, user, QUOTA_PAIRS, 1);
    return -EAGAIN;
}

static void pair_discharge(struct user *user)
{
    quota_give(&broker.quotas, user, QUOTA_PAIRS, 1);
    quota_give(&broker.quotas, user, QUOTA_PAIR_KIB, pair_kib);
}

struct pair *pair_new(struct process *sender, struct process *receiver, int *ret_error)
{
    struct user *user = sender->user;
    struct pair *pair = broker.pairs;
    while (pair < broker.pairs + PAIRS && pair->sender)
        pair++;
    *ret_error = -EAGAIN;
    if (pair == broker.pairs + PAIRS || has_much_to_close(user) || pair_charge(user) < 0)
        return NULL;
    struct gate *gate = gate_find(receiver, sender->uid);
    if (!gate && !(gate = gate_new(receiver, user, ret_error)))
        goto no_gate;
    int fd, index = gate_index(gate);
    if (index < 0)
        goto no_pair;
    struct pair_header header = {.magic = PAIR_MAGIC,
                                 .version = LAYOUT_VERSION,
                                 .index = (uint32_t)index,
                                 .pair_id = kernel_random(),
                                 .sender = sender->pid,
                                 .receiver = receiver->pid,
                                 .sender_uid = sender->uid,
                                 .receiver_uid = receiver->uid};
    fd = make_pair(&header);
    if (fd < 0) {
        *ret_error = fd;
        goto no_pair;
    }
    /* Point of no return. */
    *pair = (struct pair){.sender = sender,
                          .receiver = receiver,
                          .gate = gate,
                          .index = header.index,
                          .fd = fd,
                          .id = header.pair_id};
    gate->taken[index / 64] |= UINT64_C(1) << index % 64;
    gate->last_index = header.index;
    gate->pairs++;
    sender->pairs++;
    receiver->pairs++;
    return pair;
no_pair:
    gate_end_if_empty(gate, user);
no_gate:
    pair_discharge(user);
    return NULL;
}

void pair_end(struct pair *pair)
{
    struct user *user = pair->sender->user;
    transfer_pair_gone(pair);
    close_later(user, pair->fd);
    pair->gate->taken[pair->index / 64] &= ~(UINT64_C(1) << pair->index % 64);
    pair->gate->pairs--;
    gate_end_if_empty(pair->gate, user);
    pair->sender->pairs--;
    pair->receiver->pairs--;
    pair->sender = pair->receiver = NULL;
    pair_discharge(user);
}

static uint32_t number_of(const struct process *process) { return (uint32_t)(process - broker.processes); }

bool watch_add(struct process *watcher, struct process *of)
{
    uint64_t *word = &broker.watchers[number_of(of)][number_of(watcher) / 64];
    uint64_t bit = UINT64_C(1) << number_of(watcher) % 64;
    bool is_new = (*word & bit) == 0;
    *word |= bit;
    return is_new;
}

static void end_watches(struct process *process)
{
    uint32_t number = number_of(process), given = 0;
    uint64_t *watchers = broker.watchers[number], bit = UINT64_C(1) << number % 64;
    for (uint32_t i = 0; i < PROCESSES; i++) {
        if (watchers[i / 64] >> i % 64 & 1) {
            news_add(broker.processes[i].news);
            given++; /* watchers are of one user */
        }
        if (broker.watchers[i][number / 64] & bit) {
            broker.watchers[i][number / 64] &= ~bit;
            given++;
        }
    }
    memset(watchers, 0, sizeof broker.watchers[number]);
    quota_give(&broker.quotas, process->user, QUOTA_WATCHES, given);
}

static void end_pairs(struct process *process)
{
    for (struct pair *pair = broker.pairs; process->pairs > 0 && pair < broker.pairs + PAIRS; pair++) {
        if (!pair->sender || (pair->sender != process && pair->receiver != process))
            continue;
        news_add(pair->sender == process ? pair->receiver->news : pair->sender->news);
        pair_end(pair);
    }
}

static void end_turn(struct process *process)
{
    struct user *user = process->user;
    struct process *before = NULL;
    if (!process->is_ready)
        return;
    for (struct process *p = user->ready_first; p != process; p = p->next_ready)
        before = p;
    *(before ? &before->next_ready : &user->ready_first) = process->next_ready;
    if (user->ready_last == process)
        user->ready_last = before;
    process->is_ready = false;
}

/*
 * Datagrams that it has not read hold descriptors of ours, which the kernel counts. Who shuts its end down for
 * writing only could pile them up: so such a one keeps its place until they are read or its end is closed.
 */
static void leave(struct process *process)
{
    if (process->unread > 0 && !kernel_is_read(process->socket)) {
        process->deadline = kernel_now() + SILENCE_MOST;
        if (!process->leaving)
            kernel_hang_up(process->socket);
        process->leaving = true;
        return;
    }
    forget_unread(process);
    close_later(process->user, process->socket);
    broker.strangers--;
    process->known = false;
    quota_give(&broker.quotas, process->user, QUOTA_PROCESSES, 1);
}

void process_gone(struct process *process)
{
    if (process->joined) {
        transfer_process_gone(process);
        for (struct name *name = broker.names; process->names > 0 && name < broker.names + NAMES; name++)
            if (name->holder == process)
                name_end(name);
        end_watches(process);
        end_pairs(process);
        news_end(process->news);
        close_later(process->user, process->news_fd);
        process->joined = false;
        broker.strangers++;
    }
    end_turn(process);
    kernel_unwatch(process->socket, process->pidfd);
    close_later(process->user, process->pidfd);
    close_later(process->user, process->life);
    leave(process);
}

void strangers_expire(int64_t now)
{
    for (struct process *process = broker.processes; process < broker.processes + PROCESSES; process++) {
        if (!process->known || process->joined || process->deadline > now)
            continue;
        if (process->leaving)
            leave(process);
        else
            process_gone(process);
    }
}
