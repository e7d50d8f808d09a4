/*
 * never.c - never FILE [async]: mounts a file whose reads are never answered (stage.h), says so, and serves it until it
 * is killed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stage.h"

_Noreturn void give_up(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    exit(2);
}

int main(int argc, char **argv)
{
    CHECK(argc > 1 && fuse_start(argv[1], argc > 2) > 0);
    puts("mounted");
    fflush(stdout);
    for (;;)
        pause();
}
