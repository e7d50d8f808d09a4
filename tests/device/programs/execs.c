/* A descriptor without O_CLOEXEC lives on in another program, one with it does not. */
#include "check.h"

int main(int argc, char **argv)
{
    if (argc == 4) {
        char text[8] = "";
        int kept = atoi(argv[1]), closed = atoi(argv[2]);
        struct srr_send send = {atoi(argv[3]), 4, "ping", 4, text};
        FAILS(ioctl(closed, SRRSEND, &send), EBADF);
        CHECK(ioctl(kept, SRRSEND, &send) == 0 && strcmp(text, "pong") == 0);
        return 0;
    }
    char numbers[3][12];
    int kept = open(SRR_DEVICE, O_RDWR), closed = open(SRR_DEVICE, O_RDWR | O_CLOEXEC);
    CHECK(kept >= 0 && closed >= 0);
    sprintf(numbers[0], "%d", kept);
    sprintf(numbers[1], "%d", closed);
    sprintf(numbers[2], "%d", (int)getpid());
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", argv[0], numbers[0], numbers[1], numbers[2], (char *)NULL);
        _exit(2);
    }
    char text[8];
    struct srr_receive receive = {0, sizeof text, text};
    CHECK(ioctl(closed, SRRRECEIVE, &receive) == 0 && receive.pid == child && memcmp(text, "ping", 4) == 0);
    struct srr_reply reply = {child, 4, "pong"};
    CHECK(ioctl(kept, SRRREPLY, &reply) == 0);
    ends_well(child);
    return 0;
}
