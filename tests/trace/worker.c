/*
 * worker.c - a server and a client for test_exact.py, which say what they did. worker_python.py is the same in Python.
 *
 *   worker serve         serves until it is killed. Prints for each message: client pid, bytes sent, lane, what became
 *                        of it ("reply" and how many bytes, "error" and the number, "hold", "die", "relay" and to whom)
 *   worker send PLAN     does a Send for each line of the file: server, operation, bytes, bytes of the reply or its
 *                        error or the next server, room, time-out in ms (-1: none). Prints for each: server, bytes
 *                        sent, bytes replied, lane, status, 1 if it was received. Begins when its standard input ends.
 *
 * A message begins with the operation, 4 bytes, and its number, 4 bytes; a shorter one is replied to with three times
 * as many.
 */
#include <srr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REPLY, ERROR, HOLD, DIE, RELAY };
#define MOST (4 << 20)
#define RELAYED_REPLY 16

static char out[MOST], in[MOST];

static void serve(void)
{
    struct iovec buffer = {in, MOST};
    struct srr_message message;
    static const char *const lanes[] = {"-", "inline", "direct"};
    while (srr_receive(0, &buffer, 1, 0, &message) == 0) {
        unsigned what[2] = {REPLY, (unsigned)message.nbytes * 3};
        if (message.copied >= sizeof what)
            memcpy(what, in, sizeof what);
        printf("%d %llu %s ", message.pid, (unsigned long long)message.nbytes, lanes[message.lane]);
        if (what[0] == RELAY && (pid_t)what[1] == getpid()) /* to us: the client's message is as it was */
            what[0] = REPLY, what[1] = RELAYED_REPLY;
        struct iovec reply = {out, what[1]};
        switch (what[0]) {
        case REPLY: printf("reply %u\n", what[1]); srr_reply(message.id, &reply, 1); break;
        case ERROR: printf("error %u\n", what[1]); srr_error(message.id, (int)what[1]); break;
        case HOLD: printf("hold 0\n"); break; /* the client leaves by itself */
        case DIE: printf("die 0\n"); _exit(0);
        case RELAY: printf("relay %u\n", what[1]); srr_relay(message.id, (pid_t)what[1]); break;
        default: exit(2);
        }
    }
    exit(1);
}

static void send_all(FILE *plan)
{
    int server, op, nbytes, what, room, timeout;
    while (getchar() != EOF)
        ;
    while (fscanf(plan, "%d %d %d %d %d %d", &server, &op, &nbytes, &what, &room, &timeout) == 6) {
        int head[2] = {op, what};
        memcpy(out, head, sizeof head);
        struct iovec message = {out, (size_t)nbytes}, reply = {in, (size_t)room};
        struct srr_wait wait = {timeout < 0 ? -1 : timeout * 1000000LL, 0, 0};
        struct srr_sent sent = {0};
        int r = srr_send(server, &message, 1, &reply, 1, &wait, &sent);
        printf("%d %d %llu %d %d %d\n", server, nbytes, (unsigned long long)sent.replied, sent.message_lane, -r,
               (sent.flags & SRR_RECEIVED) != 0);
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, 0, _IOLBF, BUFSIZ);
    if (argc > 1 && strcmp(argv[1], "serve") == 0)
        serve();
    FILE *plan = argc > 2 ? fopen(argv[2], "r") : 0;
    if (!plan)
        return 2;
    send_all(plan);
    return 0;
}
