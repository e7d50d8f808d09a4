/*
 * stage.h - a broker, its spawner and its workers, and lenders of other users, for attacks.c. Beside our worker there
 * are movers that are built as one would at first: each attack succeeds against one of them, else it shows nothing.
 */
#ifndef STAGE_H
#define STAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MEMORY ((char *)0x200000000) /* where lenders, and programs that they exec, have something */
#define MEMORY_SIZE (1u << 20)
#define TALK 3 /* a lender's socket to us: also that of the program that it execs */
#define ALICE 1001
#define BOB 1002
#define SRR 64123

#define CHECK(condition) ((condition) ? (void)0 : give_up(__FILE__, __LINE__, #condition))
_Noreturn void give_up(const char *file, int line, const char *what);

struct lender {
    pid_t pid;
    int pidfd, talk, connection, life, memory; /* memory: its /proc/self/mem, opened by itself */
};

/* What a lender is before it drops to its user, and afterwards. Then it says "ready" and does what `act` says. */
struct role {
    void (*prepare)(void);
    void (*act)(void);
    uid_t uid;
    bool is_hidden, is_capable; /* not dumpable; has a capability */
    pid_t pid;                  /* 0: any */
};
void map_memory(char what);
struct lender lender_start(const struct role *role);
void lender_end(struct lender *lender);
void tell(int socket, char what);
char hear(int socket);

enum mover {
    WORKER,    /* ours */
    PTRACE,    /* a process with CAP_SYS_PTRACE; looks at pidfd, address space and lock, before and after */
    UNCHECKED, /* it looks at nothing */
    SAME_USER, /* the lender's user without privileges, which looks at nothing */
};
struct outcome {
    int error;
    uint64_t moved;
    char first; /* byte of the window */
};
void stage_open(enum mover mover);
/* MEMORY -> window, or 'w' in all of the window -> MEMORY. */
struct outcome stage_move(const struct lender *lender, bool is_out, uint64_t length);

/* The two halves of it, for the worker; and of what it consists. */
struct stage {
    int spawner, worker, pidfd, pair;
    pid_t spawner_pid, worker_pid;
    char *window;
};
extern struct stage stage;
void stage_order(const struct lender *lender, bool is_out, uint64_t length);
struct outcome stage_report(void);
int stage_worker(const struct lender *lender);
/* ms until it is dead; -1: it is not, after a second. */
double stage_kill(void);

int64_t now(void);

/*
 * fuse.c: a file whose reads are never answered; that process serves it. Who waits for its page in the page cache
 * (is_async) can be killed; who is the one that waits for the answer itself can not, while the server lives.
 */
pid_t fuse_start(const char *file, bool is_async);

#endif
