/* proxy_in.c - the owner's side of its proxies: what was triggered is queued, taken one by one. See port.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "port.h"
#include "srr.h"

bool proxy_arrived(struct receiver *r, uint32_t index)
{
    struct proxy *proxy = &r->self->front->proxies[index];
    struct queued *q = &r->proxies[index];
    uint64_t word = atomic_load(&proxy->word);
    if (q->in)
        receiver_dequeue(r, q); /* it may be another proxy by now */
    if (proxy_generation(word) % 2 == 0 || proxy_count(word) == 0)
        return false;
    q->arrival = (uint32_t)word;
    q->from = (pid_t)atomic_load(&proxy->id);
    q->priority = receiver_priority(r, 0) ? atomic_load(&proxy->priority) : 0;
    receiver_enqueue(r, q);
    return true;
}

uint32_t proxy_data(struct receiver *r, const struct queued *q, char data[PROXY_SIZE_MAX])
{
    struct proxy *proxy = &r->self->front->proxies[q - r->proxies];
    uint32_t nbytes = atomic_load(&proxy->nbytes);
    if (nbytes > PROXY_SIZE_MAX)
        nbytes = PROXY_SIZE_MAX;
    for (uint32_t i = 0; i < nbytes; i++)
        data[i] = (char)atomic_load_explicit(&proxy->data[i], memory_order_relaxed);
    return nbytes;
}

/*
 * Of several triggers that wait only the first one's arrival is known. The next one is taken to have come right
 * after it: true for triggers in a row, and between others it waits its turn.
 */
bool proxy_take(struct receiver *r, struct queued *q)
{
    uint32_t index = (uint32_t)(q - r->proxies);
    struct proxy *proxy = &r->self->front->proxies[index];
    uint64_t word = atomic_load(&proxy->word), less;
    receiver_dequeue(r, q);
    do {
        if (proxy_generation(word) % 2 == 0 || proxy_count(word) == 0 || atomic_load(&proxy->id) != (uint32_t)q->from)
            return false; /* detached since */
        less = proxy_word(proxy_generation(word), proxy_count(word) - 1, (uint32_t)word + 1);
    } while (!atomic_compare_exchange_strong(&proxy->word, &word, less));
    proxy_arrived(r, index);
    return true;
}

/* The thread that holds the id is gone, and with it the process that attached the proxy: perhaps in the middle of
 * that. */
static void free_orphan(struct proxy *proxy, uint32_t id)
{
    uint64_t word = atomic_load(&proxy->word);
    do
        if (atomic_load(&proxy->id) != id)
            return;
    while (proxy_generation(word) % 2 == 1 &&
           !atomic_compare_exchange_strong(&proxy->word, &word, proxy_word(proxy_generation(word) + 1, 0, 0)));
    atomic_compare_exchange_strong(&proxy->id, &id, 0);
}

void proxies_look(struct receiver *r)
{
    uint32_t top = atomic_load(&r->port->proxies_top);
    for (uint32_t i = 0; i < top && i < PROXIES; i++) {
        struct proxy *proxy = &r->self->front->proxies[i];
        uint32_t id = atomic_load(&proxy->id);
        if (id == 0)
            continue;
        if (sender_exists((pid_t)id) < 0)
            free_orphan(proxy, id);
        else if (!r->proxies[i].in && proxy_count(atomic_load(&proxy->word)) > 0)
            proxy_arrived(r, i); /* its trigger was killed before it could ring */
    }
}
