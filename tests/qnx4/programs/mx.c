/*
 * mx.c - tables of parts: Sendmx, Receivemx, Creceivemx, Replymx, Readmsgmx, Writemsgmx. The parts of one side need
 * not be those of the other; 255 are allowed, 256 are not; none at all is.
 */
#include <limits.h>
#include <sys/sendmx.h>
#include "../old.h"

#define TOTAL 3000
#define MEG 1048576

struct header {
    msg_t type;
    mpid_t pid;
    char text[20];
};

char out[TOTAL], in[TOTAL], back[TOTAL];
char large[3 * MEG], large_in[3 * MEG];

static void fill(char *buf, unsigned n, unsigned seed)
{
    unsigned i;

    for (i = 0; i < n; ++i)
        buf[i] = (char) (i * 7 + (i >> 8) + seed);
}

/* A table of `parts` entries over buf; the sizes are uneven, and some are 0. */
static unsigned split(struct _mxfer_entry *mx, char *buf, unsigned total, unsigned parts)
{
    unsigned i, at = 0, len;

    for (i = 0; i < parts; ++i) {
        len = i == parts - 1 ? total - at : i % 5 == 1 ? 0 : total / parts - (i % 3);
        _setmx(&mx[i], len ? buf + at : 0, len);
        at += len;
    }
    return at;
}

/* Its parts are others than the client's: `server_parts` for the message and for the reply. */
static void server(long server_parts)
{
    struct _mxfer_entry mx[256];
    char name[80];
    pid_t from;

    memset(in, 0, sizeof(in));
    split(mx, in, TOTAL, (unsigned) server_parts);
    from = Receivemx(0, (unsigned) server_parts, mx);
    sprintf(name, "Receivemx in %ld parts returns the sender", server_parts);
    check(name, from, getppid());
    fill(out, TOTAL, 1);
    check_bytes("all of it, in order", in, out, TOTAL);
    fill(out, TOTAL, 2);
    split(mx, out, TOTAL, (unsigned) server_parts);
    check("Replymx returns 0", Replymx(from, (unsigned) server_parts, mx), 0);
}

static void round_trip(unsigned client_parts, unsigned server_parts)
{
    struct _mxfer_entry smx[256], rmx[256];
    char name[80];
    pid_t child = start(server, (long) server_parts);

    fill(out, TOTAL, 1);
    memset(in, 0, sizeof(in));
    split(smx, out, TOTAL, client_parts);
    split(rmx, in, TOTAL, client_parts);
    sprintf(name, "Sendmx in %u parts to %u", client_parts, server_parts);
    check(name, Sendmx(child, client_parts, client_parts, smx, rmx), 0);
    fill(back, TOTAL, 2);
    check_bytes("the whole reply, in order", in, back, TOTAL);
    good_end(child);
}

/* The usual use: a header and data that lie apart; the other side has them in one piece. */
static void plain_server(long unused)
{
    struct { struct header head; char data[100]; } msg;
    pid_t from = Receive(0, &msg, sizeof(msg));

    check("the header's type", msg.head.type, 77);
    check("the header's pid", msg.head.pid, from);
    check("the data right behind it", strcmp(msg.data, "the data"), 0);
    msg.head.type = EOK;
    strcpy(msg.data, "the answer");
    check("Reply to a Sendmx", Reply(from, &msg, sizeof(msg)), 0);
}

static void header_and_data()
{
    struct header head, status;
    struct _mxfer_entry smx[2], rmx[2];
    char data[100], answer[100];
    pid_t child = start(plain_server, 0);

    head.type = 77;
    head.pid = getpid();
    strcpy(data, "the data");
    status.type = 99;
    _setmx(&smx[0], &head, sizeof(head));
    _setmx(&smx[1], data, sizeof(data));
    _setmx(&rmx[0], &status, sizeof(status));
    _setmx(&rmx[1], answer, sizeof(answer));
    check("Sendmx of header and data", Sendmx(child, 2, 2, smx, rmx), 0);
    check("the reply's status", status.type, EOK);
    check("the reply's data", strcmp(answer, "the answer"), 0);
    good_end(child);
}

/* No parts: for the message, for the reply, for both; and 256 parts, which are refused everywhere. */
static void client_of_none(long unused)
{
    struct _mxfer_entry mx[1];
    char c = 'q', d = 0;

    check("Sendmx without parts", Sendmx(getppid(), 0, 0, 0, 0), 0);
    _setmx(&mx[0], &c, 1);
    check("Sendmx without a reply buffer", Sendmx(getppid(), 1, 0, mx, 0), 0);
    _setmx(&mx[0], &d, 1);
    check("Sendmx without a message", Sendmx(getppid(), 0, 1, 0, mx), 0);
    check("its reply", d, 'r');
    check("Send for 256 parts of it", Send(getppid(), "abc", &d, 3, 1), 0);
    check("its reply", d, 's');
}

static void none_and_too_many()
{
    struct _mxfer_entry mx[256];
    char c = 0, bytes[256];
    pid_t child;
    int i;

    check("_QNX_MXTAB_LEN", _QNX_MXTAB_LEN, 255);
    for (i = 0; i < 256; ++i)
        _setmx(&mx[i], &bytes[i], 1);
    check_fails("Receivemx with 256 parts", Receivemx(0, 256, mx), EINVAL);
    check_fails("Creceivemx with 256 parts", Creceivemx(0, 256, mx), EINVAL);
    check_fails("Creceivemx with nothing there", Creceivemx(0, 255, mx), ENOMSG);

    child = start(client_of_none, 0);
    check_fails("Sendmx with 256 parts of message", Sendmx(child, 256, 0, mx, 0), EINVAL);
    check_fails("Sendmx with 256 parts of reply", Sendmx(child, 0, 256, 0, mx), EINVAL);
    check("Receivemx without parts", Receivemx(0, 0, 0), child);
    check("Replymx without parts", Replymx(child, 0, 0), 0);

    _setmx(&mx[0], &c, 1);
    until_on(child, STATE_SEND_BLOCKED, getpid());
    check("Creceivemx", Creceivemx(0, 1, mx), child);
    check("the byte", c, 'q');
    c = 'z';
    check("Replymx for whom has no room", Replymx(child, 1, mx), 0);

    check("Receivemx of no message", Receivemx(child, 1, mx), child);
    check("the buffer is as it was", c, 'z');
    c = 'r';
    check("Replymx of one byte", Replymx(child, 1, mx), 0);

    _setmx(&mx[0], &bytes[0], 1);
    check("Receive before 256 parts", Receive(child, 0, 0), child);
    check_fails("Readmsgmx with 256 parts", (int) Readmsgmx(child, 0, 256, mx), EINVAL);
    check_fails("Writemsgmx with 256 parts", (int) Writemsgmx(child, 0, 256, mx), EINVAL);
    check_fails("Replymx with 256 parts", Replymx(child, 256, mx), EINVAL);
    check("Readmsgmx without parts", Readmsgmx(child, 0, 0, 0), 0);
    check("Writemsgmx without parts", Writemsgmx(child, 0, 0, 0), 0);
    until_on(child, STATE_REPLY_BLOCKED, getpid());
    check("Readmsgmx with 255 parts of 3 bytes", Readmsgmx(child, 0, 255, mx), 3);
    check_bytes("the bytes", bytes, "abc", 3);
    bytes[0] = 's';
    check("Replymx after all that", Replymx(child, 255, mx), 0);
    good_end(child);
}

/* Three megabytes in three parts each way, read and written by pieces that lie across the client's parts. */
static void large_server(long unused)
{
    struct _mxfer_entry mx[3];
    char *spare = malloc(3 * MEG);
    pid_t from;
    int i;

    from = Receivemx(0, 0, 0);
    for (i = 0; i < 3; ++i)
        _setmx(&mx[i], spare + (2 - i) * (MEG - 5), MEG - 5);
    check("Readmsgmx at 15, backwards in memory", Readmsgmx(from, 15, 3, mx), 3 * MEG - 15);
    fill(large, 3 * MEG, 3);
    check_bytes("first part", spare + 2 * (MEG - 5), large + 15, MEG - 5);
    check_bytes("second part", spare + MEG - 5, large + 15 + MEG - 5, MEG - 5);
    check_bytes("third part", spare, large + 15 + 2 * (MEG - 5), MEG - 5);
    check("Writemsgmx at 15", Writemsgmx(from, 15, 3, mx), 3 * MEG - 15);
    check("Reply with the beginning", Reply(from, large, 15), 0);
    free(spare);
}

static void three_megabytes()
{
    struct _mxfer_entry smx[3], rmx[3];
    pid_t child = start(large_server, 0);
    int i;

    fill(large, 3 * MEG, 3);
    for (i = 0; i < 3; ++i) {
        _setmx(&smx[i], large + i * MEG, MEG);
        _setmx(&rmx[i], large_in + i * MEG, MEG);
    }
    check("Sendmx of 3 MB", Sendmx(child, 3, 3, smx, rmx), 0);
    check_bytes("3 MB came back", large_in, large, 3 * MEG);
    good_end(child);
}

main()
{
    static unsigned parts[] = { 1, 2, 3, 16, 100, 254, 255 };
    int i, n = sizeof(parts) / sizeof(parts[0]);

    for (i = 0; i < n; ++i) {
        round_trip(parts[i], parts[n - 1 - i]);
        round_trip(1, parts[i]);
        round_trip(parts[i], 1);
    }
    header_and_data();
    none_and_too_many();
    three_megabytes();
    return finish();
}
