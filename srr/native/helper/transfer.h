/*
 * transfer.h - what the broker knows of the transfer worker.
 */
#ifndef SRR_TRANSFER_H
#define SRR_TRANSFER_H

#include "broker.h"

/* Before privileges are dropped and before the broker has anything: forks the spawner. Its socket or -errno. */
int transfer_start(void);
/* Whom to name to Yama: the workers' parent. 0: none. */
int32_t transfer_pid(void);
/* A pipe that hangs up when the spawner and all workers are dead. -1: there have never been any. */
int transfer_end(void);
/* Afterwards, when there is a loop. */
void transfer_watch(void);

#define TRANSFER_LATER 1
/*
 * LEND, REVOKE and MOVE of a process that has joined: 0 or a negative errno to answer, with *ret_moved; or
 * TRANSFER_LATER.
 */
int transfer_request(struct process *process, const struct request *request, uint64_t *ret_moved);
/* An event of one of its descriptors: what its epoll data said below EVENT_TRANSFER. */
void transfer_event(uint32_t which);
/* ns until it wants to be called, -1: never; and that call. */
int64_t transfer_patience(void);
void transfer_tick(void);
void transfer_process_gone(const struct process *process); /* before its pairs */
void transfer_pair_gone(const struct pair *pair);

#endif
