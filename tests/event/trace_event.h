/* SPDX-License-Identifier: MIT */
/* Rounds of random calls that are written down: see trace_event.c. Each prints what it did and what came of it. */
#ifndef PAWL_TESTS_TRACE_EVENT_H
#define PAWL_TESTS_TRACE_EVENT_H

/* A random number from 0 to below - 1. */
int any(int below);
/* Buffers that are filled, emptied, searched and poured into each other. */
void play_buffers(void);
/* A bufferevent at one end of a socket, read(2) and write(2) at the other. */
void play_bufferevents(void);

#endif
