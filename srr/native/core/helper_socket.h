/*
 * helper_socket.h - the socket of srr-helper: found, trusted, connected to; one datagram out, one in. Nothing here
 * waits.
 */
#ifndef SRR_HELPER_SOCKET_H
#define SRR_HELPER_SOCKET_H

#include <stddef.h>

#include "protocol.h"

#define FDS_MAX 4 /* that come with one datagram */

/* $SRR_HELPER, else where it is installed. Empty: nowhere. */
void helper_path(char *buffer, size_t size);
/* A descriptor. -ENOSYS: the path leads nowhere; -ENOENT: there is none; -ECONNREFUSED: nobody listens now; -EACCES:
 * it is not to be trusted. */
int helper_open(const char *path);
int helper_send(int fd, const struct request *request, int descriptor);
/* -EAGAIN: nothing is there. Else the number of descriptors, kept (pair.h), or why there is no helper any more. */
int helper_receive(int fd, struct answer *ret_answer, int fds[FDS_MAX]);

#endif
