/*
 * silent_fuse.c - a file system with one file, whose FLUSH is never answered: who closes the file waits until we are
 * killed. Says "ready" when it is mounted and "flush" when somebody waits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int dev;

static void reply(const struct fuse_in_header *to, int error, const void *data, size_t size)
{
    char bytes[4096];
    struct fuse_out_header out = {.len = (unsigned)(sizeof out + size), .error = -error, .unique = to->unique};
    memcpy(bytes, &out, sizeof out);
    if (size > 0)
        memcpy(bytes + sizeof out, data, size);
    if (write(dev, bytes, out.len) < 0)
        perror("reply");
}

int main(int argc, char **argv)
{
    static char buffer[1 << 17];
    char options[128];
    (void)argc;
    dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    snprintf(options, sizeof options, "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other", dev);
    if (dev < 0 || mount("silent", argv[1], "fuse.silent", 0, options) != 0) {
        perror("mount");
        return 1;
    }
    setlinebuf(stdout);
    puts("ready");
    for (;;) {
        ssize_t n = read(dev, buffer, sizeof buffer);
        if (n < 0 && errno != EINTR)
            return 0;
        if (n < 0)
            continue;
        const struct fuse_in_header *in = (const void *)buffer;
        unsigned mode = in->nodeid == 1 ? S_IFDIR | 0755 : S_IFREG | 0444;
        struct fuse_attr attr = {.ino = in->nodeid, .mode = mode, .nlink = 1};
        struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION};
        struct fuse_attr_out attributes = {.attr = attr};
        struct fuse_open_out opened = {.fh = 1};
        struct fuse_entry_out entry = {.nodeid = 2, .attr = {.ino = 2, .mode = S_IFREG | 0444, .nlink = 1}};
        switch (in->opcode) {
        case FUSE_INIT: reply(in, 0, &init, sizeof init); break;
        case FUSE_LOOKUP: reply(in, 0, &entry, sizeof entry); break;
        case FUSE_GETATTR: reply(in, 0, &attributes, sizeof attributes); break;
        case FUSE_OPEN: reply(in, 0, &opened, sizeof opened); break;
        case FUSE_FLUSH: puts("flush"); break;
        case FUSE_FORGET: case FUSE_INTERRUPT: break;
        default: reply(in, ENOSYS, NULL, 0);
        }
    }
}
