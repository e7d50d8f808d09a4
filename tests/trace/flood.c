/*
 * flood.c - fires the probe `done` as fast as it can: flood PROCESSES EVENTS, so many in each. A transaction's id
 * counts up. Waits for the end of its standard input first. Prints how many it fired, and in how many nanoseconds.
 *
 * Linked statically, where the core's probes, hidden in its libraries, can be called.
 */
#include <stdio.h>
#include <stdlib.h>
#include <srr.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../bpf/event.h"
#include "../../srr/native/core/probes.h"

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Times of all sizes, and just below and at the bounds of buckets that are a quarter of an octave wide. */
static unsigned long long span(unsigned i)
{
    return (1ULL << (2 + i % 39)) / 4 * (4 + i / 39 % 4) - (i / 156 & 1);
}

static void fire(unsigned count)
{
    struct stat space;
    if (stat("/proc/self/ns/pid", &space) != 0)
        exit(4);
    struct srr_done done = {
        .pid_namespace = space.st_ino, .client = getpid(), .client_thread = getpid(), .server = 1, .legs = 1};
    for (unsigned i = 1; i <= count; i++) {
        done.id = i;
        done.began_ns = done.published_ns = 1000 + i;
        done.received_ns = done.published_ns + span(i);
        done.replied_ns = done.received_ns + span(i + 13);
        done.woken_ns = done.replied_ns + span(i + 29);
        done.ended_ns = done.began_ns + span(i + 5);
        done.transfer_ns = span(i + 3);
        PROBE(done, &done, sizeof done, done.id, done.server, 0, 0);
    }
}

int main(int argc, char **argv)
{
    struct srr_message none;
    srr_creceive(0, 0, 0, &none); /* from now on it has rows: a tracer looks at what it is made of */
    if (argc < 3)
        return 2;
    int processes = atoi(argv[1]), status;
    unsigned events = (unsigned)atol(argv[2]);
    printf("ready\n");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    if (srr_done_semaphore == 0)
        return 3; /* nobody listens */
    long long begun = now();
    for (int i = 0; i < processes; i++)
        if (fork() == 0) {
            fire(events);
            _exit(0);
        }
    while (wait(&status) > 0)
        ;
    printf("%llu %lld\n", (unsigned long long)processes * events, now() - begun);
    return 0;
}
