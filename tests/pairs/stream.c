/*
 * stream.c PID... - messages that must be rejected, in all slots of the pairs of these processes of one user, again and
 * again, until it is killed: for root, who may open what a process has mapped. Says so when the first are there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "layout.h"
#include "state.h"

static void *map(const char *pid, const char *name, size_t size)
{
    char path[128], line[512], range[64];
    snprintf(path, sizeof path, "/proc/%s/maps", pid);
    FILE *maps = fopen(path, "r");
    while (maps && fgets(line, sizeof line, maps)) {
        if (!strstr(line, name) || sscanf(line, "%63s", range) != 1)
            continue;
        snprintf(path, sizeof path, "/proc/%s/map_files/%s", pid, range);
        void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, open(path, O_RDWR), 0);
        if (at != MAP_FAILED)
            return at;
    }
    fprintf(stderr, "%s: no %s\n", pid, name);
    exit(1);
}

static void send_all(struct pair_header *pair, struct port *port, uint64_t generation)
{
    for (uint32_t i = 0; i < PAIR_SLOTS; i++) {
        struct slot *slot = (void *)((char *)pair + PAIR_SLOTS_AT + (size_t)i * SLOT_STRIDE);
        uint32_t hint = pair->index * PAIR_SLOTS + i;
        if (word_state(atomic_load(&slot->word)) == SLOT_SENT)
            continue;
        slot->target = pair->pair_id;
        slot->nbytes = 100;
        slot->lane = 99;
        slot->tid = (uint32_t)pair->sender;
        atomic_store(&slot->word, word_make(generation, 0, SLOT_SENT));
        atomic_fetch_or(&port->hints[hint / 64], UINT64_C(1) << hint % 64);
        atomic_fetch_or(&port->summary, UINT64_C(1) << hint / 64);
    }
}

int main(int argc, char **argv)
{
    struct pair_header *pairs[64];
    struct gate_front *gate = NULL;
    if (argc < 2 || argc > 64)
        return 2;
    for (int i = 1; i < argc; i++) {
        pairs[i] = map(argv[i], "/memfd:srr-pair ", PAIR_SIZE);
        gate = map(argv[i], "/memfd:srr-gate ", GATE_SIZE);
    }
    for (uint64_t generation = 1000;; generation++) {
        for (int i = 1; i < argc; i++)
            send_all(pairs[i], &gate->port, generation);
        atomic_fetch_add(&gate->port.bell, 1);
        if (generation == 1000 && puts("streams") > 0)
            fflush(stdout);
    }
}
