/* Each error of the three requests. */
#include <signal.h>
#include <sys/mman.h>

#include <srr.h>

#include "check.h"

static char room[200000];
static const char constant[100] = "constant";

int main(void)
{
    int fd = open(SRR_DEVICE, O_RDWR), null = open("/dev/null", O_RDWR), quick = open(SRR_DEVICE, O_RDWR | O_NONBLOCK);
    char *closed = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *bad = closed + (1 << 19);
    CHECK(fd >= 0 && null >= 0 && quick >= 0 && closed != MAP_FAILED && munmap(bad, 1 << 19) == 0);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        /* A server that takes what it is sent and replies with 4 bytes, until it is told to stop, or to send. */
        struct srr_receive receive;
        do {
            receive = (struct srr_receive){parent, sizeof room, room};
            CHECK(ioctl(fd, SRRRECEIVE, &receive) == 0);
            struct srr_reply reply = {receive.pid, 4, "done"};
            ioctl(fd, SRRREPLY, &reply);
            if (strcmp(room, "send") == 0) {
                struct srr_send send = {parent, sizeof room, room, sizeof room, room};
                FAILS(ioctl(fd, SRRSEND, &send), SRR_EDSTFAULT);
                send.snbytes = 10;
                CHECK(ioctl(fd, SRRSEND, &send) == 0);
            }
        } while (strcmp(room, "stop") != 0);
        _exit(0);
    }
    struct srr_send send = {child, 4, "ping", sizeof room, room};

    /* Not ours: another descriptor, no descriptor, another request, and what other requests mean elsewhere. */
    FAILS(ioctl(null, SRRSEND, &send), ENOTTY);
    FAILS(ioctl(-1, SRRSEND, &send), EBADF);
    FAILS(ioctl(1000, SRRSEND, &send), EBADF);
    FAILS(ioctl(fd, _IO('s', 99), &send), ENOTTY);
    FAILS(ioctl(fd, TIOCGWINSZ, room), ENOTTY);

    /* The structure itself. */
    FAILS(ioctl(fd, SRRSEND, NULL), EFAULT);
    FAILS(ioctl(fd, SRRSEND, closed), EFAULT);
    FAILS(ioctl(fd, SRRSEND, bad), EFAULT);
    FAILS(ioctl(fd, SRRSEND, (char *)-8), EFAULT);
    FAILS(ioctl(fd, SRRRECEIVE, NULL), EFAULT);
    FAILS(ioctl(fd, SRRRECEIVE, constant), EFAULT); /* the sender's pid could not be stored */
    FAILS(ioctl(fd, SRRREPLY, bad), EFAULT);

    /* Buffers, short ones and long ones. */
    for (size_t n = 10; n < sizeof room; n *= 10) {
        const char *read_only = constant;
        FAILS(ioctl(fd, SRRSEND, (&(struct srr_send){child, n, bad, 0, NULL})), EFAULT);
        FAILS(ioctl(fd, SRRSEND, (&(struct srr_send){child, n, NULL, 0, NULL})), EFAULT);
        FAILS(ioctl(fd, SRRSEND, (&(struct srr_send){child, 4, "ping", n, bad})), EFAULT);
        FAILS(ioctl(fd, SRRSEND, (&(struct srr_send){child, 4, "ping", n, (void *)read_only})), EFAULT);
        CHECK(ioctl(fd, SRRSEND, (&(struct srr_send){child, 5, "send", 0, NULL})) == 0);
        FAILS(ioctl(fd, SRRRECEIVE, (&(struct srr_receive){child, n, bad})), EFAULT); /* that message is lost */
        CHECK(ioctl(fd, SRRRECEIVE, (&(struct srr_receive){child, n, room})) == 0);
        FAILS(ioctl(fd, SRRREPLY, (&(struct srr_reply){child, n, bad})), EFAULT);
        CHECK(ioctl(fd, SRRREPLY, (&(struct srr_reply){child, 0, NULL})) == 0);
    }
    CHECK(ioctl(fd, SRRSEND, &send) == 0 && memcmp(room, "done", 4) == 0);
    CHECK(ioctl(fd, (unsigned long)(int)SRRSEND, &send) == 0); /* kept in an int: the sign was extended */

    /* Nobody there; nothing there. */
    FAILS(ioctl(fd, SRRREPLY, (&(struct srr_reply){child, 0, NULL})), ESRCH);
    FAILS(ioctl(quick, SRRRECEIVE, (&(struct srr_receive){0, 0, NULL})), EAGAIN);
    FAILS(ioctl(quick, SRRRECEIVE, (&(struct srr_receive){child, 0, NULL})), EAGAIN);
    FAILS(ioctl(fd, SRRSEND, (&(struct srr_send){parent, 0, NULL, 0, NULL})), EDEADLK);
    CHECK(ioctl(fd, SRRSEND, (&(struct srr_send){child, 5, "stop", 0, NULL})) == 0);
    ends_well(child);
    FAILS(ioctl(fd, SRRSEND, &send), ESRCH);
    FAILS(ioctl(fd, SRRRECEIVE, (&(struct srr_receive){child, 0, NULL})), ESRCH);

    /* What a descriptor without data does. */
    CHECK(read(fd, room, 10) == 0);
    FAILS(write(fd, "x", 1), EPERM);
    return 0;
}
