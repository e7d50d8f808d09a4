/* A server in the old style: keeps one number a channel, under the name "thermometer". */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sys/kernel.h>
#include <sys/name.h>

#define SET 1
#define GET 2
#define CHANNELS 16

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

static int values[CHANNELS];

static void serve(msg, answer)
struct request *msg;
struct reply *answer;
{
    memset(answer, 0, sizeof(*answer));
    if (msg->channel < 0 || msg->channel >= CHANNELS) {
        answer->status = EINVAL;
        return;
    }
    switch (msg->type) {
    case SET:
        values[msg->channel] = msg->value;
        /* and tell it */
    case GET:
        answer->status = EOK;
        answer->value = values[msg->channel];
        break;
    default:
        answer->status = ENOSYS;
    }
}

main()
{
    struct request msg;
    struct reply answer;
    pid_t pid;

    if (qnx_name_attach(0, "thermometer") == -1) {
        perror("thermometer");
        return 1;
    }
    for (;;) {
        memset(&msg, 0, sizeof(msg));
        if ((pid = Receive(0, &msg, sizeof(msg))) == -1)
            continue;
        serve(&msg, &answer);
        Reply(pid, &answer, sizeof(answer));
    }
}
