/* lease.c - see lease.h. */
#include "lease.h"

#include <errno.h>
#include <string.h>

struct lease *lease_find(struct leases *leases, uint32_t pair, uint32_t slot)
{
    if (pair >= PAIRS || slot >= PAIR_SLOTS || leases->of[pair][slot] == 0)
        return NULL;
    return &leases->all[leases->of[pair][slot] - 1];
}

/* No part goes round the end of memory, and together they can be counted. */
static bool are_parts(const struct stretch_of *parts, uint32_t count)
{
    uint64_t total = 0, end;
    if (count > LEASE_PARTS)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (__builtin_add_overflow(parts[i].address, parts[i].length, &end) ||
            __builtin_add_overflow(total, parts[i].length, &total) || total > LEASE_LENGTH_MAX)
            return false;
    return true;
}

static struct lease *lease_new(struct leases *leases, uint32_t pair, uint32_t slot)
{
    uint16_t number = leases->first_free;
    if (number != 0)
        leases->first_free = leases->all[number - 1].next_free;
    else if (leases->never_used < LEASES)
        number = ++leases->never_used;
    else
        return NULL;
    leases->of[pair][slot] = number;
    return &leases->all[number - 1];
}

static void lease_end(struct leases *leases, uint32_t pair, uint32_t slot)
{
    uint16_t number = leases->of[pair][slot];
    leases->all[number - 1] = (struct lease){.next_free = leases->first_free};
    leases->first_free = number;
    leases->of[pair][slot] = 0;
}

int lease_lend(struct leases *leases, uint32_t pair, const struct request *request)
{
    const struct stretch_of *message = request->parts, *reply = request->parts + LEASE_PARTS;
    if (pair >= PAIRS || request->index >= PAIR_SLOTS || !are_parts(message, request->message_parts) ||
        !are_parts(reply, request->reply_parts))
        return -EINVAL;
    struct lease *lease = lease_find(leases, pair, request->index);
    bool is_new = !lease;
    if (lease && lease->is_moving)
        return -EBUSY;
    if (is_new && !(lease = lease_new(leases, pair, request->index)))
        return -EAGAIN;
    *lease = (struct lease){.word = request->word,
                            .part_counts = {(uint16_t)request->message_parts, (uint16_t)request->reply_parts}};
    memcpy(lease->parts, request->parts, sizeof lease->parts);
    return is_new;
}

int lease_revoke(struct leases *leases, uint32_t pair, uint32_t slot)
{
    const struct lease *lease = lease_find(leases, pair, slot);
    if (!lease)
        return -ENOENT;
    if (lease->is_moving)
        return -EBUSY;
    lease_end(leases, pair, slot);
    return 0;
}

uint32_t lease_end_all(struct leases *leases, uint32_t pair)
{
    uint32_t ended = 0;
    for (uint32_t slot = 0; slot < PAIR_SLOTS; slot++)
        if (lease_find(leases, pair, slot)) {
            lease_end(leases, pair, slot);
            ended++;
        }
    return ended;
}

int lease_cut(struct leases *leases, uint32_t pair, const struct request *request,
              struct stretch_of ret_parts[LEASE_PARTS], uint32_t *ret_count)
{
    const struct lease *lease = lease_find(leases, pair, request->index);
    uint64_t skip = request->offset, left = request->length;
    uint32_t way = request->op == OP_MOVE_OUT, count = 0;
    if (!lease || lease->word != request->word)
        return -ENOENT;
    if (left > WINDOW_SIZE)
        return -EINVAL;
    if (lease->is_moving)
        return -EBUSY;
    for (uint32_t i = 0; i < lease->part_counts[way] && left > 0; i++) {
        const struct stretch_of *part = &lease->parts[way][i];
        if (skip >= part->length) {
            skip -= part->length;
            continue;
        }
        uint64_t length = part->length - skip < left ? part->length - skip : left;
        ret_parts[count++] = (struct stretch_of){part->address + skip, length};
        left -= length;
        skip = 0;
    }
    *ret_count = count;
    return 0;
}
