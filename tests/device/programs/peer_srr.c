/* peer_srr: a server of srr.h that replies with each message, reversed. peer_srr PID TEXT: a client. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <srr.h>

int main(int argc, char **argv)
{
    char text[80], back[80] = "";
    struct iovec message = {text, sizeof text}, reply = {back, sizeof back - 1};
    struct srr_message received;
    if (argc == 3) {
        message = (struct iovec){argv[2], strlen(argv[2])};
        int r = srr_send(atoi(argv[1]), &message, 1, &reply, 1, NULL, NULL);
        printf("%s\n", r == 0 ? back : strerror(-r));
        return r != 0;
    }
    printf("%d\n", (int)getpid());
    fflush(stdout);
    while (srr_receive(0, &message, 1, NULL, &received) == 0) {
        reply.iov_len = received.copied;
        for (uint64_t i = 0; i < received.copied; i++)
            back[i] = text[received.copied - 1 - i];
        srr_reply(received.id, &reply, 1);
    }
    return 1;
}
