/* A server of the device /dev/srr: replies with each message, reversed. Its pid is its address. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <srr/device.h>

int main(void)
{
    char text[80];
    int fd = open(SRR_DEVICE, O_RDWR);
    if (fd == -1) {
        perror(SRR_DEVICE);
        return 1;
    }
    printf("%d\n", (int)getpid());
    fflush(stdout);
    for (;;) {
        struct srr_receive receive = {0, sizeof text, text};
        memset(text, 0, sizeof text);
        if (ioctl(fd, SRRRECEIVE, &receive) == -1) {
            perror("SRRRECEIVE");
            return 1;
        }
        size_t length = strnlen(text, sizeof text);
        for (size_t i = 0; i < length / 2; i++) {
            char c = text[i];
            text[i] = text[length - 1 - i];
            text[length - 1 - i] = c;
        }
        struct srr_reply reply = {receive.pid, length, text};
        if (ioctl(fd, SRRREPLY, &reply) == -1)
            perror("SRRREPLY"); /* that client is gone, the next one need not be */
    }
}
