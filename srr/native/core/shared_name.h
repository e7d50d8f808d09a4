/* shared_name.h - names for other users, as name.c asks for them. */
#ifndef SRR_SHARED_NAME_H
#define SRR_SHARED_NAME_H

#include <sys/types.h>

#include <stdint.h>

struct srr_wait;

/* "name@user", waited for as srr_name_locate() does. -ESRCH also: it has no user in it that exists. */
pid_t shared_name_locate(const char *name, const struct srr_wait *wait);
/* Failures as srr_name_share()'s. */
int shared_name_publish(const char *name, uint32_t mode, gid_t gid);
void shared_name_withdraw(const char *name);

#endif
