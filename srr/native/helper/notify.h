/* notify.h - what systemd is told (sd_notify(3)): a datagram each. Without NOTIFY_SOCKET nobody is told anything. */
#ifndef SRR_HELPER_NOTIFY_H
#define SRR_HELPER_NOTIFY_H

#include <stdint.h>

/* Before the system calls are confined. */
void notify_open(void);
void notify_ready(void);
void notify_stopping(void);
/* The watchdog: ns until it wants to hear of us, -1: never; and tell it, if it is time. */
int64_t notify_patience(int64_t now);
void notify_tick(int64_t now);

#endif
