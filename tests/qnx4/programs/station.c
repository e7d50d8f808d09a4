/*
 * station.c - a server as there were many: it keeps a queue of work, has a clock that ticks by a proxy, holds the
 * clients that wait for work, is told by a proxy of an "interrupt", gives up who has waited too long, and is found by
 * its name. Workers and a supplier are its clients.
 */
#include <time.h>
#include <sys/name.h>
#include <sys/proxy.h>
#include <sys/types.h>
#include "../old.h"

#define NAME "old/station"
#define MAX_WAITING 10
#define WORK 60
#define WORKERS 3

enum { MSG_PUT = 0x101, MSG_GET, MSG_WHO_RINGS, MSG_STATUS, MSG_QUIT };

typedef struct {
    msg_t type;
    short ticks;                /* that the client is ready to wait, 0: for ever */
    long item;
} put_or_get_t;

typedef struct {
    msg_t status;
    mpid_t pid;
    long item;
} answer_t;

typedef union {
    msg_t type;
    put_or_get_t work;
} msg_u;

static long queue[WORK];
static int queued;
static struct { pid_t pid; int ticks; } waiting[MAX_WAITING];
static int waiters, ticks_seen, rings_seen;

static void reply_item(pid, item)
pid_t pid;
long item;
{
    answer_t answer;

    memset(&answer, 0, sizeof(answer));
    answer.status = EOK;
    answer.item = item;
    Reply(pid, &answer, sizeof(answer));
}

reply_status(pid, status)
pid_t pid;
int status;
{
    answer_t answer;

    memset(&answer, 0, sizeof(answer));
    answer.status = (msg_t) status;
    return Reply(pid, &answer, sizeof(answer.status));
}

static void forget(int i)
{
    --waiters;
    memmove(&waiting[i], &waiting[i + 1], (waiters - i) * sizeof(waiting[0]));
}

static void tick()
{
    int i;

    ++ticks_seen;
    for (i = waiters - 1; i >= 0; --i)
        if (waiting[i].ticks > 0 && --waiting[i].ticks == 0) {
            reply_status(waiting[i].pid, EAGAIN);
            forget(i);
        }
}

static void station(long unused)
{
    struct sigevent event;
    struct itimerspec when;
    answer_t answer;
    msg_u msg;
    pid_t clock_proxy, ring_proxy, from;
    timer_t clock_id;
    int running = 1, i;

    ring_proxy = qnx_proxy_attach(0, 0, 0, -1);
    clock_proxy = qnx_proxy_attach(0, 0, 0, -1);
    event.sigev_signo = -clock_proxy;
    clock_id = timer_create(CLOCK_REALTIME, &event);
    when.it_value.tv_sec = when.it_interval.tv_sec = 0;
    when.it_value.tv_nsec = when.it_interval.tv_nsec = 10000000L;
    timer_settime(clock_id, 0, &when, 0);
    check("the station's name", qnx_name_attach(0, NAME) != -1, 1);
    check("Send that says so", Send(getppid(), 0, 0, 0, 0), 0);

    while (running) {
        from = Receive(0, &msg, sizeof(msg));
        if (from == -1) {
            if (errno == EINTR)
                continue;
            check("the station's Receive", errno, 0);
            break;
        }
        if (from == clock_proxy) {
            tick();
            continue;
        }
        if (from == ring_proxy) {
            ++rings_seen;
            continue;
        }
        switch (msg.type) {
        case MSG_PUT:
            if (waiters > 0) {
                reply_item(waiting[0].pid, msg.work.item);
                forget(0);
            }
            else
                queue[queued++] = msg.work.item;
            reply_status(from, EOK);
            break;
        case MSG_GET:
            if (queued > 0) {
                reply_item(from, queue[0]);
                memmove(&queue[0], &queue[1], --queued * sizeof(queue[0]));
            }
            else if (waiters == MAX_WAITING)
                reply_status(from, EBUSY);
            else {
                waiting[waiters].pid = from;
                waiting[waiters++].ticks = msg.work.ticks;
            }
            break;
        case MSG_WHO_RINGS:
            answer.status = EOK;
            answer.pid = ring_proxy;
            Reply(from, &answer, sizeof(answer));
            break;
        case MSG_STATUS:
            answer.status = EOK;
            answer.item = rings_seen;
            Reply(from, &answer, sizeof(answer));
            break;
        case MSG_QUIT:
            running = 0;
            reply_status(from, EOK);
            break;
        default:
            reply_status(from, ENOSYS);
        }
    }
    check("the clock has ticked", ticks_seen > 0, 1);
    for (i = 0; i < waiters; ++i)
        reply_status(waiting[i].pid, EINTR);
    timer_delete(clock_id);
}

/* One request; what the status is. */
ask(type, ticks, item, answer)
int type, ticks;
long item;
answer_t *answer;
{
    pid_t server = qnx_name_locate(0, NAME, sizeof(msg_u), 0);
    msg_u msg;

    if (server == -1)
        return -1;
    msg.type = (msg_t) type;
    msg.work.ticks = (short) ticks;
    msg.work.item = item;
    if (Send(server, &msg, answer, sizeof(msg), sizeof(*answer)) == -1)
        return -1;
    return answer->status;
}

/* Works until it is told that there will be no more, by an item 0; tells its parent the sum. */
static void worker(long unused)
{
    answer_t answer;
    long sum = 0;

    while (ask(MSG_GET, 0, 0L, &answer) == EOK && answer.item != 0)
        sum += answer.item;
    check("the worker's last item", answer.item, 0);
    check("Send of the worker's sum", Send(getppid(), &sum, 0, sizeof(sum), 0), 0);
}

main()
{
    answer_t answer;
    pid_t server, workers[WORKERS], from;
    long sum = 0, all = 0, i;

    server = start(station, 0);
    check("the station says that it is ready", Receive(server, 0, 0), server);
    Reply(server, 0, 0);

    check("what is not known", ask(0x999, 0, 0L, &answer), ENOSYS);
    check("nothing within 2 ticks", ask(MSG_GET, 2, 0L, &answer), EAGAIN);
    check("MSG_WHO_RINGS", ask(MSG_WHO_RINGS, 0, 0L, &answer), EOK);
    from = answer.pid;
    for (i = 0; i < 10; ++i)
        if (Trigger(from) != server)
            check("Trigger of the station's proxy", i, -1);
    do                          /* a message may overtake a proxy that is triggered several times */
        check("MSG_STATUS", ask(MSG_STATUS, 0, 0L, &answer), EOK);
    while (answer.item < 10);
    check("it has been rung ten times", answer.item, 10);

    for (i = 0; i < WORKERS; ++i) {
        workers[i] = start(worker, 0);
        until_on(workers[i], STATE_REPLY_BLOCKED, server);
    }
    for (i = 1; i <= WORK; ++i) {
        if (ask(MSG_PUT, 0, i, &answer) != EOK)
            check("MSG_PUT", answer.status, EOK);
        all += i;
    }
    for (i = 0; i < WORKERS; ++i)
        check("MSG_PUT of the end", ask(MSG_PUT, 0, 0L, &answer), EOK);
    for (i = 0; i < WORKERS; ++i) {
        from = Receive(0, &sum, sizeof(sum));
        all -= sum;
        Reply(from, 0, 0);
        good_end(from);
    }
    check("each item was done once", all, 0);
    check("MSG_QUIT", ask(MSG_QUIT, 0, 0L, &answer), EOK);
    good_end(server);
    check("the station's name is gone", ask(MSG_STATUS, 0, 0L, &answer), -1);
    return finish();
}
