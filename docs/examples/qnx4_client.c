/* A client in the old style: qnx4_client CHANNEL [VALUE] sets that channel of the thermometer, and prints it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <sys/kernel.h>
#include <sys/name.h>

#define SET 1
#define GET 2

struct request {
    msg_t type;
    short channel;
    int value;
};

struct reply {
    msg_t status;
    short zero;
    int value;
};

main(argc, argv)
int argc;
char **argv;
{
    struct request msg;
    struct reply answer;
    pid_t pid;

    if (argc < 2) {
        fprintf(stderr, "use: qnx4_client CHANNEL [VALUE]\n");
        return 2;
    }
    if ((pid = qnx_name_locate(0, "thermometer", sizeof(msg), 0)) == -1) {
        perror("thermometer");
        return 1;
    }
    msg.type = argc > 2 ? SET : GET;
    msg.channel = atoi(argv[1]);
    msg.value = argc > 2 ? atoi(argv[2]) : 0;
    if (Send(pid, &msg, &answer, sizeof(msg), sizeof(answer)) == -1) {
        perror("Send");
        return 1;
    }
    if (answer.status != EOK) {
        fprintf(stderr, "channel %d: %s\n", msg.channel, srr_strerror(answer.status));
        return 1;
    }
    printf("channel %d: %d\n", msg.channel, answer.value);
    return 0;
}
