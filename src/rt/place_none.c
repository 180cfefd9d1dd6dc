/* SPDX-License-Identifier: MIT */
/* Built without hwloc: nothing is known of the machine, all CPUs are as near. */
#include "place.h"

#include <stddef.h>

struct hwloc_topology *pawl_place_machine_(void)
{
    return NULL;
}

void pawl_place_look_(struct pawl_site *site, struct hwloc_topology *topology)
{
    (void)site;
    (void)topology;
}
