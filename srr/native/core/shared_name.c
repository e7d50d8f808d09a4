/*
 * shared_name.c - names for other users: published by srr-helper, located as name@user, listed. See name.c for a
 * user's own.
 */
#define _GNU_SOURCE
#include "shared_name.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helper.h"
#include "process.h"
#include "signals.h"
#include "srr.h"

/* "bob" or "1001". False: there is no such user. */
static bool find_user(const char *user, uid_t *ret_uid)
{
    char *end, buffer[4096];
    struct passwd entry, *found = NULL;
    unsigned long number = strtoul(user, &end, 10);
    if (*user >= '0' && *user <= '9' && *end == 0 && number < UINT32_MAX) {
        *ret_uid = (uid_t)number;
        return true;
    }
    if (getpwnam_r(user, &entry, buffer, sizeof buffer, &found) != 0 || !found)
        return false;
    *ret_uid = found->pw_uid;
    return true;
}

/* Without a user: not ours to say. */
static int split(const char *name, struct request *ret_request)
{
    const char *at = strrchr(name, '@');
    uid_t uid;
    if (!at || at == name || (size_t)(at - name) > HELPER_NAME_MAX || !find_user(at + 1, &uid))
        return -ESRCH;
    *ret_request = (struct request){.op = OP_LOCATE, .uid = uid};
    memcpy(ret_request->name, name, (size_t)(at - name));
    return 0;
}

static pid_t locate_now(struct process *self, const struct request *request)
{
    struct request copy = *request;
    struct answer answer;
    int r = helper_ask(self, &copy, &answer);
    return r == -ENOENT ? -ESRCH : r < 0 ? r : answer.pid > 0 ? answer.pid : -EPROTO;
}

pid_t shared_name_locate(const char *name, const struct srr_wait *wait)
{
    struct patience patience;
    struct request request;
    int r = split(name, &request);
    if (r < 0)
        return r;
    struct process *self = process_self(&r);
    if (!self)
        return r;
    patience_begin(&patience, wait, SLICE_FIRST);
    for (;;) {
        uint32_t news = helper_news(self); /* before the question, so that nothing falls between */
        r = locate_now(self, &request);
        if (r != -ESRCH || !wait || wait->timeout_ns == 0)
            return r;
        if (verb_is_interrupted())
            return -EINTR;
        if ((r = patience_check(&patience)) != 0)
            return r;
        struct sleep_word word = sleep_word(atomic_load(&self->news), news);
        int slept = futex_sleep_on_any(&word, 1, patience_slice(&patience));
        if (slept == -EINTR)
            return -EINTR;
        if (slept == -ETIMEDOUT && (r = patience_look(&patience)) != 0)
            return r;
    }
}

int shared_name_publish(const char *name, uint32_t mode, gid_t gid)
{
    int r;
    struct process *self = process_self(&r);
    return self ? helper_publish(self, name, mode, gid) : r;
}

void shared_name_withdraw(const char *name)
{
    int r;
    struct process *self = process_self(&r);
    if (self)
        helper_withdraw(self, name);
}

int srr_name_list_shared(int (*each)(void *arg, const struct srr_shared_name *name), void *arg)
{
    struct answer answer;
    uint32_t index = 0;
    int r;
    for (;;) {
        struct request request = {.op = OP_LIST, .index = index};
        verb_begin();
        struct process *self = process_self(&r);
        r = self ? helper_ask(self, &request, &answer) : r;
        verb_end();
        if (r < 0)
            return r == -ENOENT ? 0 : r;
        if (answer.index < index)
            return -EPROTO; /* it must not lead us in circles */
        answer.name[HELPER_NAME_MAX] = 0;
        r = each(arg, &(struct srr_shared_name){.name = answer.name,
                                                .uid = answer.uid,
                                                .gid = answer.gid,
                                                .mode = answer.mode,
                                                .pid = answer.pid});
        if (r != 0)
            return r;
        index = answer.index + 1;
    }
}
