/* traced.c - see traced.h. */
#define _GNU_SOURCE
#include "traced.h"

#include <sys/uio.h>
#include <unwind.h>

#include "../../../bpf/event.h"
#include "port.h"
#include "process.h"
#include "srr.h"
#include "state.h"

_Static_assert(sizeof(struct srr_done) == 128, "two lines, no holes");

void traced_next(struct traced *t, pid_t server)
{
    t->server = server;
    t->server_thread = 0;
    t->published_ns = t->received_ns = t->replied_ns = t->woken_ns = 0;
}

/* Its receiver may have told nothing, if the Send was left: then these are 0. Whatever it told are numbers, no more. */
void traced_woken(struct place *place)
{
    struct traced *t = &place->traced;
    struct slot *slot = place->slot;
    t->woken_ns = (uint64_t)now_ns();
    t->server_thread = (pid_t)atomic_load_explicit(&slot->taken_by, memory_order_relaxed);
    t->received_ns = atomic_load_explicit(&slot->received_ns, memory_order_relaxed);
    t->replied_ns = atomic_load_explicit(&slot->replied_ns, memory_order_relaxed);
    t->transfer_ns += atomic_load_explicit(&slot->transfer_ns, memory_order_relaxed);
    t->legs++;
}

void traced_done(struct place *place, const struct iovec *message, int parts, uint64_t nbytes,
                 const struct srr_sent *sent, int status)
{
    const struct traced *t = &place->traced;
    struct process *self = process_self(&(int){0});
    struct srr_done done = {.began_ns = t->began_ns,
                            .published_ns = t->published_ns,
                            .received_ns = t->received_ns,
                            .replied_ns = t->replied_ns,
                            .woken_ns = t->woken_ns,
                            .ended_ns = (uint64_t)now_ns(),
                            .transfer_ns = t->transfer_ns,
                            .id = t->published_ns ? t->id : 0,
                            .sent = nbytes,
                            .replied = sent->replied,
                            .client_thread = thread_id(),
                            .server = t->server,
                            .server_thread = t->server_thread,
                            .status = status,
                            .lane = (uint8_t)sent->message_lane,
                            .reply_lane = (uint8_t)sent->reply_lane,
                            .flags = (uint8_t)sent->flags,
                            .legs = t->legs};
    if (self) {
        done.client = self->pid;
        done.pid_namespace = self->pid_ns;
    }
    if (parts > 0) {
        done.message = (uintptr_t)message[0].iov_base;
        done.message_part = message[0].iov_len;
    }
    PROBE(done, (uintptr_t)&done, sizeof done, done.id, done.server, done.replied, (int64_t)status);
}

void transfer_end(const struct conn *conn, struct taken *taken, uint64_t begun, int64_t nbytes, unsigned lane, bool write)
{
    if (nbytes <= 0)
        return;
    uint64_t took = (uint64_t)now_ns() - begun;
    taken->transfer_ns += took;
    PROBE(transfer, word_generation(taken->word), conn->peer.pid, taken->tid, nbytes, lane | (unsigned)write << 8, took);
}

int64_t srr_probe_cost(uint32_t hits)
{
    struct srr_done done = {.began_ns = 0};
    int64_t begun = now_ns();
    for (uint32_t i = 0; i < hits; i++)
        PROBE(idle, (uintptr_t)&done, sizeof done, 0, 0, 0, 0);
    return now_ns() - begun;
}

/* What an interpreter told about its own frames (srr_frames). */
static _Thread_local const char *frames_text __attribute__((tls_model("initial-exec")));

int srr_frames_wanted(void) { return PROBE_WANTED(frames) ? 1 : 0; }

void srr_frames(const char *text) { frames_text = text; }

struct walk {
    uint64_t addresses[SRR_FRAMES_MAX];
    uint64_t count;
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;
    uint64_t address = _Unwind_GetIP(context);
    if (address == 0 || walk->count == SRR_FRAMES_MAX)
        return _URC_END_OF_STACK;
    walk->addresses[walk->count++] = address;
    return _URC_NO_REASON;
}

/* By the tables that compilers make for exceptions: right also where nobody kept frame pointers. */
void frames_tell(uint64_t id, unsigned side)
{
    struct walk walk = {.count = 0};
    const char *text = frames_text;
    _Unwind_Backtrace(step, &walk);
    PROBE(frames, id, side, (uintptr_t)walk.addresses, walk.count, (uintptr_t)text, text ? 1 : 0);
}
