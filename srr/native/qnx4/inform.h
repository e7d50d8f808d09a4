/* inform.h - _PPF_INFORM: a DEATH message for each process of this user's that ends. See inform.c. */
#ifndef SRR_INFORM_H
#define SRR_INFORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

extern atomic_int inform_owner; /* pid of the process that is informed, 0: it isn't */

/* 0, or -EAGAIN: no thread, -EMFILE: no descriptor. Again: nothing. */
int inform_begin(void);
void inform_end(void);

/* The descriptor that it needs in the program's table, or -1. */
int inform_descriptor(void);

/* We have received from that process: its death is to be told, even if it comes at once. */
void inform_look_at(pid_t pid);
static inline void inform_met(pid_t pid)
{
    if (__builtin_expect(atomic_load_explicit(&inform_owner, memory_order_relaxed) != 0, 0))
        inform_look_at(pid);
}

/* Was its death told, and not replied to yet? Then it is now. */
bool inform_acknowledge(pid_t pid);

#endif
