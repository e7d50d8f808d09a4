/*
 * storm.c - many senders, several receivers, time-outs at every moment; every byte and every ending checked.
 *
 * Guarantees A (a lost wake-up ends in the watchdog, and in the healed counter), B, C, G. In the
 * ThreadSanitizer build all are threads of one process at one mapping (it sends to itself); in the others
 * the receivers are a process of their own.
 *
 *     storm [sends per sender] [senders] [receivers]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "map.h"
#include "srr.h"

#define LARGEST (200 * 1000)
#define SENDERS_MAX 16

static unsigned sends = 4000, senders = 6, receivers = 3;
static pid_t server;
/* Shared by both processes: what became of each message, as the receivers see it. */
static struct fate {
    _Atomic unsigned char received, replied;
} *fates;
static _Atomic unsigned *ended, *answered, *abandoned;

#define CHECK(truth, ...)                                                                                              \
    do {                                                                                                               \
        if (!(truth)) {                                                                                                \
            fprintf(stderr, "storm: %s:%d: not so: %s; ", __FILE__, __LINE__, #truth);                                 \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fprintf(stderr, "\n");                                                                                     \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

struct request {
    uint32_t number; /* of the message, among all */
    uint32_t stop;
};

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* What a message or reply of that number looks like. */
static void fill(unsigned char *data, size_t size, uint32_t number)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(number * 31 + i * 7);
}

static void *receive_all(void *unused)
{
    unsigned char *in = malloc(LARGEST), *out = malloc(LARGEST);
    uint32_t random = (uint32_t)(uintptr_t)in;
    (void)unused;
    for (;;) {
        struct srr_message m;
        struct iovec part = {in, LARGEST};
        int r = srr_receive(0, &part, 1, NULL, &m);
        CHECK(r == 0, "receive: %d", r);
        struct request *request = (struct request *)(void *)in;
        CHECK(m.nbytes >= sizeof *request && m.copied == m.nbytes, "%llu bytes", (unsigned long long)m.nbytes);
        if (request->stop) {
            srr_reply(m.id, NULL, 0);
            break;
        }
        uint32_t number = request->number;
        CHECK(atomic_fetch_add(&fates[number].received, 1) == 0, "message %u received twice", number);
        fill(out, LARGEST, number);
        CHECK(memcmp(in + sizeof *request, out + sizeof *request, m.nbytes - sizeof *request) == 0,
              "message %u is not what was sent", number);
        size_t size = next_random(&random) % 8 == 0 ? next_random(&random) % LARGEST : next_random(&random) % 300;
        if (next_random(&random) % 16 == 0) {
            struct iovec piece = {out + size / 2, size - size / 2};
            int64_t w = srr_write(m.id, size / 2, &piece, 1);
            CHECK(w >= 0 || w == -ESRCH, "write: %lld", (long long)w);
        }
        if (next_random(&random) % 16 == 0) {
            struct iovec piece = {in, 64};
            int64_t w = srr_read(m.id, m.nbytes / 2, &piece, 1);
            CHECK(w >= 0 || w == -ESRCH, "read: %lld", (long long)w);
        }
        struct iovec answer = {out, size};
        int64_t done = srr_reply(m.id, &answer, 1);
        CHECK(done == (int64_t)size || done == -ESRCH, "reply: %lld", (long long)done);
        if (done >= 0)
            atomic_store(&fates[number].replied, 1);
        CHECK(srr_reply(m.id, &answer, 1) == -ESRCH, "message %u could be answered twice", number);
    }
    free(in);
    free(out);
    return NULL;
}

static void *send_all(void *which)
{
    unsigned char *out = malloc(LARGEST), *in = malloc(LARGEST), *right = malloc(LARGEST);
    uint32_t random = (uint32_t)(uintptr_t)out;
    for (unsigned i = 0; i < sends; i++) {
        uint32_t number = (uint32_t)(uintptr_t)which * sends + i;
        uint32_t most = next_random(&random) % 8 == 0 ? LARGEST - 8 : 300;
        size_t size = sizeof(struct request) + next_random(&random) % most;
        /* a third for ever, the rest with time-outs around the length of a round trip */
        bool for_ever = next_random(&random) % 3 == 0;
        struct srr_wait wait = {.timeout_ns = for_ever ? -1 : (int64_t)(next_random(&random) % 200000)};
        fill(out, size, number);
        *(struct request *)(void *)out = (struct request){.number = number};
        struct iovec message = {out, size}, reply = {in, LARGEST};
        struct srr_sent sent;
        memset(in, 0xee, LARGEST);
        int r = srr_send(server, &message, 1, &reply, 1, &wait, &sent);
        CHECK(r == 0 || (r == -ETIMEDOUT && wait.timeout_ns >= 0), "send: %d", r);
        if (r == 0) {
            CHECK(sent.flags & SRR_RECEIVED && sent.stored <= LARGEST, "flags %u", sent.flags);
            fill(right, LARGEST, number);
            CHECK(memcmp(in, right, sent.stored) == 0, "message %u has another one's reply", number);
            CHECK(atomic_load(&fates[number].received) == 1, "message %u answered, never received", number);
            atomic_fetch_add(answered, 1);
        } else if (!(sent.flags & SRR_RECEIVED)) {
            CHECK(atomic_load(&fates[number].received) == 0, "message %u was said to be safe to repeat", number);
            atomic_fetch_add(abandoned, 1);
        }
        atomic_fetch_add(ended, 1);
    }
    free(out);
    free(in);
    free(right);
    return NULL;
}

static void *run_receivers(void *unused)
{
    pthread_t thread[SENDERS_MAX];
    for (unsigned i = 0; i < receivers; i++)
        pthread_create(&thread[i], NULL, receive_all, NULL);
    for (unsigned i = 0; i < receivers; i++)
        pthread_join(thread[i], NULL);
    return unused;
}

static void stop_receivers(void)
{
    for (unsigned i = 0; i < receivers; i++) {
        struct request stop = {.stop = 1};
        struct iovec message = {&stop, sizeof stop};
        CHECK(srr_send(server, &message, 1, NULL, 0, NULL, NULL) == 0, "stop %u", i);
    }
}

/* Nobody died and nobody scribbled, so nothing may have been found by the periodic look alone. */
static uint64_t healed(pid_t pid)
{
    struct srr_process_view view;
    struct srr_thread_view threads[1];
    int r = srr_look(pid, &view, threads, 1);
    CHECK(r == 0, "look: %d", r);
    return view.healed;
}

int main(int argc, char **argv)
{
    pthread_t thread[SENDERS_MAX], server_thread;
    if (argc > 1)
        sends = (unsigned)atoi(argv[1]);
    if (argc > 2)
        senders = (unsigned)atoi(argv[2]);
    if (argc > 3)
        receivers = (unsigned)atoi(argv[3]);
    CHECK(senders <= SENDERS_MAX && receivers <= SENDERS_MAX, "at most %d", SENDERS_MAX);
    size_t size = sends * senders * sizeof *fates + 64;
    char *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED, "mmap");
    ended = (_Atomic unsigned *)(void *)shared;
    answered = ended + 1;
    abandoned = ended + 2;
    fates = (struct fate *)(void *)(shared + 64);
    if (may_send_to_itself) {
        server = getpid();
        pthread_create(&server_thread, NULL, run_receivers, NULL);
    } else if ((server = fork()) == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_receivers(NULL);
        _exit(0);
    }
    for (unsigned i = 0; i < senders; i++)
        pthread_create(&thread[i], NULL, send_all, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < senders; i++)
        pthread_join(thread[i], NULL);
    uint64_t lost = healed(server) + (may_send_to_itself ? 0 : healed(getpid()));
    stop_receivers();
    if (may_send_to_itself) {
        pthread_join(server_thread, NULL);
    } else {
        int status;
        CHECK(waitpid(server, &status, 0) == server && status == 0, "the receivers ended with %d", status);
    }
    CHECK(*ended == sends * senders, "%u Sends ended", *ended);
    CHECK(lost == 0, "%llu messages or replies were found by the look alone", (unsigned long long)lost);
    printf("storm: %u Sends, %u answered, %u given up before they were received, 0 healed\n", *ended, *answered,
           *abandoned);
    return 0;
}
