/*
 * wide: a server that looks at each message from all sides. wide PID: its client. Built with 32 and with 64 bits, which
 * must not be able to tell each other's. The message says what to do; the bytes of both directions are known
 * beforehand.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <srr.h>

#define MOST 3000000u
#define CHECK(what)                                                                                                    \
    ((what) ? (void)0 : (fprintf(stderr, "%s:%d: %s (%u bits)\n", __FILE__, __LINE__, #what, BITS), exit(1)))
#define BITS (unsigned)(8 * sizeof(void *))

struct order {
    uint32_t nbytes, reply, parts, bad; /* bad: 1: I reply from a hole in my memory; 2: into one in yours; 3: stop */
};

static unsigned char message[sizeof(struct order) + MOST], reply[MOST], room[sizeof message];
static void *hole;

static void fill(unsigned char *data, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        data[i] = (unsigned char)(i * 7 + (i >> 9) + seed);
}

/* In that many parts of unequal size. */
static int cut(void *data, size_t n, unsigned parts, struct iovec *ret)
{
    unsigned char *at = data;
    for (unsigned i = 0; i < parts; i++) {
        size_t here = i + 1 == parts ? n : n / (parts - i) / (i % 3 + 1);
        ret[i] = (struct iovec){at, here};
        at += here;
        n -= here;
    }
    return (int)parts;
}

static void serve(void)
{
    static struct iovec parts[SRR_PARTS_MAX];
    struct srr_message got;
    struct order order = {0, 0, 1, 0};
    while (order.bad != 3) {
        /* The beginning by Receive, all of it by reads at offsets of every kind. */
        struct iovec head = {room, sizeof order + 100};
        CHECK(srr_receive(0, &head, 1, NULL, &got) == 0);
        memcpy(&order, room, sizeof order);
        size_t length = sizeof order + order.nbytes;
        CHECK(got.nbytes == length && got.room == order.reply);
        CHECK(got.copied == (length < head.iov_len ? length : head.iov_len));
        fill(message + sizeof order, order.nbytes, order.nbytes);
        memcpy(message, &order, sizeof order);
        CHECK(memcmp(room, message, (size_t)got.copied) == 0);
        size_t offsets[] = {0, 1, length / 3, 65536, length - 1, length, length + 1, (size_t)3 << 30};
        for (unsigned i = 0; i < sizeof offsets / sizeof *offsets; i++) {
            size_t left = offsets[i] < length ? length - offsets[i] : 0;
            memset(room, 0, length + 1 < sizeof room ? length + 1 : length);
            CHECK(srr_read(got.id, offsets[i], parts, cut(room, length, order.parts, parts)) == (int64_t)left);
            CHECK(memcmp(room, message + (left ? offsets[i] : 0), left) == 0);
        }
        if (order.bad == 1) {
            CHECK(srr_read(got.id, 0, &(struct iovec){hole, 100000}, 1) == -EFAULT);
            CHECK(srr_write(got.id, 0, &(struct iovec){hole, 100000}, 1) == -EFAULT);
        }
        /* The reply's second half by a write, the first by the reply itself. */
        fill(reply, order.reply, order.reply + 1);
        size_t half = order.reply / 2;
        int n = cut(reply + half, order.reply - half, order.parts, parts);
        int64_t written = srr_write(got.id, half, parts, n);
        CHECK(written == (order.bad == 2 ? -SRR_EDSTFAULT : (int64_t)(order.reply - half)));
        CHECK(srr_write(got.id, order.reply, parts, n) == 0);
        int64_t replied = srr_reply(got.id, parts, cut(reply, half, order.parts, parts));
        CHECK(replied == (order.bad == 2 ? -SRR_EDSTFAULT : (int64_t)half));
    }
}

static void ask(pid_t server, struct order order)
{
    static struct iovec parts[SRR_PARTS_MAX], back[SRR_PARTS_MAX];
    struct srr_sent sent;
    memcpy(message, &order, sizeof order);
    fill(message + sizeof order, order.nbytes, order.nbytes);
    int n = cut(message, sizeof order + order.nbytes, order.parts, parts);
    int m = cut(order.bad == 2 ? hole : room, order.reply, order.parts, back);
    memset(room, 0, sizeof room);
    int r = srr_send(server, parts, n, back, m, NULL, &sent);
    CHECK(r == (order.bad == 2 ? -EFAULT : 0));
    if (r == 0) {
        fill(reply, order.reply, order.reply + 1);
        CHECK(sent.replied == order.reply);
        CHECK(memcmp(room, reply, order.reply) == 0);
        CHECK(room[order.reply] == 0);
    }
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = {0, 1, 100, 4096, 65519, 65520, 65521, 65536, 200000, 1 << 20, MOST};
    const unsigned count = sizeof sizes / sizeof *sizes;
    hole = mmap(NULL, MOST, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(hole != MAP_FAILED && munmap(hole, MOST) == 0);
    if (argc == 1) {
        printf("%d\n", (int)getpid());
        fflush(stdout);
        serve();
        return 0;
    }
    pid_t server = atoi(argv[1]);
    for (unsigned i = 0; i < count; i++)
        for (unsigned parts = 1; parts <= SRR_PARTS_MAX; parts += 127)
            ask(server, (struct order){sizes[i], sizes[count - 1 - i], parts, 0});
    for (unsigned bad = 1; bad <= 3; bad++)
        ask(server, (struct order){150000, 150000, 3, bad});
    return 0;
}
