/* Sends to the process that is named, with a handler for SIGUSR1, and tells how the Send ended. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <sys/kernel.h>

static int handled;

static void handler(int signo)
{
    handled += signo == SIGUSR1;
}

int main(int argc, char **argv)
{
    char reply[8] = "";
    int r;
    signal(SIGUSR1, handler);
    r = argc > 1 ? Send(atoi(argv[1]), "work", reply, 4, sizeof reply) : -1;
    printf("%d %d %s %d\n", r, r == -1 ? errno : 0, reply, handled);
    return 0;
}
