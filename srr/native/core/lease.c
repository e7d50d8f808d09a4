/*
 * lease.c - see lease.h.
 *
 * The helper may be killed, or stopped, while its worker writes into what we have lent:
 *
 *     losing                                           ours
 *     us:     REVOKE: no answer. There is no helper    us:     REVOKE: no answer. Is there no worker either? A pipe
 *             any more: Send ends                              that only spawner and workers hold has not hung up
 *     caller: frees its buffer                         worker: writes; is killed, as its parent has gone
 *     worker: writes; is killed, as its parent         us:     the pipe hangs up: Send ends
 *             has gone
 *
 * Of a helper that was only stopped the pipe does not hang up: so we join again meanwhile, and ask again, but no
 * successor, who does not know. And not for ever: another user's worker may be stuck in memory of his. Ours can be stuck
 * in our own user's only.
 */
#define _GNU_SOURCE
#include "lease.h"

#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>

#include "helper.h"
#include "srr.h"
#include "state.h"
#include "transfer.h"

static bool copy_parts(struct stretch_of *to, const struct iovec *parts, int count)
{
    for (int i = 0; i < count && count <= (int)LEASE_PARTS; i++)
        to[i] = (struct stretch_of){(uintptr_t)parts[i].iov_base, parts[i].iov_len};
    return count <= (int)LEASE_PARTS;
}

static struct request about(enum helper_op op, uint64_t pair_id, uint32_t slot, uint64_t word)
{
    return (struct request){
        .op = op, .pair_id = pair_id, .index = slot % PAIR_SLOTS, .word = word_with(word, SLOT_IDLE)};
}

int lease_begin(struct process *self, struct link *link, struct place *place, const struct letter *letter, uint64_t word)
{
    struct request request = about(OP_LEND, link_target(link, place), place->index, word);
    struct answer answer;
    pid_t mover;
    int lent, r;
    if (forced_lane() != SRR_LANE_HELPER || link->front ||
        (letter->nbytes <= inline_max() && letter->room <= inline_max()) ||
        !copy_parts(request.parts, letter->message, letter->message_parts) ||
        !copy_parts(request.parts + LEASE_PARTS, letter->reply, letter->reply_parts) ||
        (mover = helper_mover(self, &lent)) < 0)
        return -1;
    request.message_parts = (uint32_t)letter->message_parts;
    request.reply_parts = (uint32_t)letter->reply_parts;
    if (mover > 0)
        process_let_in(self, mover);
    if ((r = helper_ask_now(self, &request, &answer)) < 0) {
        if (r == -ENOSYS)
            lease_end(self, link, place, lent); /* it may have heard us */
        else
            fd_drop(lent);
        return -1;
    }
    if (letter->nbytes > inline_max())
        atomic_store_explicit(&place->slot->lane, SRR_LANE_HELPER, memory_order_relaxed);
    atomic_store_explicit(&place->slot->lent, 1, memory_order_relaxed);
    return lent;
}

#define ASKED_AGAIN 100 /* ms */
#define ENDS_WITHIN (30000 * MS)

void lease_end(struct process *self, struct link *link, struct place *place, int lent)
{
    struct request request = about(OP_REVOKE, link_target(link, place), place->index, 0);
    struct answer answer;
    struct pollfd workers = {.fd = lent};
    int64_t end = now_ns() + ENDS_WITHIN;
    while (helper_ask_same(self, lent, &request, &answer) == -ENOSYS && poll(&workers, 1, ASKED_AGAIN) != 1 &&
           now_ns() < end)
        helper_look(self);
    fd_drop(lent);
}

/* One move, as much as the window takes. 0 or a failure as leased_read()'s. */
static int move(struct conn *conn, const struct taken *taken, enum helper_op op, uint64_t offset, uint64_t length)
{
    struct request request = about(op, conn->target, conn->index, taken->word);
    struct answer answer;
    int r;
    struct process *self = process_self(&r);
    request.offset = offset;
    request.length = length;
    r = self ? helper_ask_now(self, &request, &answer) : r;
    if (r == 0)
        return answer.moved == length ? 0 : -SRR_EDSTFAULT;
    return r == -ESRCH ? -ESRCH : r == -EFAULT ? -SRR_EDSTFAULT : -EPERM;
}

int64_t leased_read(struct conn *conn, struct taken *taken, uint64_t offset, const struct iovec *parts, int count)
{
    uint64_t length, done = 0;
    int r = parts_length(parts, count, &length);
    if (r < 0)
        return r;
    if (length > taken->nbytes - offset)
        length = taken->nbytes - offset;
    taken->prefilled = 0;
    while (done < length) {
        uint64_t now = length - done < WINDOW_SIZE ? length - done : WINDOW_SIZE;
        if ((r = move(conn, taken, OP_MOVE_IN, offset + done, now)) < 0)
            return r;
        if (scatter(parts, count, done, conn->window, now) < 0)
            return -EFAULT;
        done += now;
    }
    return (int64_t)done;
}

int64_t leased_write(struct conn *conn, struct taken *taken, uint64_t offset, const struct iovec *parts, int count,
                     uint64_t length)
{
    int r;
    taken->prefilled = 0;
    for (uint64_t done = 0, now; done < length; done += now) {
        now = length - done < WINDOW_SIZE ? length - done : WINDOW_SIZE;
        if (gather(conn->window, now, parts, count, done) < 0)
            return -EFAULT;
        if ((r = move(conn, taken, OP_MOVE_OUT, offset + done, now)) < 0)
            return r;
    }
    return (int64_t)length;
}
