/* SPDX-License-Identifier: MIT */
/* Something to be done on a certain worker. */
#ifndef PAWL_RT_MESSAGE_H
#define PAWL_RT_MESSAGE_H

#include <pawl/mpsc.h>

struct pawl_worker;

/* Belongs to the worker from send or later until `run` is called. */
struct pawl_message {
    struct pawl_mpsc_node node;
    struct pawl_message *next; /* among those for the next turn */
    void (*run)(struct pawl_message *message, struct pawl_worker *worker);
};

#endif
