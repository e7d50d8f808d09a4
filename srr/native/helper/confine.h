/*
 * confine.h - a process that can do little, also if somebody takes it over.
 */
#ifndef SRR_HELPER_CONFINE_H
#define SRR_HELPER_CONFINE_H

#include <stddef.h>
#include <stdint.h>

/* A system call that is allowed: always, or if this argument's low half is that value (a line for each value). */
struct allowed {
    long number;
    int argument; /* -1: whatever it is called with */
    uint32_t value;
};

/* No privileges by exec, no core, no look from outside, no children unless told. 0 or -errno. */
int confine_process(void);
/* From now on every other system call kills the process (SIGSYS). 0 or -errno. */
int confine_calls(const struct allowed *list, size_t count);

#endif
