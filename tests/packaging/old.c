/* A program of the old kind: no prototypes of its own, no return types, nothing of Linux. */
#include <sys/kernel.h>
#include <sys/name.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

main()
{
    char text[32];
    pid_t parent = getpid(), child;

#ifndef __QNX__
    return 1;
#endif
    if (qnx_name_attach(0, "old") == -1)
        return 2;
    child = fork();
    if (child == 0) {
        if (Send(parent, (char *)16, text, 5, sizeof text) != -1 || errno != EFAULT)
            exit(5);
        if (Send(qnx_name_locate(0, "old", 0, 0), "ping", text, 5, sizeof text) == -1)
            exit(1);
        printf("%s\n", text);
        exit(0);
    }
    if (Receive(child, text, sizeof text) != child || strcmp(text, "ping"))
        return 3;
    return Reply(child, "pong", 5) == 0 && wait(0) == child && parent == getpid() ? 0 : 4;
}
