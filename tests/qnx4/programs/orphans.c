/*
 * orphans.c - proxies that were attached to processes which then died: each can be detached, and a server that does not
 * bother does not run out of them.
 */
#include <sys/proxy.h>
#include "../old.h"

#define MANY 300

int main(void)
{
    pid_t child, proxy = 0, again;
    int i, bad = 0, detached = 0;

    for (i = 0; i < MANY; ++i) {
        child = fork();
        if (child == 0)
            for (;;)
                pause();
        proxy = qnx_proxy_attach(child, "x", 1, -1);
        if (proxy == -1)
            ++bad;
        kill(child, SIGKILL);
        waitpid(child, 0, 0);
        if (i < 10 && proxy != -1 && qnx_proxy_detach(proxy) == 0)
            ++detached;
    }
    check("proxies attached to those that died", bad, 0);
    check("detached after that", detached, 10);
    again = qnx_proxy_attach(0, "y", 1, -1);
    check("one of our own", again > 0, 1);
    check("Trigger", Trigger(again), getpid());
    check("Receive", Receive(again, &i, 0), again);
    check("detach", qnx_proxy_detach(again), 0);
    check_fails("Trigger of a dead one's", Trigger(proxy), ESRCH);
    return finish();
}
