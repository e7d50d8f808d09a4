/*
 * admission.h - who may see a name, and send to its holder: as a file's owner, group and mode say. Pure.
 */
#ifndef SRR_ADMISSION_H
#define SRR_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol.h"

/* What the kernel says of a process. */
struct caller {
    uint32_t uid, gid;
    const gid_t *groups; /* supplementary */
    size_t group_count;
};

enum { MAY_SEND = 2, MAY_SEE = 4 }; /* w, r */

bool is_member(const struct caller *caller, uint32_t gid);

/*
 * MAY_SEND | MAY_SEE. Of the three digits of the mode only one counts, as with a file: the owner's own is all he
 * needs.
 */
unsigned admitted(const struct caller *caller, uint32_t owner, uint32_t gid, uint32_t mode);

/* Somebody besides the owner is let in. */
bool is_for_others(uint32_t mode);

/* What came in a request: 1 to HELPER_NAME_MAX bytes, then zeroes; r and w for owner, group and others. */
bool is_name(const char name[HELPER_NAME_MAX + 8]);
bool is_mode(uint32_t mode);

#endif
