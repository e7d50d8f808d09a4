/*
 * asker.c - one Send to the process whose number comes on stdin, for test_deadlock.py: asker [thread]
 *
 * "thread": a second thread sends, and the first one waits for it. A static, plain C program: its stack is eu-stack's.
 */
#include <pthread.h>
#include <srr.h>
#include <stdio.h>
#include <stdlib.h>

static int server;

static void *ask_the_next(void *unused)
{
    char text[] = "request of a C program", answer[64];
    struct iovec message = {text, sizeof text - 1}, reply = {answer, sizeof answer};
    srr_send(server, &message, 1, &reply, 1, NULL, NULL);
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    (void)argv;
    if (scanf("%d", &server) != 1)
        return 1;
    if (argc == 1)
        ask_the_next(NULL);
    else if (pthread_create(&thread, NULL, ask_the_next, NULL) == 0)
        pthread_join(thread, NULL);
    return 0;
}
