/*
 * <sys/sys_msg.h>: system messages, of type 0, which a program's own messages must therefore not have. Each
 * begins with struct _sysmsg_hdr; behind it, without a gap, is the structure of its subtype. Values and
 * layouts: headers.
 *
 * Who gets them: DEATH, a process with _PPF_INFORM, from each process of its user's that ends; SIGNAL, a
 * process with _PPF_SIGCATCH, from a client that is REPLY-blocked on it; VERSION, a process with _PPF_SERVER,
 * from programs that ask (`srr sin ver`). TRACE and SLIB are here for programs that name them; nobody sends
 * them.
 */
#ifndef __SYS_MSG_H_INCLUDED
#define __SYS_MSG_H_INCLUDED

#include <sys/types.h>

#define _SYSMSG 0 /* the type */

#define _SYSMSG_SUBTYPE_DEATH 0
#define _SYSMSG_SUBTYPE_SIGNAL 1
#define _SYSMSG_SUBTYPE_TRACE 2
#define _SYSMSG_SUBTYPE_VERSION 3
#define _SYSMSG_SUBTYPE_SLIB 4

#pragma pack(push, 1)

struct _sysmsg_hdr {
    uint16_t type;    /* _SYSMSG */
    uint16_t subtype; /* _SYSMSG_SUBTYPE_... */
};

/*
 * Receive() returns the dying process's pid. Linux has no way to keep it from ending until the reply: the reply
 * is taken and does nothing, and qnx_psinfo() finds it only as long as its parent has not waited for it. A process
 * that is neither our child nor our client and lives for less than 100 ms may end untold.
 */
struct _sysmsg_death {
    int16_t signum;  /* the signal that ended it, 0: it exited */
    int32_t xstatus; /* its exit status, as wait() tells it; 0 where Linux does not tell: it is not our child */
};

/*
 * Receive() returns the client's pid. Reply to it as to any message of its, with an error in the reply that
 * makes it give up, or go on.
 */
struct _sysmsg_signal {
    int32_t bits; /* pending signals: 1 << (signo - 1) */
};

struct _sysmsg_trace {
    uint16_t op;
    uint16_t point;
    int32_t value;
    uint16_t datalen;
    char data[1];
};

struct _sysmsg_version {
    uint16_t unit; /* 0 first; the reply's `more` says whether there is a next one */
};

/* How a reply to a system message begins. */
struct _sysmsg_hdr_reply {
    uint16_t status; /* EOK, or an errno value */
    uint16_t zero;
};

struct _sysmsg_trace_reply {
    uint16_t zero;
    uint16_t point;
    int32_t value;
    uint16_t datalen;
    char data[1];
};

/* Versions compare as (long)version << 8 | letter. */
struct _sysmsg_version_reply {
    char name[12];
    char date[12];    /* as __DATE__, without a 0 at the end where it is full */
    uint16_t version; /* 100 times the version: 425 is 4.25 */
    char letter;
    char more;        /* not 0: there is a next unit */
};

struct _sysmsg_slib_reply {
    uint16_t naddrs;
    struct {
        uint32_t map_offset;
        uint16_t map_segment;
        uint32_t mem_offset;
        uint16_t mem_segment;
    } addrs[8];
};

#pragma pack(pop)

#endif
