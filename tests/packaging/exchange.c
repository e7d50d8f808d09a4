/* A user of srr.h, in C and C++: a child sends, its parent replies. Prints what came back. */
#include <srr.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    char text[32] = "";
    pid_t server = getpid(), client = fork();
    if (client == 0) {
        struct iovec message = {(void *)"ping", 4}, reply = {text, sizeof text};
        int r = srr_send(server, &message, 1, &reply, 1, 0, 0);
        printf("%d %s\n", r, text);
        fflush(stdout);
        _exit(r != 0);
    }
    struct iovec buffer = {text, sizeof text};
    struct srr_message message;
    int status;
    if (srr_receive(client, &buffer, 1, 0, &message) != 0 || strcmp(text, "ping") != 0)
        return 2;
    text[1] = 'o';
    if (srr_reply(message.id, &buffer, 1) != sizeof text)
        return 3;
    return waitpid(client, &status, 0) == client && status == 0 ? 0 : 4;
}
