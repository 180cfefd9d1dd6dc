/* SPDX-License-Identifier: MIT */
#include <pawl/hlist.h>

PAWL_STATIC_ASSERT(sizeof(struct pawl_hlist_head) == 8 && sizeof(struct pawl_hlist_node) == 16,
                   "the sizes that the header promises");

extern inline void pawl_hlist_node_init(struct pawl_hlist_node *node);
extern inline struct pawl_hlist_node *pawl_hlist_first(const struct pawl_hlist_head *head);
extern inline struct pawl_hlist_node *pawl_hlist_next(const struct pawl_hlist_node *node);
extern inline bool pawl_hlist_empty(const struct pawl_hlist_head *head);
extern inline void *pawl_hlist_object_(struct pawl_hlist_node *node, size_t offset);
extern inline bool pawl_hlist_linked(const struct pawl_hlist_node *node);
extern inline void pawl_hlist_link_(struct pawl_hlist_node *node,
                                    PAWL_ATOMIC(struct pawl_hlist_node *) * link);
extern inline void pawl_hlist_add(struct pawl_hlist_head *head, struct pawl_hlist_node *node);
extern inline void pawl_hlist_add_behind(struct pawl_hlist_node *linked, struct pawl_hlist_node *node);
extern inline void pawl_hlist_add_before(struct pawl_hlist_node *linked, struct pawl_hlist_node *node);
extern inline void pawl_hlist_del(struct pawl_hlist_node *node);
extern inline void pawl_hlist_replace(struct pawl_hlist_node *node, struct pawl_hlist_node *fresh);
