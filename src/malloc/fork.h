/* SPDX-License-Identifier: MIT */
/* fork() in a process with threads: the child gets a heap that nobody was just changing.
 *
 * All locks are taken before the fork, in the order in which nested ones are taken, and let go after it on
 * both sides. The fast paths need nothing: a sequence has one commit, so a cache is whole at every
 * instant. What another thread had just taken out of a cache and not handed on stays unused in the child. */
#ifndef PAWL_MALLOC_FORK_H
#define PAWL_MALLOC_FORK_H

void pawl_fork_watch_(void);

#endif
