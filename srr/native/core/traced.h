/*
 * traced.h - the times of a transaction, noted while somebody listens to the probe `done`.
 *
 * The sender decides, and says so in its slot (`traced`): then the receiver looks at the clock too, keeps what it
 * saw in its private memory, and tells it in the slot while the word is BUSY, as it does with the result. Nobody
 * listening costs a load of the semaphore, and one byte in a line that is written anyway.
 */
#ifndef SRR_TRACED_H
#define SRR_TRACED_H

#include <stdbool.h>
#include <sys/types.h>

#include "probes.h"
#include "wait.h"

struct conn;
struct iovec;
struct place;
struct srr_sent;
struct taken;

/* Of the Send that has a place. As in struct srr_done (event.h). */
struct traced {
    bool on;
    uint8_t legs;
    pid_t server, server_thread;
    uint64_t began_ns, published_ns, received_ns, replied_ns, woken_ns;
    uint64_t transfer_ns;
    uint64_t id; /* the transaction's */
};

static inline uint64_t now_if(bool wanted) { return __builtin_expect(wanted, 0) ? (uint64_t)now_ns() : 0; }

/* The sender's, in turn: Send begins; to this receiver (the next one, after a Relay); the result is there; Send
 * ends. */
static inline void traced_begin(struct traced *t)
{
    t->on = PROBE_WANTED(done);
    if (__builtin_expect(t->on, 0))
        *t = (struct traced){.on = true, .began_ns = (uint64_t)now_ns()};
}
void traced_next(struct traced *t, pid_t server);
void traced_woken(struct place *place);
void traced_done(struct place *place, const struct iovec *message, int parts, uint64_t nbytes,
                 const struct srr_sent *sent, int status);

/* The receiver's: since when bytes are being moved, 0: nobody wants to know; and that they were. */
static inline uint64_t transfer_begin(bool traced) { return now_if(traced || PROBE_WANTED(transfer)); }
void transfer_end(const struct conn *conn, struct taken *taken, uint64_t begun, int64_t nbytes, unsigned lane, bool write);

/* Where this thread called Send (side 0) or Reply (1) from: probe `frames`. */
void frames_tell(uint64_t id, unsigned side);

#endif
