/* flags.c - a process's flags: see srr_flags() in srr.h. */
#define _GNU_SOURCE
#include "port.h"
#include "signals.h"
#include "srr.h"

static int set_flags(uint32_t bits, uint32_t mask, uint32_t *ret_old, uint32_t *ret_new)
{
    int r;
    struct process *self = process_self(&r);
    if (!self)
        return r;
    pthread_mutex_lock(&self->receiver->lock);
    uint32_t before = atomic_load(&self->receiver->port->flags), now = (before & ~mask) | (bits & mask);
    atomic_store(&self->receiver->port->flags, now);
    if (before != now)
        receiver_sort(self->receiver);
    pthread_mutex_unlock(&self->receiver->lock);
    if (ret_old)
        *ret_old = before;
    if (ret_new)
        *ret_new = now;
    return 0;
}

int srr_flags(uint32_t bits, uint32_t mask, uint32_t *ret_old, uint32_t *ret_new)
{
    verb_begin();
    int r = set_flags(bits, mask, ret_old, ret_new);
    verb_end();
    return r;
}
