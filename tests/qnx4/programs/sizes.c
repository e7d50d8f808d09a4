/*
 * sizes.c - how many bytes go across: the smaller of what there is and what there is room for, silently, in both
 * directions; nothing with a null pointer; and 3 megabytes. Sizes around those at which a system may change its
 * ways (pages, 64 K, the 65500 of <limits.h>).
 */
#include <limits.h>
#include "../old.h"

#define BIG 3145728
#define EDGE 16                 /* bytes behind each buffer that must stay as they were */
#define GAP 0x55

unsigned sizes[] = { 0, 1, 2, 99, 1000, 4095, 4096, 4097, 16384, 65500, 65537, 300000, BIG };
#define N (sizeof(sizes) / sizeof(sizes[0]))

char msg[BIG + EDGE], reply[BIG + EDGE];

static void fill(char *buf, unsigned n, unsigned seed)
{
    unsigned i;

    for (i = 0; i < n; ++i)
        buf[i] = (char) (i * 31 + (i >> 8) + seed);
}

/* How many bytes are not: n of that seed, then the gap. */
static unsigned wrong(char *buf, unsigned n, unsigned room, unsigned seed)
{
    unsigned i, bad = 0;

    for (i = 0; i < n; ++i)
        bad += buf[i] != (char) (i * 31 + (i >> 8) + seed);
    for (; i < room + EDGE; ++i)
        bad += buf[i] != GAP;
    return bad;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Message i has sizes[i] bytes for sizes[j] of room; its reply the other way round. */
static void server(long unused)
{
    unsigned i, j, bad = 0;
    pid_t from;

    for (i = 0; i < N; ++i)
        for (j = 0; j < N; ++j) {
            memset(msg, GAP, sizes[j] + EDGE);
            from = Receive(0, sizes[j] ? msg : 0, sizes[j]);
            bad += from != getppid();
            bad += wrong(msg, least(sizes[i], sizes[j]), sizes[j], i) != 0;
            fill(reply, sizes[j], i + j);
            bad += Reply(from, sizes[j] ? reply : 0, sizes[j]) != 0;
        }
    check("messages that did not arrive as they should", bad, 0);
}

main()
{
    pid_t child;
    unsigned i, j;
    unsigned bad = 0, failed = 0;

    check("_QNX_MSGLEN", _QNX_MSGLEN, 65500);
    child = start(server, 0);
    for (i = 0; i < N; ++i)
        for (j = 0; j < N; ++j) {
            fill(msg, sizes[i], i);
            memset(reply, GAP, sizes[i] + EDGE);
            if (Send(child, sizes[i] ? msg : 0, sizes[i] ? reply : 0, sizes[i], sizes[i]) != 0) {
                ++failed;
                printf("Send of %u for %u: %s\n", sizes[i], sizes[j], strerror(errno));
            }
            bad += wrong(reply, least(sizes[i], sizes[j]), sizes[i], i + j) != 0;
        }
    check("Sends that did not return 0", failed, 0);
    check("replies that did not arrive as they should", bad, 0);
    good_end(child);
    return finish();
}
