/*
 * log.h - what the administrator reads on stderr: each refusal once per user and reason, with what would allow it.
 *
 * Nothing that a caller chose is printed but numbers, and the loop never waits for a full pipe: such a line is lost.
 */
#ifndef SRR_HELPER_LOG_H
#define SRR_HELPER_LOG_H

#include "quotas.h"

enum refusal {
    REFUSED_QUOTA,
    REFUSED_PROTOCOL,   /* another version */
    REFUSED_BREACH,     /* not what protocol.h says */
    REFUSED_FOREIGN,    /* a datagram that somebody else wrote */
    REFUSED_DESCRIPTOR, /* one that can not be closed safely */
    REFUSED_NAMESPACE,
    REFUSED_SEND,       /* no name of the receiver admits it */
    REFUSED_GROUP,      /* not a member */
};

/* sd-daemon(3): 3 error, 4 warning, 6 information. */
void log_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Begins with "uid N: ". */
void log_refusal(struct user *user, enum refusal why, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Whom the kernel can not tell us: unmapped users and processes. Once. */
void log_nobody(const char *what);

#endif
