/* A signal ends a blocked request with EINTR, also under signal()'s SA_RESTART. */
#include <signal.h>
#include <sys/time.h>

#include "check.h"

static volatile sig_atomic_t ran;
static void handler(int signo)
{
    (void)signo;
    ran++;
}

static void alarm_soon(void)
{
    struct itimerval soon = {{0, 0}, {0, 20000}};
    ran = 0;
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
}

int main(void)
{
    char text[8] = "";
    int fd = open(SRR_DEVICE, O_RDWR), ready[2];
    CHECK(fd >= 0 && pipe(ready) == 0);
    signal(SIGALRM, handler);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        /* Never receives the first message, never replies to the second, replies to the third. */
        CHECK(read(ready[0], text, 1) == 1);
        struct srr_receive receive = {parent, sizeof text, text};
        CHECK(ioctl(fd, SRRRECEIVE, &receive) == 0 && strcmp(text, "two") == 0);
        CHECK(kill(parent, SIGALRM) == 0);
        receive.pid = 0;
        CHECK(ioctl(fd, SRRRECEIVE, &receive) == 0 && strcmp(text, "three") == 0);
        struct srr_reply late = {receive.pid, 6, "answer"};
        CHECK(ioctl(fd, SRRREPLY, &late) == 0);
        _exit(0);
    }
    struct srr_receive receive = {0, sizeof text, text};
    alarm_soon();
    FAILS(ioctl(fd, SRRRECEIVE, &receive), EINTR);
    CHECK(ran == 1);
    alarm_soon();
    FAILS(ioctl(fd, SRRSEND, (&(struct srr_send){child, 4, "one", 0, NULL})), EINTR); /* SEND-blocked */
    CHECK(ran == 1);
    ran = 0;
    CHECK(write(ready[1], "x", 1) == 1);
    FAILS(ioctl(fd, SRRSEND, (&(struct srr_send){child, 4, "two", 0, NULL})), EINTR); /* REPLY-blocked */
    CHECK(ran == 1);
    CHECK(ioctl(fd, SRRSEND, (&(struct srr_send){child, 6, "three", 7, text})) == 0);
    CHECK(memcmp(text, "answer", 6) == 0);
    ends_well(child);
    return 0;
}
