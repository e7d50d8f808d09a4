/* listen.h - the socket that processes find the helper at. */
#ifndef SRR_HELPER_LISTEN_H
#define SRR_HELPER_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#define EXIT_CANNOT 1
#define EXIT_USAGE 2
#define EXIT_ANOTHER 3 /* there is one already */

/* Each ends the program with a message if it can not be had. */
/* What systemd listens at for us (sd_listen_fds(3)); -1: it does not. */
int listen_inherited(void);
/* Made, locked: never two at one path. The lock ends with this process, whatever ends it. */
int listen_at(const char *path);
/* Who called listen(), as those who connect see it in SO_PEERCRED: they trust root's, or their own. */
uint32_t listener_uid(int listener);

#endif
