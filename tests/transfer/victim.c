/*
 * victim.c - a program that belongs to root and is set-uid: it has a secret where its caller had a buffer.
 *   victim            says "S", waits, tells what is there now
 *   victim cycle N    as root for a while, then it becomes its caller again and execs: itself, N times in all
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "stage.h"

_Noreturn void give_up(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    exit(2);
}

int main(int argc, char **argv)
{
    bool is_root = geteuid() == 0;
    if (argc == 4 && !is_root) { /* argv: cycle, left, the set-uid program */
        CHECK(mmap(MEMORY, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MEMORY);
        memset(MEMORY, 'm', 4096);
        execl(argv[3], argv[3], "cycle", argv[2], argv[0], NULL);
        return 2;
    }
    CHECK(is_root && getuid() != 0);
    CHECK(mmap(MEMORY, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MEMORY);
    memset(MEMORY, 'S', MEMORY_SIZE);
    if (argc == 4) {
        char left[16];
        snprintf(left, sizeof left, "%d", atoi(argv[2]) - 1);
        uid_t user = getuid();
        munmap(MEMORY, MEMORY_SIZE); /* what was root's goes before it is root no more */
        CHECK(setresuid(user, user, user) == 0);
        if (atoi(left) <= 0)
            return 0;
        execl(argv[3], argv[3], "cycle", left, argv[0], NULL);
        return 2;
    }
    char byte = 'S';
    CHECK(write(TALK, &byte, 1) == 1 && read(TALK, &byte, 1) == 1 && write(TALK, MEMORY, 1) == 1);
    return 0;
}
