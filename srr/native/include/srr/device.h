/*
 * srr/device.h - the character device /dev/srr: Send, Receive and Reply as three ioctls.
 *
 *     int fd = open(SRR_DEVICE, O_RDWR);
 *     struct srr_send send = {server, sizeof question, &question, sizeof answer, &answer};
 *     if (ioctl(fd, SRRSEND, &send) == -1) ...
 *
 * There is no kernel module. A program runs unchanged with libsrr-device.so preloaded, which answers open() of
 * "/dev/srr" and these three requests, and leaves all else to libc:
 *
 *     LD_PRELOAD=$(pkg-config --variable=preload srr-device) ./program
 *
 * or linked with it: cc program.c $(pkg-config --cflags --libs srr-device). Not if the program is linked statically.
 * Programs of the device, of srr.h, of QNX4's calls and of Python are one another's clients and servers.
 *
 * The descriptor is a real one: dup(), fork(), exec() without O_CLOEXEC, passing it on and close() do what they do to
 * any. Any number of processes may have it open; which one it is does not matter, the process is who sends and
 * receives. It has no data: read() returns 0, write() fails with EPERM, poll() says ready at once. What fopen() and
 * stat() see is libc's business: there is no such file. Another request than the three fails with ENOTTY.
 *
 * Source: Ian Zagorskih, "Re: direct copy() between two proc address spaces", NetBSD's mailing list tech-kern,
 * 20 June 2004, proposes such a device. struct srr_send is his; the other two have the members of it that
 * they need, in the same order. The requests' numbers are ours.
 *
 * Sizes are bytes. What is copied is the smaller of what one side has and the other has room for, silently, in both
 * directions; 0 bytes with a null pointer are allowed. Each request returns 0, never a length, and changes
 * nothing in its structure but the pid of a Receive, so that a structure can be used again and again. A driver's ioctl
 * on NetBSD could return nothing but success or an errno, and QNX4's Send says 0 as well: who needs the length sends
 * it in the message.
 *
 * On failure -1 and errno. To all: EFAULT, the structure or a buffer is not in this process's memory; EBADF, ENOTTY,
 * it is not this device; EMFILE, ENFILE, ENOMEM, no descriptor or memory for this process's rows of the waiting table,
 * on its first request. (Before Linux 5.14 a bad address of the structure itself is a fault, SIGSEGV.)
 *
 * The library wraps the program's signal handlers, as libsrr-qnx4 does: a request that blocks ends with EINTR
 * whenever a handler has run since the call, however shortly before the blocking, whatever SA_RESTART says.
 */
#ifndef SRR_DEVICE_H
#define SRR_DEVICE_H

#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#define SRR_DEVICE "/dev/srr"

#pragma pack(push, 16) /* the same layout, and so the same requests, under -fpack-struct */

struct srr_send {
    pid_t pid;             /* to whom: a process, or a proxy */
    size_t snbytes;        /* length of the message */
    const void *sdata;
    size_t rnbytes;        /* room for the reply */
    void *rdata;
};

struct srr_receive {
    pid_t pid;             /* in: from whom, 0 from anyone; out: who sent, for SRRREPLY. Or a proxy */
    size_t rnbytes;        /* room for the message */
    void *rdata;
};

struct srr_reply {
    pid_t pid;             /* to whom: what SRRRECEIVE said */
    size_t snbytes;        /* length of the reply */
    const void *sdata;
};

#pragma pack(pop)

/*
 * SRRSEND     blocks until the receiver has replied. Errors: those of srr_send() in srr.h, above all
 *                 ESRCH   there is no such process, or it died
 *                 EINTR   a signal handler ran, whatever SA_RESTART says
 *                 EACCES  another user's process
 *                 1012    (SRR_EDSTFAULT in srr.h) the receiver's buffer is not in its memory
 * SRRRECEIVE  blocks until there is a message; with O_NONBLOCK set, EAGAIN when there is none. Other errors: those
 *             of srr_receive(): ESRCH, EINTR as above.
 * SRRREPLY    does not block. Errors: those of srr_reply(), above all ESRCH: that process does not await our reply.
 */
#define SRRSEND _IOW('s', 1, struct srr_send)
#define SRRRECEIVE _IOWR('s', 2, struct srr_receive)
#define SRRREPLY _IOW('s', 3, struct srr_reply)

#ifdef __cplusplus
extern "C" {
#endif

/* The same without a descriptor, for programs that link libsrr-device: `argument` is the request's structure. Another
 * request: -1, ENOTTY. SRRRECEIVE blocks. */
int srr_device_ioctl(unsigned long request, void *argument);

#ifdef __cplusplus
}
#endif
#endif
