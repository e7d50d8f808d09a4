/* What has nothing to do with the device goes to libc as it came. Compiled with and without _FORTIFY_SOURCE. */
#include <sys/stat.h>

#include "check.h"

static mode_t mode_of(int fd)
{
    struct stat seen;
    CHECK(fd >= 0 && fstat(fd, &seen) == 0);
    close(fd);
    return seen.st_mode & 07777;
}

int main(int argc, char **argv)
{
    const int volatile flags = O_RDWR; /* not known to the compiler */
    CHECK(argc == 2 && chdir(argv[1]) == 0);
    int folder = open(".", O_RDONLY | O_DIRECTORY);
    umask(0);
    CHECK(folder >= 0);
    CHECK(mode_of(open("a", O_CREAT | O_EXCL | O_RDWR, 0641)) == 0641);
    CHECK(mode_of(openat(folder, "b", O_CREAT | O_EXCL | O_RDWR, 0600)) == 0600);
    CHECK(mode_of(open64("c", O_CREAT | O_EXCL | O_WRONLY, 0444)) == 0444);
    CHECK(mode_of(openat64(folder, "d", O_CREAT | O_EXCL | O_WRONLY, 04755)) == 04755);
    CHECK(mode_of(open("a", flags)) == 0641);
    CHECK(mode_of(open64("a", flags)) == 0641);
    CHECK(mode_of(openat(folder, "b", flags)) == 0600);
    CHECK(mode_of(openat64(folder, "b", flags)) == 0600);
#ifdef O_TMPFILE
    int hidden = open(".", O_TMPFILE | O_RDWR, 0640);
    CHECK(hidden == -1 ? errno == EOPNOTSUPP : mode_of(hidden) == 0640);
#endif
    FAILS(open("a", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
    FAILS(open("nothing", flags), ENOENT);
    FAILS(openat(folder, "nothing", flags), ENOENT);
    FAILS(openat(-1, "a", flags), EBADF);
    FAILS(open("/dev/srr/a", flags), ENOENT);
    FAILS(open("/dev/sr", flags), ENOENT);
    const char *volatile nowhere = (char *)16; /* volatile: the compiler may not warn */
    FAILS(open(nowhere, flags), EFAULT);

    /* The device under each of its names. */
    CHECK(close(open("/dev/srr", flags)) == 0);
    CHECK(close(open64("/dev/srr", flags)) == 0);
    CHECK(close(openat(AT_FDCWD, "/dev/srr", flags)) == 0);
    CHECK(close(openat64(folder, "/dev/srr", flags)) == 0);
    int closing = open("/dev/srr", flags | O_CLOEXEC), staying = open("/dev/srr", flags);
    CHECK(fcntl(closing, F_GETFD) == FD_CLOEXEC && fcntl(staying, F_GETFD) == 0);

    /* Requests of others. */
    int ends[2], waiting = 0;
    CHECK(pipe(ends) == 0 && write(ends[1], "12345", 5) == 5);
    CHECK(ioctl(ends[0], FIONREAD, &waiting) == 0 && waiting == 5);
    FAILS(ioctl(ends[0], TIOCGWINSZ, &waiting), ENOTTY);
    CHECK(ioctl(ends[0], FIOCLEX) == 0 && fcntl(ends[0], F_GETFD) == FD_CLOEXEC);
    return 0;
}
