/*
 * requests.c - what a process can ask for.
 *
 * What holds for all of them. The caller is who the kernel says (kernel.c), not who it says it is. A request is a
 * private copy of fixed size; its numbers are compared and looked up, and index nothing before they are checked.
 * Nothing is allocated; what is taken is counted against the caller's user. Each handler checks first, then does; an
 * error leaves everything as it was.
 */
#include <errno.h>
#include <string.h>

#include "broker.h"
#include "log.h"
#include "transfer.h"

static struct caller caller_of(const struct process *process)
{
    size_t room = sizeof broker.groups / sizeof broker.groups[0];
    return (struct caller){.uid = process->uid,
                           .gid = process->gid,
                           .groups = broker.groups,
                           .group_count = kernel_groups(process->socket, broker.groups, room)};
}

/* What the holder's name lets this caller do. */
static unsigned name_admits(const struct caller *caller, const struct name *name)
{
    return admitted(caller, name->holder->uid, name->gid, name->mode);
}

/*
 * HELLO. A caller could want: to be taken for another process (its pid is the kernel's; the one in the request is
 * only compared); to have the descriptor that it sends stall us, or shrink under others (only a memfd with seals is
 * touched, and none is mapped); to be two processes, or to drive out the one that is here (a second one with the same
 * pid is refused while the first holds its lock, which only the process itself could give up); to write another's
 * news (the page is this process's, and sealed).
 */
static int hello(struct process *process, const struct request *request, int life, struct answer *answer, int *ret_news)
{
    if (request->version != LAYOUT_VERSION) {
        log_refusal(process->user, REFUSED_PROTOCOL, "process %d has layout %u, this helper %u: use one version of srr",
                    process->pid, request->version, LAYOUT_VERSION);
        return -EPROTO;
    }
    if (request->pid != process->pid) {
        log_refusal(process->user, REFUSED_NAMESPACE,
                    "process %d calls itself %d: its pid namespace is another one; run a helper there", process->pid,
                    request->pid);
        return -EHOSTUNREACH;
    }
    if (!kernel_is_fixed(life) || !kernel_life_is_held(life, process->pid))
        return -EINVAL;
    if (process_find(process->pid, process))
        return -EBUSY;
    int news = make_news(&process->news);
    if (news < 0)
        return news;
    process->life = life;
    process->news_fd = news;
    process->joined = true;
    broker.strangers--;
    answer->features = broker.is_transferring ? FEATURE_TRANSFER : 0;
    answer->pid = transfer_pid();
    answer->age_ms = (uint64_t)(kernel_now() - broker.began) / 1000000;
    *ret_news = news;
    return 0;
}

/* Those who have asked in vain may ask again. Each has paid with a request, so this costs no more than they did. */
static void tell_seekers(void)
{
    for (struct process *p = broker.processes; p < broker.processes + PROCESSES; p++)
        if (p->joined && p->seeking) {
            p->seeking = false;
            news_add(p->news);
        }
}

/*
 * PUBLISH. A caller could want: another user's name (names are looked up among its own user's only); a name that a
 * living process of its user holds (EBUSY; such processes could kill each other anyway); to be found by a group that
 * it is not in, as if that group vouched for it (EPERM, but for root); to fill the tables (quotas) or to wake
 * everybody all the time (only who has asked in vain).
 */
static int publish(struct process *process, const struct request *request)
{
    if (!is_name(request->name) || !is_mode(request->mode))
        return -EINVAL;
    if (process->uid != 0 && request->gid != process->gid) {
        struct caller caller = caller_of(process);
        if (!is_member(&caller, request->gid)) {
            log_refusal(process->user, REFUSED_GROUP,
                        "process %d may not offer a name to group %u: it is not in it (usermod -aG, then a new login)",
                        process->pid, request->gid);
            return -EPERM;
        }
    }
    struct name *name = name_find(process->user, request->name);
    if (name && name->holder != process) {
        if (process_lives(name->holder, process))
            return -EBUSY;
        name = NULL;
    }
    if (!name && !(name = name_new(process, request->name)))
        return -EAGAIN;
    name->gid = request->gid;
    name->mode = request->mode;
    if (is_for_others(name->mode))
        tell_seekers();
    return 0;
}

/* WITHDRAW. A caller could want: to take another's name away (only its holder's own are found). */
static int withdraw(struct process *process, const struct request *request)
{
    struct name *name = is_name(request->name) ? name_find(process->user, request->name) : NULL;
    if (!name || name->holder != process)
        return -ENOENT;
    name_end(name);
    return 0;
}

/*
 * LOCATE. A caller could want: to learn names that it may neither see nor use (the answer is the same as for a name
 * that is not there); to be led to the wrong process (the holder's life is looked at now; CONNECT checks again).
 */
static int locate(struct process *process, const struct request *request, struct answer *answer)
{
    if (!is_name(request->name))
        return -EINVAL;
    const struct user *user = user_find(&broker.quotas, request->uid);
    const struct name *name = user ? name_find(user, request->name) : NULL;
    struct caller caller = caller_of(process);
    if (!name || name_admits(&caller, name) == 0 || !process_lives(name->holder, process)) {
        process->seeking = true;
        return -ENOENT;
    }
    answer->pid = name->holder->pid;
    return 0;
}

/*
 * LIST. A caller could want: to see what is not for it (r is needed), to read behind the table (the index is compared
 * first).
 */
static int list(const struct process *process, const struct request *request, struct answer *answer)
{
    struct caller caller = caller_of(process);
    for (uint32_t i = request->index; i < NAMES; i++) {
        const struct name *name = &broker.names[i];
        if (!name->holder || (name_admits(&caller, name) & MAY_SEE) == 0)
            continue;
        answer->index = i;
        answer->pid = name->holder->pid;
        answer->uid = name->holder->uid;
        answer->gid = name->gid;
        answer->mode = name->mode;
        memcpy(answer->name, name->text, sizeof answer->name);
        return 0;
    }
    return -ENOENT;
}

static bool may_send(const struct process *sender, const struct process *receiver)
{
    if (sender->uid == receiver->uid || sender->uid == 0)
        return true;
    struct caller caller = caller_of(sender);
    for (const struct name *name = receiver->user->names; name; name = name->next)
        if (name->holder == receiver && (name_admits(&caller, name) & MAY_SEND) != 0)
            return true;
    return false;
}

/* The same for both ends but for whose pidfd and life it is. */
static int tell_of_pair(struct process *process, const struct pair *pair, const struct process *peer,
                        struct answer *answer)
{
    const int fds[] = {pair->gate->fd, pair->fd, peer->pidfd, peer->life};
    answer->pid = peer->pid;
    answer->uid = peer->uid;
    answer->gid = peer->gid;
    answer->index = pair->index;
    answer->pair_id = pair->id;
    answer->gate_id = pair->gate->id;
    return process_tell(process, answer, fds, 4);
}

/*
 * CONNECT. A caller could want: to send to who does not let it (a name's w bit, or the same user, or root); another's
 * pair (each is new, and goes to these two alone; a gate is shared by one user's processes and the receiver); to
 * learn what pids there are (/proc says as much: ESRCH and EACCES may differ); the receiver to drown in descriptors
 * (at most UNREAD_OF_PROCESS wait for it, at most GATE_PAIRS pairs of one user exist at a receiver), or us (quotas);
 * what it could do with a descriptor: the files can not shrink, a pidfd gives no right that a pid does not, and a
 * life file can be written by its owner only.
 */
static int connect_to(struct process *process, const struct request *request, struct answer *answer)
{
    if (request->pid == process->pid)
        return -EDEADLK;
    struct process *receiver = process_find(request->pid, process);
    if (!receiver)
        return -ESRCH;
    if (!may_send(process, receiver)) {
        log_refusal(process->user, REFUSED_SEND,
                    "process %d may not send to %d of uid %u. There a name would let it: srr.listen(name, mode=0o666), "
                    "or mode=0o660 and a group= of both",
                    process->pid, receiver->pid, receiver->uid);
        return -EACCES;
    }
    int r;
    struct pair *pair = pair_new(process, receiver, &r);
    if (!pair) {
        if (r == -EAGAIN)
            log_refusal(process->user, REFUSED_QUOTA, "has %u pairs; process %d gets no more",
                        process->user->used[QUOTA_PAIRS], process->pid);
        return r;
    }
    struct answer meet = {.magic = HELPER_MAGIC, .op = OP_MEET, .version = HELPER_PROTOCOL};
    r = tell_of_pair(receiver, pair, process, &meet);
    if (r < 0) {
        pair_end(pair);
        return r == -EPIPE || r == -ECONNRESET ? -ESRCH : -EAGAIN;
    }
    news_add(receiver->news);
    /* Point of no return: if the caller can not be told, it is gone, and the receiver hears of that. */
    if (tell_of_pair(process, pair, receiver, answer) < 0)
        process_gone(process);
    return 0;
}

/* WATCH. A caller could want: to follow other users' processes (one's own user's only). */
static int watch(struct process *process, const struct request *request)
{
    struct process *of = process_find(request->pid, process);
    if (!of)
        return -ENOENT;
    if (of->uid != process->uid)
        return -EPERM;
    if (quota_take(&broker.quotas, process->user, QUOTA_WATCHES, 1) < 0)
        return -EAGAIN;
    if (!watch_add(process, of))
        quota_give(&broker.quotas, process->user, QUOTA_WATCHES, 1);
    return 0;
}

/* STATUS. A caller could want: another user's figures (it gets its own). */
static int status(const struct process *process, struct answer *answer)
{
    memcpy(answer->used, process->user->used, sizeof answer->used);
    memcpy(answer->limit, quota_limit, sizeof answer->limit);
    answer->features = broker.is_transferring ? FEATURE_TRANSFER : 0;
    return 0;
}

void serve_request(struct process *process, const struct request *request, int life)
{
    int r, news = -1;
    struct answer answer = {
        .magic = HELPER_MAGIC, .op = request->op, .cookie = request->cookie, .version = HELPER_PROTOCOL};
    switch (request->op) {
    case OP_HELLO: r = hello(process, request, life, &answer, &news); break;
    case OP_PUBLISH: r = publish(process, request); break;
    case OP_WITHDRAW: r = withdraw(process, request); break;
    case OP_LOCATE: r = locate(process, request, &answer); break;
    case OP_LIST: r = list(process, request, &answer); break;
    case OP_CONNECT:
        r = connect_to(process, request, &answer);
        if (r == 0)
            return; /* it was answered, with descriptors */
        break;
    case OP_WATCH: r = watch(process, request); break;
    case OP_STATUS: r = status(process, &answer); break;
    default: /* LEND, REVOKE, MOVE_IN, MOVE_OUT: serve() lets no others through */
        r = transfer_request(process, request, &answer.moved);
        if (r == TRANSFER_LATER)
            return;
    }
    answer.error = -r;
    const int fds[] = {news, transfer_end()};
    int told = process_tell(process, &answer, fds, news < 0 ? 0 : fds[1] < 0 ? 1 : 2);
    /* Who does not read its answers can not be helped; who was refused at the door goes. */
    if (told < 0 || !process->joined) {
        if (request->op == OP_HELLO && r < 0)
            close_later(process->user, life);
        process_gone(process);
    }
}
