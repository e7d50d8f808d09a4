/* broker_kernel.h - the kernel that fuzz_broker.c makes for the broker: who there is, and which descriptors. */
#ifndef SRR_FUZZ_BROKER_KERNEL_H
#define SRR_FUZZ_BROKER_KERNEL_H

#include <stdio.h>
#include <stdlib.h>

#include "broker.h"

#define BODIES 10u
#define FILES 4096
#define CHECK(so) ((so) ? (void)0 : not_so(__FILE__, __LINE__, #so))
_Noreturn void not_so(const char *file, int line, const char *what);

/* Who there is. Two processes a user or more; one user is root. */
struct body {
    int32_t pid;
    uint32_t uid, gid;
    gid_t groups[2];
    bool dead, execed;
};
extern struct body bodies[BODIES];

enum kind { CLOSED, SOCKET, PIDFD, MEMFD, SHRINKABLE, FOREIGN, NEWS, GATE, PAIR };
struct file {
    enum kind kind;
    struct body *of;
    unsigned uses;   /* what lies in a socket's queue has one of its own */
    bool is_closing; /* the janitor has it */
    /* of a socket: */
    bool unread, has_pending, at_end;
    struct delivery pending;
    /* of a gate or a pair: who has been sent it */
    struct body *told[2];
    uint32_t uid;
};
extern struct file files[FILES];
extern int open_files, kept_files;
int file_new(enum kind kind, struct body *of);
void janitor_comes(void);

extern bool page_used[PROCESSES]; /* news pages */
extern int64_t now, dear;         /* dear: how much each look at the CPU clock adds to it */
extern unsigned failures;         /* bits: what the kernel refuses now */
enum { NO_FILES = 1, NO_ROOM = 2, BROKEN = 4, NOT_READ = 8 };
extern uint64_t last_random;

#endif
