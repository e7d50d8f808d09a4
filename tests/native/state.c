/* state.c - the state word, exhaustively: what moves where, and that generations and ports survive it. */
#include <stdio.h>
#include <stdlib.h>

#include "srr.h"
#include "state.h"

#define CHECK(truth)                                                                                                   \
    do {                                                                                                               \
        if (!(truth)) {                                                                                                \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #truth);                                        \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static const struct {
    enum slot_state state, leaving, bereaved;
    int terminal, received, being_written;
} expected[] = {
    {SLOT_IDLE, SLOT_IDLE, SLOT_IDLE, 1, 0, 0},     {SLOT_SENT, SLOT_IDLE, SLOT_FAILN, 0, 0, 0},
    {SLOT_RECV, SLOT_IDLE, SLOT_FAILR, 0, 1, 0},    {SLOT_BUSY, SLOT_BUSYC, SLOT_FAILR, 0, 1, 1},
    {SLOT_BUSYC, SLOT_BUSYC, SLOT_FAILR, 0, 1, 1},  {SLOT_ASK, SLOT_IDLE, SLOT_FAILR, 0, 1, 0},
    {SLOT_GIVE, SLOT_BUSYC, SLOT_FAILR, 0, 1, 1},   {SLOT_DONE, SLOT_DONE, SLOT_DONE, 1, 1, 0},
    {SLOT_FAILN, SLOT_FAILN, SLOT_FAILN, 1, 0, 0},  {SLOT_FAILR, SLOT_FAILR, SLOT_FAILR, 1, 1, 0},
    {SLOT_RELAY, SLOT_RELAY, SLOT_RELAY, 1, 1, 0},
};

static void check_word(uint64_t generation, unsigned port)
{
    for (unsigned i = 0; i < sizeof expected / sizeof *expected; i++) {
        enum slot_state state = expected[i].state;
        uint64_t word = word_make(generation, port, state);
        CHECK(word_state(word) == state && word_port(word) == port);
        CHECK(word_generation(word) == (generation & (WORD_GENERATIONS - 1)));
        CHECK(word_leaving(word) == word_with(word, expected[i].leaving));
        CHECK(word_bereaved(word) == word_with(word, expected[i].bereaved));
        CHECK(word_same_transaction(word, word_with(word, SLOT_RECV)));
        CHECK(!word_same_transaction(word, word_next(word, port)));
        CHECK(state_is_terminal(state) == expected[i].terminal);
        CHECK(state_is_received(state) == expected[i].received);
        CHECK(state_is_being_written(state) == expected[i].being_written);
        uint64_t next = word_next(word, port);
        CHECK(word_state(next) == SLOT_SENT && word_generation(next) == ((generation + 1) & (WORD_GENERATIONS - 1)));
        /* the futex compares the low half: a new transaction must differ there */
        CHECK((uint32_t)next != (uint32_t)word_with(word, SLOT_SENT));
    }
}

int main(void)
{
    const uint64_t ends[] = {0, 1, (UINT64_C(1) << 28) - 1, UINT64_C(1) << 28, WORD_GENERATIONS - 3,
                             WORD_GENERATIONS - 2, WORD_GENERATIONS - 1, UINT64_MAX};
    for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++)
        for (unsigned port = 0; port < 1024; port++)
            check_word(ends[i], port);
    /* garbage in a slot must not make a sender wait for ever */
    for (unsigned state = SLOT_RELAY + 1; state < 16; state++)
        CHECK(state_is_terminal((enum slot_state)state) && word_leaving(state) == state);
    CHECK(SRR_SEND_BLOCKED == 1 && SRR_RECEIVE_BLOCKED == 2 && SRR_REPLY_BLOCKED == 3);
    return 0;
}
