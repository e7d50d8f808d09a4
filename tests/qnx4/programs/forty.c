/*
 * forty.c - forty processes that work together: a ring that hands a token on, a tree that adds up, a star of clients
 * around one server, and all of them at once in pairs that are drawn by lot.
 */
#include <sys/name.h>
#include "../old.h"

#define CROWD 40
#define ROUNDS 25

struct token {
    msg_t type;
    mpid_t from;
    long hops;
    unsigned long sum;
};

pid_t pids[CROWD];

/*
 * The ring. Each replies first, and sends then, so that nobody waits for himself. The first stops the token after so
 * many rounds, with a last round of the message that ends it.
 */
static void ring_member(long number)
{
    struct token token;
    pid_t next, from;

    from = Receive(getppid(), &next, sizeof(next));
    Reply(from, 0, 0);
    do {
        from = Receive(0, &token, sizeof(token));
        if (token.from != from)
            check("the token says who sends it", token.from, from);
        Reply(from, 0, 0);
        if (token.type == 1) {
            ++token.hops;
            token.sum += (unsigned long) number;
            if (number == 0 && token.hops > CROWD * ROUNDS)
                token.type = 2;
        }
        token.from = getpid();
        if (token.type == 2 && number == CROWD - 1)
            next = getppid();
        if (Send(next, &token, 0, sizeof(token), 0) != 0)
            check("Send round the ring", errno, 0);
    } while (token.type == 1);
}

static void ring()
{
    struct token token;
    int i;
    pid_t next;

    for (i = 0; i < CROWD; ++i)
        pids[i] = start(ring_member, (long) i);
    for (i = 0; i < CROWD; ++i) {
        next = pids[(i + 1) % CROWD];
        if (Send(pids[i], &next, 0, sizeof(next), 0) != 0)
            check("Send of the neighbour", errno, 0);
    }
    token.type = 1;
    token.from = getpid();
    token.hops = 0;
    token.sum = 0;
    check("Send of the token", Send(pids[0], &token, 0, sizeof(token), 0), 0);
    check("the token comes back", Receive(0, &token, sizeof(token)), pids[CROWD - 1]);
    check("hops", token.hops, CROWD * ROUNDS + 1);
    check("each has added its number each time", token.sum, ROUNDS * (CROWD * (CROWD - 1) / 2));
    Reply(pids[CROWD - 1], 0, 0);
    for (i = 0; i < CROWD; ++i)
        good_end(pids[i]);
}

/* The tree: a node starts its two children, and tells its parent the sum of all below it; it hears the total. */
static void node(long number)
{
    long sum = number, total = -1, part;
    pid_t children[2], from;
    int n = 0, i;

    children[0] = children[1] = 0;
    for (i = 0; i < 2; ++i)
        if (2 * number + i < CROWD)
            children[n++] = start(node, 2 * number + i);
    for (i = 0; i < n; ++i) {
        from = Receive(0, &part, sizeof(part));
        if (from != children[0] && from != children[1])
            check("the sender is a child", from, children[i]);
        sum += part;
    }
    if (Send(getppid(), &sum, &total, sizeof(sum), sizeof(total)) != 0)
        check("Send to the parent", errno, 0);
    for (i = 0; i < n; ++i)
        Reply(children[i], &total, sizeof(total));
    check("the total of the tree", total, CROWD * (CROWD - 1) / 2);
    for (i = 0; i < n; ++i)
        good_end(children[i]);
}

static void tree()
{
    long sum = -1;
    pid_t root = start(node, 1L);

    check("Receive from the root", Receive(0, &sum, sizeof(sum)), root);
    check("the sum of all", sum, CROWD * (CROWD - 1) / 2);
    Reply(root, &sum, sizeof(sum));
    good_end(root);
}

/* The star: a server with a name, and accounts; the clients pay in, and look. */
#define PAYMENTS 100

enum { PAY = 1, LOOK, CLOSE };

struct request {
    msg_t type;
    mpid_t account;
    long amount;
};

static void bank_client(long number)
{
    struct request request;
    pid_t bank = qnx_name_locate(0, "old/bank", sizeof(request), 0);
    long balance, expected = 0;
    int i, wrong = 0;

    request.account = getpid();
    for (i = 1; i <= PAYMENTS; ++i) {
        request.type = PAY;
        request.amount = number + i;
        expected += number + i;
        wrong += Send(bank, &request, &balance, sizeof(request), sizeof(balance)) != 0 || balance != expected;
        Yield();
    }
    request.type = LOOK;
    wrong += Send(bank, &request, &balance, sizeof(request), sizeof(balance)) != 0 || balance != expected;
    check("payments that went wrong", wrong, 0);
    request.type = CLOSE;
    check("Send of the end", Send(bank, &request, 0, sizeof(request), 0), 0);
}

static void star()
{
    struct request request;
    long balances[CROWD], total = 0, expected = 0;
    int i, open = CROWD - 1, id = qnx_name_attach(0, "old/bank");
    pid_t from;

    check("qnx_name_attach", id >= 0, 1);
    for (i = 0; i < CROWD - 1; ++i) {
        balances[i] = 0;
        pids[i] = start(bank_client, (long) i);
        expected += PAYMENTS * i + PAYMENTS * (PAYMENTS + 1) / 2;
    }
    while (open > 0) {
        from = Receive(0, &request, sizeof(request));
        for (i = 0; i < CROWD - 1 && pids[i] != from; ++i)
            ;
        if (i == CROWD - 1 || request.account != from) {
            check("the sender has an account", from, request.account);
            break;
        }
        if (request.type == PAY)
            balances[i] += request.amount;
        if (request.type == CLOSE) {
            --open;
            total += balances[i];
        }
        Reply(from, &balances[i], sizeof(balances[i]));
    }
    check("all money is there", total, expected);
    for (i = 0; i < CROWD - 1; ++i)
        good_end(pids[i]);
    check("qnx_name_detach", qnx_name_detach(0, id), 0);
}

/*
 * By lot: clients that send to servers, which look for a second message while they hold one, and answer the later one
 * first. Twenty of each.
 */
#define EACH 60

/* Whether it was one that ends. */
static int serve(pid_t from, struct request *request)
{
    request->amount *= 3;
    if (request->account != from)
        check("the message is the sender's", request->account, from);
    if (Reply(from, request, sizeof(*request)) != 0)
        check("Reply", errno, 0);
    return request->type == CLOSE;
}

static void holder(long unused)
{
    struct request first, second;
    pid_t from, later;
    int open = CROWD / 2;

    while (open > 0) {
        from = Receive(0, &first, sizeof(first));
        later = Creceive(0, &second, sizeof(second));
        if (later != -1)
            open -= serve(later, &second);
        open -= serve(from, &first);
    }
}

static void gambler(long number)
{
    struct request request;
    int i, wrong = 0;

    srand((unsigned) number);
    for (i = 0; i < EACH; ++i) {
        request.type = PAY;
        request.account = getpid();
        request.amount = number * 1000 + i;
        wrong += Send(pids[i % 3 ? rand() % (CROWD / 2) : 0], &request, &request, sizeof(request), sizeof(request)) != 0
            || request.amount != 3 * (number * 1000 + i) || request.account != getpid();
    }
    check("requests that went wrong", wrong, 0);
    request.type = CLOSE;
    for (i = 0, wrong = 0; i < CROWD / 2; ++i)
        wrong += Send(pids[i], &request, 0, sizeof(request), 0) != 0;
    check("ends that went wrong", wrong, 0);
}

static void by_lot()
{
    pid_t clients[CROWD / 2];
    int i;

    for (i = 0; i < CROWD / 2; ++i)
        pids[i] = start(holder, 0);
    for (i = 0; i < CROWD / 2; ++i)
        clients[i] = start(gambler, (long) i);
    for (i = 0; i < CROWD / 2; ++i)
        good_end(clients[i]);
    for (i = 0; i < CROWD / 2; ++i)
        good_end(pids[i]);
}

main()
{
    ring();
    tree();
    star();
    by_lot();
    return finish();
}
