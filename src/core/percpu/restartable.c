/* SPDX-License-Identifier: MIT */
/* The way of the sequences of <pawl/restartable.h> to the locked slots. */
#include "region.h"

#include <pawl/restartable.h>

int pawl_rs_turn_begin(struct pawl_percpu *pc, bool has_sequence, struct pawl_rs_turn *out)
{
    struct turn turn;
    int status = has_sequence ? pawl_turn_or_again(pc, &turn) : pawl_turn_begin(pc, &turn);

    if (status == 0)
        *out = (struct pawl_rs_turn){.lock = turn.lock, .slice = turn.slice, .slot = turn.slot};
    return status;
}

void pawl_rs_turn_end(const struct pawl_rs_turn *turn)
{
    pawl_turn_end(&(struct turn){.lock = turn->lock, .slice = turn->slice, .slot = turn->slot});
}
