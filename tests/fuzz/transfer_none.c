/* transfer_none.c - the broker without a transfer worker, for the fuzzer. */
#include <errno.h>

#include "transfer.h"

int transfer_start(void) { return -ENOTSUP; }
int32_t transfer_pid(void) { return 0; }
void transfer_watch(void) {}

int transfer_request(struct process *process, const struct request *request, uint64_t *ret_moved)
{
    (void)process;
    (void)request;
    (void)ret_moved;
    return -ENOTSUP;
}

void transfer_event(uint32_t which) { (void)which; }
int transfer_end(void) { return -1; }
int64_t transfer_patience(void) { return -1; }
void transfer_tick(void) {}
void transfer_process_gone(const struct process *process) { (void)process; }
void transfer_pair_gone(const struct pair *pair) { (void)pair; }
