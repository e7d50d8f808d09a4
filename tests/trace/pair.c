/*
 * pair.c - a server and its client, with functions whose names a test looks for.
 *
 *   pair serve               replies with 3 bytes until it is killed
 *   pair ask PID COUNT       so many Sends of 5 bytes, "he" and three zeros; then tells how many and how many bytes
 *                            came back, and waits to be killed. Begins when its standard input ends
 */
#include <srr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char in[16];

__attribute__((noinline)) static void answer(unsigned long long id)
{
    struct iovec reply = {"abc", 3};
    srr_reply(id, &reply, 1);
    __asm__ volatile("" ::: "memory"); /* so that the call is no jump, and this function is on the stack */
}

__attribute__((noinline)) static void serve(void)
{
    struct iovec buffer = {in, sizeof in};
    struct srr_message message;
    while (srr_receive(0, &buffer, 1, 0, &message) == 0)
        answer(message.id);
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) static long ask(int server)
{
    struct iovec message = {"he\0\0", 5}, reply = {in, sizeof in};
    struct srr_sent sent = {0};
    int r = srr_send(server, &message, 1, &reply, 1, 0, &sent);
    __asm__ volatile("" ::: "memory");
    return r < 0 ? r : (long)sent.replied;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "serve") == 0) {
        serve();
        return 1;
    }
    if (argc != 4)
        return 2;
    while (getchar() != EOF)
        ;
    long nbytes = 0, count = atol(argv[3]);
    for (long i = 0; i < count; i++) {
        long n = ask(atoi(argv[2]));
        if (n < 0)
            return 3;
        nbytes += n;
    }
    printf("%ld %ld\n", count, nbytes);
    fflush(stdout);
    for (;;)
        pause();
}
