/* A family: the parent opens the device, its child only inherits it. All sizes, both directions, through every copy
 * of the descriptor. */
#include "check.h"

#define MOST 3000000
static char sent[MOST], got[MOST];
static const size_t sizes[] = {0, 1, 7, 255, 4096, 65535, 65536, 65537, 1 << 20, MOST};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void fill(char *data, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        data[i] = (char)(i * 31 + seed + (i >> 8));
}

static void client(int fd, pid_t server)
{
    for (unsigned i = 0; i < SIZES; i++) {
        size_t n = sizes[i], back = sizes[SIZES - 1 - i];
        fill(sent, n, i);
        memset(got, 0, MOST);
        struct srr_send send = {server, n, n ? sent : NULL, back, back ? got : NULL};
        CHECK(ioctl(fd, SRRSEND, &send) == 0);
        CHECK(send.pid == server && send.snbytes == n && send.rnbytes == back); /* to be used again */
        fill(sent, back, i + 100);
        CHECK(memcmp(sent, got, back) == 0);
    }
    /* Truncation is silent: the reply is longer than the room, and the message was longer than the server's. */
    struct srr_send send = {server, 10, "0123456789", 3, got};
    memset(got, 0, 10);
    CHECK(ioctl(fd, SRRSEND, &send) == 0);
    CHECK(memcmp(got, "abc\0", 4) == 0);
}

int main(void)
{
    int first = open("/dev/srr", O_RDWR);
    CHECK(first >= 0);
    int copies[] = {first, dup(first), dup2(first, 77), fcntl(first, F_DUPFD, 100), dup3(first, 78, O_CLOEXEC)};
    CHECK(copies[1] >= 0 && copies[2] == 77 && copies[3] >= 100 && copies[4] == 78);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        CHECK(close(first) == 0);
        client(77, parent);
        _exit(0);
    }
    for (unsigned i = 0; i < SIZES; i++) {
        int fd = copies[i % 5];
        size_t n = sizes[i], back = sizes[SIZES - 1 - i];
        struct srr_receive receive = {i % 2 ? child : 0, MOST, got};
        memset(got, 0, MOST);
        CHECK(ioctl(fd, SRRRECEIVE, &receive) == 0);
        CHECK(receive.pid == child && receive.rnbytes == MOST);
        fill(sent, n, i);
        CHECK(memcmp(sent, got, n) == 0);
        fill(sent, back, i + 100);
        struct srr_reply reply = {child, back, back ? sent : NULL};
        CHECK(ioctl(fd, SRRREPLY, &reply) == 0);
        FAILS(ioctl(fd, SRRREPLY, &reply), ESRCH);
    }
    struct srr_receive receive = {0, 4, got};
    memset(got, 0, 10);
    CHECK(ioctl(first, SRRRECEIVE, &receive) == 0);
    CHECK(memcmp(got, "0123\0", 5) == 0);
    struct srr_reply reply = {receive.pid, 6, "abcdef"};
    CHECK(ioctl(first, SRRREPLY, &reply) == 0);
    CHECK(close(first) == 0);
    FAILS(ioctl(first, SRRREPLY, &reply), EBADF);
    FAILS(ioctl(77, SRRREPLY, &reply), ESRCH);
    ends_well(child);
    return 0;
}
