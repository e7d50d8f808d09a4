/* helper_names.c - what the helper knows of our names, and what we know of the helper. See helper.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper_inside.h"
#include "signals.h"
#include "srr.h"

struct request helper_publication(const struct published *name)
{
    struct request request = {.op = OP_PUBLISH, .mode = name->mode, .gid = name->gid};
    memcpy(request.name, name->name, sizeof name->name);
    return request;
}

static void forget_name(struct helper *h, const char *name)
{
    struct published **at = &h->names, *gone;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    gone = *at;
    if (gone) {
        *at = gone->next;
        free(gone);
    }
    atomic_store(&h->has_names, h->names != NULL);
}

int helper_publish(struct process *self, const char *name, uint32_t mode, uint32_t gid)
{
    struct helper *h = self->helper;
    struct answer answer;
    struct published *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->mode = mode;
    made->gid = gid;
    snprintf(made->name, sizeof made->name, "%s", name);
    struct request request = helper_publication(made);
    uint32_t joins = helper_joins(self);
    int r = helper_ask(self, &request, &answer);
    if (r < 0) {
        free(made);
        return r;
    }
    pthread_mutex_lock(&h->lock);
    forget_name(h, name);
    made->next = h->names;
    h->names = made;
    atomic_store(&h->has_names, 1);
    if (h->fd >= 0 && h->joins != joins) /* perhaps it was a predecessor that answered */
        helper_ask_plain(self, &request, &answer);
    helper_unlock(self);
    return 0;
}

void helper_withdraw(struct process *self, const char *name)
{
    struct helper *h = self->helper;
    struct request request = {.op = OP_WITHDRAW};
    struct answer answer;
    if (!helper_has_names(self))
        return;
    snprintf(request.name, sizeof request.name, "%s", name);
    pthread_mutex_lock(&h->lock);
    forget_name(h, name);
    if (h->fd >= 0)
        helper_ask_plain(self, &request, &answer);
    helper_unlock(self);
}

/* ---- for srr doctor */

int srr_helper(struct srr_helper_view *ret_helper)
{
    struct request request = {.op = OP_STATUS};
    struct answer answer;
    int r;
    verb_begin();
    struct process *self = process_self(&r);
    if (self) {
        memset(ret_helper, 0, sizeof *ret_helper);
        memcpy(ret_helper->path, self->helper->path, sizeof ret_helper->path);
        ret_helper->layout = LAYOUT_VERSION;
        ret_helper->protocol = HELPER_PROTOCOL;
        helper_join_once(self);
        helper_look(self);
        ret_helper->reachable = helper_ask_now(self, &request, &answer);
        if (ret_helper->reachable == -ENOSYS)
            ret_helper->reachable = self->helper->why;
        if (ret_helper->reachable == 0) {
            ret_helper->transfer = (self->helper->features & FEATURE_TRANSFER) != 0;
            memcpy(ret_helper->used, answer.used, sizeof answer.used);
            memcpy(ret_helper->limit, answer.limit, sizeof answer.limit);
        }
        r = 0;
    }
    verb_end();
    return r;
}
