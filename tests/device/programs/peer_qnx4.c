/* peer_qnx4: a server of the old kind that replies with each message, reversed. peer_qnx4 PID TEXT: a client. */
#include <sys/kernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

main(argc, argv)
    int argc;
    char **argv;
{
    char text[80], back[80];
    pid_t client;
    int i, n;

    if (argc == 3) {
        memset(back, 0, sizeof back);
        if (Send(atoi(argv[1]), argv[2], back, strlen(argv[2]), sizeof back - 1) == -1) {
            perror("Send");
            return 1;
        }
        puts(back);
        return 0;
    }
    printf("%d\n", getpid());
    fflush(stdout);
    for (;;) {
        memset(text, 0, sizeof text);
        if ((client = Receive(0, text, sizeof text - 1)) == -1)
            return 1;
        n = strlen(text);
        for (i = 0; i < n; i++)
            back[i] = text[n - 1 - i];
        Reply(client, back, n);
    }
}
