/* SPDX-License-Identifier: MIT */
/* Objects of one type on spans of their own, which all go at once. */
#include <pawl/slab.h>

#include <inttypes.h>
#include <stdio.h>

struct order {
    uint64_t number;
    double price;
    char customer[112];
};

int main(void)
{
    const struct pawl_slab_options options = PAWL_SLAB_OF(struct order);
    struct pawl_slab *orders = pawl_slab_open(&options);
    struct pawl_slab_stats stats;

    if (orders == NULL)
        return perror("pawl_slab_open"), 1;
    for (uint64_t n = 0; n < 1000; n++) {
        struct order *order = pawl_slab_alloc(orders);

        if (order == NULL)
            return perror("pawl_slab_alloc"), 1;
        *order = (struct order){.number = n, .price = 9.5};
        if (n % 4 == 0)
            pawl_slab_free(orders, order);
    }
    pawl_slab_get_stats(orders, &stats);
    printf("%" PRIu64 " orders of %zu bytes in %" PRIu64 " spans\n", stats.used, stats.object_bytes,
           stats.spans);
    printf("%" PRId64 " were not given back; now they are\n", pawl_slab_close(orders));
    return 0;
}
