/*
 * preload.c - open() and ioctl() of a program that knows /dev/srr; everything else goes to libc as it came.
 *
 * The descriptor is that of an empty, sealed memfd, known by its name. So no numbers are remembered here: the kernel
 * copies it at dup() and fork(), keeps it at exec() and frees its number at close(), and another thread's, another
 * image's or a received descriptor is known like our own.
 */
/* Under these open() and ioctl() would be macros for others, and there would be two of a name. */
#undef _FILE_OFFSET_BITS
#undef _TIME_BITS
#undef _FORTIFY_SOURCE
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../qnx4/signals.h"
#include "device.h"
#include "srr/device.h"

#define PUBLIC __attribute__((visibility("default")))

#define MEMFD "srr-device"
#define MEMFD_LINK "/memfd:" MEMFD " (deleted)"

typedef int open_call(const char *path, int flags, ...);
typedef int openat_call(int folder, const char *path, int flags, ...);
typedef int open_2_call(const char *path, int flags);
typedef int openat_2_call(int folder, const char *path, int flags);
typedef int ioctl_call(int fd, unsigned long request, ...);

/* libc's function of that name. Looked up once: a handler may be the next to call. NULL: this libc has none. */
#define LIBC(type, name)                                                                                               \
    static type *libc_##name;                                                                                          \
    static type *get_##name(void)                                                                                      \
    {                                                                                                                  \
        type *known = __atomic_load_n(&libc_##name, __ATOMIC_RELAXED);                                                 \
        if (!known) {                                                                                                  \
            known = (type *)(uintptr_t)dlsym(RTLD_NEXT, #name);                                                        \
            __atomic_store_n(&libc_##name, known, __ATOMIC_RELAXED);                                                   \
        }                                                                                                              \
        return known;                                                                                                  \
    }

static bool names_device(const char *path)
{
    return is_readable(path, sizeof SRR_DEVICE) && memcmp(path, SRR_DEVICE, sizeof SRR_DEVICE) == 0;
}

static int open_device(int flags)
{
    int fd = (int)syscall(SYS_memfd_create, MEMFD, 2u /* MFD_ALLOW_SEALING */ | (flags & O_CLOEXEC ? 1u : 0u));
    if (fd < 0)
        return fd;
    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    if (flags & O_NONBLOCK)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* The name costs ten times what fstat() does: asked for once, then the file is known by its number. All memfds are on
 * one device, so two threads that store different ones here do no harm. */
static bool is_device(int fd)
{
    static _Atomic dev_t known_device;
    static _Atomic ino64_t known_file; /* 0: none yet */
    char link[40], name[sizeof MEMFD_LINK];
    struct stat64 seen;
    int error = errno;
    bool is_ours = false;
    if (fstat64(fd, &seen) == 0) {
        is_ours = seen.st_ino == known_file && seen.st_dev == known_device;
        if (!is_ours) {
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            is_ours = readlink(link, name, sizeof name) == sizeof MEMFD_LINK - 1 &&
                      memcmp(name, MEMFD_LINK, sizeof MEMFD_LINK - 1) == 0;
            if (is_ours) {
                known_device = seen.st_dev;
                known_file = seen.st_ino;
            }
        }
    }
    errno = error;
    return is_ours;
}

/* open() has a mode where it may create a file, and only there. */
#define MODE(flags, last)                                                                                              \
    __extension__({                                                                                                    \
        unsigned given = 0;                                                                                            \
        if (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE) {                                               \
            va_list rest;                                                                                              \
            va_start(rest, last);                                                                                      \
            given = va_arg(rest, unsigned);                                                                            \
            va_end(rest);                                                                                              \
        }                                                                                                              \
        given;                                                                                                         \
    })

#define OPEN(name)                                                                                                     \
    LIBC(open_call, name)                                                                                              \
    PUBLIC int name(const char *path, int flags, ...)                                                                  \
    {                                                                                                                  \
        unsigned mode = MODE(flags, flags);                                                                            \
        return names_device(path) ? open_device(flags) : get_##name()(path, flags, mode);                              \
    }
#define OPENAT(name)                                                                                                   \
    LIBC(openat_call, name)                                                                                            \
    PUBLIC int name(int folder, const char *path, int flags, ...)                                                      \
    {                                                                                                                  \
        unsigned mode = MODE(flags, flags);                                                                            \
        return names_device(path) ? open_device(flags) : get_##name()(folder, path, flags, mode);                      \
    }
/* What _FORTIFY_SOURCE makes of a call without a mode; libc's own end the program where one is missing. */
#define OPEN_2(name)                                                                                                   \
    LIBC(open_2_call, name)                                                                                            \
    PUBLIC int name(const char *path, int flags);                                                                      \
    PUBLIC int name(const char *path, int flags)                                                                       \
    {                                                                                                                  \
        return names_device(path) ? open_device(flags) : get_##name()(path, flags);                                    \
    }
#define OPENAT_2(name)                                                                                                 \
    LIBC(openat_2_call, name)                                                                                          \
    PUBLIC int name(int folder, const char *path, int flags);                                                          \
    PUBLIC int name(int folder, const char *path, int flags)                                                           \
    {                                                                                                                  \
        return names_device(path) ? open_device(flags) : get_##name()(folder, path, flags);                            \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
OPEN_2(__open_2)
OPEN_2(__open64_2)
OPENAT_2(__openat_2)
OPENAT_2(__openat64_2)

static int answer(int r)
{
    if (r >= 0)
        return r;
    errno = -r;
    return -1;
}

static int any_ioctl(ioctl_call *libc, int fd, unsigned long request, void *argument)
{
    if (!device_knows(request) || !is_device(fd))
        return libc(fd, request, argument);
    bool may_block = (uint32_t)request != (uint32_t)SRRRECEIVE || (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
    return answer(device_request(request, argument, may_block));
}

#define IOCTL(name)                                                                                                    \
    LIBC(ioctl_call, name)                                                                                             \
    PUBLIC int name(int fd, unsigned long request, ...)                                                                \
    {                                                                                                                  \
        va_list rest;                                                                                                  \
        va_start(rest, request);                                                                                       \
        void *argument = va_arg(rest, void *);                                                                         \
        va_end(rest);                                                                                                  \
        return any_ioctl(get_##name(), fd, request, argument);                                                         \
    }

IOCTL(ioctl)
#if __SIZEOF_LONG__ == 4
/* What ioctl() is called where time_t has 64 bits and long has 32. */
PUBLIC int __ioctl_time64(int fd, unsigned long request, ...);
IOCTL(__ioctl_time64)
#endif

PUBLIC int srr_device_ioctl(unsigned long request, void *argument)
{
    return answer(device_request(request, argument, true));
}

/* Before any handler can run, and where a program has called libc's functions at other places first. */
__attribute__((constructor)) static void look_up(void)
{
    signals_take_over();
    get_open(), get_open64(), get_openat(), get_openat64();
    get___open_2(), get___open64_2(), get___openat_2(), get___openat64_2();
    get_ioctl();
#if __SIZEOF_LONG__ == 4
    get___ioctl_time64();
#endif
}
