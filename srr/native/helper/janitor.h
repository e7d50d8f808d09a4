/*
 * janitor.h - the thread that closes what others can have made slow to close.
 *
 * close() is not always short. The last descriptor of a memory file frees its memory (2 GiB: 0.3 s), a file with a
 * million record locks has them all looked through (0.4 s), a socket drops what lies unread in it, descriptors of such
 * files among them, and one that lingers waits. All of this others can bring about in what they share with us, and the
 * loop would stand still for everybody:
 *
 *     losing                                            ours
 *     attacker: sends a memory file of 2 GiB, closes    attacker: the same
 *               its own descriptor of it                broker:   hands its connection to the janitor, with the
 *     broker:   no request: closes it: 0.3 s                      datagram still in it
 *     others:   wait                                    janitor:  closes it: 0.3 s
 *                                                       others:   are served
 */
#ifndef SRR_HELPER_JANITOR_H
#define SRR_HELPER_JANITOR_H

#include <stdbool.h>
#include <stdint.h>

/* Before anybody is listened to; descriptors are below `files_most`, 65,536 at most. 0 or -errno. */
int janitor_start(uint32_t files_most);
void janitor_close(int fd);
bool janitor_has_closed(int fd); /* or is just doing it */

#endif
