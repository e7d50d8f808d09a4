/*
 * rows.c - a program that was linked with this library has its rows of the waiting table from the start, and so have its
 * forked children, before anybody can know their pid. Messages to a process that has none wait at their senders,
 * and come in any order when it makes them: by its own first call, too late for whoever had sent before.
 */
#include <pthread.h>

#include <srr.h>

/* Fails where there are no descriptors left, or no memory; the first real call then says so. */
static void make_rows(void) { srr_flags(0, 0, NULL, NULL); }

__attribute__((constructor)) static void begin(void)
{
    make_rows(); /* first: libsrr's own handler must run in a child before ours */
    pthread_atfork(NULL, NULL, make_rows);
}
