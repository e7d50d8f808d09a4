/* A client of the device /dev/srr: device_client PID TEXT sends the text to that process, and prints the reply. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <srr/device.h>

int main(int argc, char **argv)
{
    char answer[80] = "";
    int fd = open(SRR_DEVICE, O_RDWR);
    if (fd == -1 || argc != 3) {
        perror(SRR_DEVICE);
        return 1;
    }
    struct srr_send send = {atoi(argv[1]), strlen(argv[2]), argv[2], sizeof answer - 1, answer};
    if (ioctl(fd, SRRSEND, &send) == -1) {
        perror("SRRSEND");
        return 1;
    }
    puts(answer);
    return 0;
}
