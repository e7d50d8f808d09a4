/*
 * fuzz_broker.c - srr-helper's broker in the hands of libFuzzer: tables.c, requests.c, broker.c, quotas.c and
 * admission.c as they are, over a kernel that is made here (broker_kernel.c).
 *
 * The input is a history: processes of a few users connect, send requests (mostly nearly right ones:
 * structure-aware), die, exec, close, do not read what they are sent; time passes; the kernel has no more files.
 * After it everybody leaves.
 *
 * What is checked, besides what the sanitizers see: descriptors are closed exactly once, and all are, but one for
 * each banned user; what others have seen is closed by the janitor, who comes when the input says so; each quota comes
 * back to 0; nobody is told of a pair whom no name admits, by a second record of names kept there; a pair's file goes
 * to its two processes only, a gate's to its receiver and its one user; nobody hears of a name that it may not see.
 */
#include <string.h>

#include "broker_kernel.h"

static const uint8_t *input, *input_end;
static unsigned byte(void) { return input < input_end ? *input++ : 0; }

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
