/*
 * helper.h - this process's connection to srr-helper, if there is one: joining, asking, being told.
 *
 * None of it may make a verb fail that does not need the helper. Not async-signal-safe; called within verbs only.
 */
#ifndef SRR_HELPER_LINK_H
#define SRR_HELPER_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "layout.h"
#include "pair.h"
#include "process.h"
#include "protocol.h"
#include "wait.h"

struct helper;

int helper_new(struct process *self);

/* The first time: join, if there is a helper. */
void helper_join_first(struct process *self);
static inline void helper_join_once(struct process *self)
{
    if (__builtin_expect(!atomic_load_explicit(&self->joined_once, memory_order_relaxed), 0))
        helper_join_first(self);
}
/* When the news word has grown: read what the helper has said. */
void helper_listen(struct process *self);
/* At a slice's end: the same, and if it has gone, join its successor (tried once a second). */
void helper_look(struct process *self);
/* Grows with each piece of news. A word of our own that never changes, while there is no helper. */
static inline uint32_t helper_news(const struct process *self) { return atomic_load(atomic_load(&self->news)); }
/* 0: there is none. Else which one it is: another number for a successor, who knows nothing of what we asked. */
static inline uint32_t helper_joins(const struct process *self)
{
    return atomic_load_explicit(&self->joined, memory_order_relaxed);
}

/* The next sender that has been let in to us. */
bool helper_next_meeting(struct process *self, struct introduction *ret_meeting);

/*
 * One more pair with process `pid`. A helper that is away, but has been there, is waited for as long as the patience
 * lasts, 5 s at most. -EACCES also: there is no helper. Else as OP_CONNECT says.
 */
int helper_introduce(struct process *self, pid_t pid, struct patience *patience, struct introduction *ret_introduction);

/* The undertaker's: tell us at once when that process dies. */
int helper_watch(struct process *self, pid_t pid);

/* One request, as protocol.h says. 0 or -errno; -ENOSYS: there is no helper. One that is away is waited for, 5 s at
 * most. */
int helper_ask(struct process *self, struct request *request, struct answer *ret_answer);

/* The same, of one that is there now: -ENOSYS if it is not, or does not answer. */
int helper_ask_now(struct process *self, struct request *request, struct answer *ret_answer);
/* The same, of that one only of which helper_mover() has had that descriptor. */
int helper_ask_same(struct process *self, int end, struct request *request, struct answer *ret_answer);

/*
 * Whom its transfer worker wants to be named to Yama as, 0: nobody; -ENOSYS: it has none. Where `ret_end` is not NULL: a
 * descriptor (fd_drop()) that hangs up when all that moves bytes is dead.
 */
pid_t helper_mover(struct process *self, int *ret_end);

/* Names that others may find us by: remembered, so that a new helper hears of them. */
int helper_publish(struct process *self, const char *name, uint32_t mode, uint32_t gid);
void helper_withdraw(struct process *self, const char *name);
bool helper_has_names(const struct process *self);

#endif
