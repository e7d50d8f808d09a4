/* <sys/sendmx.h>: the table of parts that the ...mx() calls take: a message that lies in several pieces. */
#ifndef __SENDMX_H_INCLUDED
#define __SENDMX_H_INCLUDED

#include <stddef.h>

#include <i86.h>

/*
 * One part. Fill it with _setmx(), and leave the members alone: that was the rule on QNX4 too, where they were
 * a segment and an offset. Here it is a struct iovec by another name. Source: Library Reference, _setmx(); the
 * members are ours.
 */
#pragma pack(push, 16)
struct _mxfer_entry {
    void *iov_base;
    size_t iov_len; /* bytes */
};
#pragma pack(pop)

#define MAX_MX_TAB 255 /* parts in a table (headers); also _QNX_MXTAB_LEN in <limits.h> */

/*
 * Let entry *mx stand for `len` bytes at `addr`. A block, as on QNX4: `_setmx(&mx[0], &header,
 * sizeof(header));`, with or without the semicolon, but not as an expression, and with braces of its own
 * between `if` and `else`.
 */
#define _setmx(mx, addr, len)                   \
    {                                           \
        (mx)->iov_base = (void *)(size_t)(addr); \
        (mx)->iov_len = (size_t)(len);          \
    }

#endif
