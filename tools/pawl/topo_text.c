/* SPDX-License-Identifier: MIT */
/* The machine as a tree for people.
 *
 * hwloc's own tree has a level for every kind of object, so that on most machines a core hides
 * under three caches that nobody else uses. Here a line is a *unit that shares*: what is private to
 * a core stands on the core's line, and a cache gets its own line exactly when several cores hang
 * below it. On large machines runs of cores that look alike are one line, unless `all` is asked.
 */
#include "topo_text.h"
#include "machine.h"
#include "text.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_MAX = 512, LISTED_CPUS = 16 }; /* a machine of up to 16 CPUs is listed core by core */

struct tree {
    const struct machine *machine;
    bool fold; /* equal cores into one line */
    const char *tee;
    const char *elbow;
    const char *bar;
    char prefix[PREFIX_MAX]; /* the bars before the branch being printed */
};

static bool is_leaf(hwloc_obj_t object);

static const char *cache_suffix(hwloc_obj_t cache)
{
    switch (cache->attr->cache.type) {
    case HWLOC_OBJ_CACHE_DATA:
        return "d";
    case HWLOC_OBJ_CACHE_INSTRUCTION:
        return "i";
    default:
        return "";
    }
}

static void print_cache(hwloc_obj_t cache)
{
    char size[BYTES_TEXT_MAX];

    printf("L%u%s", cache->attr->cache.depth, cache_suffix(cache));
    if (cache->attr->cache.size > 0)
        printf(" %s", text_bytes(size, cache->attr->cache.size));
    else
        fputs(" (size unknown)", stdout);
}

/* Cores that differ in nothing but their numbers. */
static bool alike(hwloc_obj_t a, hwloc_obj_t b)
{
    if (a->type != b->type || a->arity != b->arity || a->memory_arity != b->memory_arity)
        return false;
    if (hwloc_obj_type_is_cache(a->type) &&
        (a->attr->cache.size != b->attr->cache.size || a->attr->cache.depth != b->attr->cache.depth))
        return false;
    for (unsigned i = 0; i < a->arity; i++)
        if (!alike(a->children[i], b->children[i]))
            return false;
    return true;
}

static bool has_only_threads(hwloc_obj_t core)
{
    for (unsigned i = 0; i < core->arity; i++)
        if (core->children[i]->type != HWLOC_OBJ_PU)
            return false;
    return true;
}

/* One core or lone CPU with the caches around it that nobody shares: one line. */
static bool is_leaf(hwloc_obj_t object)
{
    for (; object->memory_arity == 0; object = object->first_child) {
        if (object->type == HWLOC_OBJ_PU)
            return true;
        if (object->type == HWLOC_OBJ_CORE && has_only_threads(object))
            return true;
        if (object->arity != 1 || !hwloc_obj_type_is_cache(object->type))
            return false;
    }
    return false;
}

static hwloc_obj_t leaf_core(hwloc_obj_t leaf)
{
    while (hwloc_obj_type_is_cache(leaf->type))
        leaf = leaf->first_child;
    return leaf;
}

/* What this process may not use, when that is not everything. */
static void print_restriction(const struct tree *tree, hwloc_const_bitmap_t cpus)
{
    hwloc_const_bitmap_t allowed = tree->machine->kernel.cpus.allowed;
    hwloc_bitmap_t usable;

    if (!tree->machine->has_kernel || hwloc_bitmap_isincluded(cpus, allowed))
        return;
    if (!hwloc_bitmap_intersects(cpus, allowed)) {
        fputs("  [not allowed]", stdout);
        return;
    }
    usable = hwloc_bitmap_alloc();
    if (usable && hwloc_bitmap_and(usable, cpus, allowed) == 0) {
        fputs("  [allowed: ", stdout);
        text_set(usable);
        putchar(']');
    }
    hwloc_bitmap_free(usable);
}

/* Leaves first..last of one parent, which are alike. */
static void print_leaves(const struct tree *tree, hwloc_obj_t first, hwloc_obj_t last)
{
    bool many = first != last;
    hwloc_obj_t core = leaf_core(first);
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    const char *separator = many ? "  each: " : "  ";

    if (!cpus)
        return;
    for (hwloc_obj_t leaf = first;; leaf = leaf->next_sibling) {
        hwloc_bitmap_or(cpus, cpus, leaf->cpuset);
        if (leaf == last)
            break;
    }
    if (core->type == HWLOC_OBJ_CORE && many)
        printf("Cores %u-%u  ", core->logical_index, leaf_core(last)->logical_index);
    else if (core->type == HWLOC_OBJ_CORE)
        printf("Core %u  ", core->logical_index);
    fputs(hwloc_bitmap_weight(cpus) == 1 ? "CPU " : "CPUs ", stdout);
    text_set(cpus);
    if (many && core->arity > 1) {
        printf(" (%u a core, the first has ", core->arity);
        text_set(core->cpuset);
        putchar(')');
    }
    for (hwloc_obj_t cache = first; cache != core; cache = cache->first_child) {
        fputs(separator, stdout);
        print_cache(cache);
        separator = ", ";
    }
    print_restriction(tree, cpus);
    putchar('\n');
    hwloc_bitmap_free(cpus);
}

/* A NUMA node, or a memory-side cache with the node behind it. */
static void print_memory(const struct tree *tree, hwloc_obj_t memory)
{
    char size[BYTES_TEXT_MAX];
    uint64_t side_cache = 0;

    while (memory && memory->type == HWLOC_OBJ_MEMCACHE) {
        side_cache = memory->attr->cache.size;
        memory = memory->memory_first_child;
    }
    if (!memory)
        return;
    printf("NUMA node %u of %s", memory->os_index, text_bytes(size, memory->attr->numanode.local_memory));
    if (tree->machine->has_kernel) {
        int64_t free_bytes = node_free_bytes(memory->os_index, "");

        if (free_bytes >= 0)
            printf(" (%s free)", text_bytes(size, (uint64_t)free_bytes));
    }
    if (side_cache > 0)
        printf(", behind a memory-side cache of %s", text_bytes(size, side_cache));
    if (memory->subtype)
        printf(" (%s)", memory->subtype);
}

static void print_name(const struct tree *tree, hwloc_obj_t object)
{
    const char *model = NULL;

    if (object->type == HWLOC_OBJ_GROUP)
        printf("%s %u", object->subtype ? object->subtype : "Group", object->logical_index);
    else
        printf("%s %u", hwloc_obj_type_string(object->type), object->logical_index);
    if (object->type == HWLOC_OBJ_PACKAGE)
        model = machine_model(tree->machine, object);
    if (model)
        printf("  %s", model);
}

/* The label of a line that has branches. `object` is the outermost of a chain of caches shared by
 * the same CPUs. Returns the innermost, whose children are the branches. */
static hwloc_obj_t print_container(const struct tree *tree, hwloc_obj_t object)
{
    bool is_cache = hwloc_obj_type_is_cache(object->type);
    bool one_node = object->memory_arity == 1;
    unsigned cores = machine_count_inside(tree->machine, object->cpuset, HWLOC_OBJ_CORE);

    if (is_cache)
        print_cache(object);
    else if (object->type != HWLOC_OBJ_GROUP || object->subtype || !one_node)
        print_name(tree, object);
    if (one_node) {
        /* hwloc makes a nameless group to hang a node on: then the line is the node's. */
        fputs(object->type == HWLOC_OBJ_GROUP && !object->subtype ? "" : "  ", stdout);
        print_memory(tree, object->memory_first_child);
    }
    /* Several nodes need branches of their own, below this very object. */
    while (is_cache && object->memory_arity <= 1 && object->arity == 1 &&
           hwloc_obj_type_is_cache(object->first_child->type) && object->first_child->memory_arity == 0) {
        object = object->first_child;
        fputs(" + ", stdout);
        print_cache(object);
    }
    fputs(is_cache ? "  shared by " : "  ", stdout);
    if (cores > 0) {
        text_count(cores, "core", "cores");
        fputs(", ", stdout);
    }
    fputs(hwloc_bitmap_weight(object->cpuset) == 1 ? "CPU " : "CPUs ", stdout);
    text_set(object->cpuset);
    putchar('\n');
    return object;
}

static void print_branches(struct tree *tree, hwloc_obj_t object, bool with_memory);

/* Print the branch sign of one line; what hangs below it continues after `inner`. */
static size_t open_branch(struct tree *tree, bool last)
{
    size_t length = strlen(tree->prefix);

    fputs(tree->prefix, stdout);
    fputs(last ? tree->elbow : tree->tee, stdout);
    snprintf(tree->prefix + length, sizeof tree->prefix - length, "%s", last ? "   " : tree->bar);
    return length;
}

static void close_branch(struct tree *tree, size_t length)
{
    tree->prefix[length] = '\0';
}

/* The last of the leaves from `first` on that can share its line. */
static hwloc_obj_t end_of_run(const struct tree *tree, hwloc_obj_t first)
{
    hwloc_obj_t last = first;

    while (tree->fold && last->next_sibling && is_leaf(last->next_sibling) &&
           alike(first, last->next_sibling))
        last = last->next_sibling;
    return last;
}

static void print_branches(struct tree *tree, hwloc_obj_t object, bool with_memory)
{
    for (hwloc_obj_t node = with_memory ? object->memory_first_child : NULL; node;
         node = node->next_sibling) {
        size_t length = open_branch(tree, !node->next_sibling && object->arity == 0);

        print_memory(tree, node);
        putchar('\n');
        close_branch(tree, length);
    }
    for (hwloc_obj_t child = object->first_child; child; child = child->next_sibling) {
        bool leaf = is_leaf(child);
        hwloc_obj_t last = leaf ? end_of_run(tree, child) : child;
        size_t length = open_branch(tree, !last->next_sibling);

        if (leaf) {
            print_leaves(tree, child, last);
            child = last;
        } else {
            hwloc_obj_t inner = print_container(tree, child);

            print_branches(tree, inner, inner == child && child->memory_arity > 1);
        }
        close_branch(tree, length);
    }
}

static void print_headline(const struct machine *machine)
{
    char size[BYTES_TEXT_MAX];
    hwloc_obj_t root = hwloc_get_root_obj(machine->topology);
    unsigned packages = machine_count(machine, HWLOC_OBJ_PACKAGE);
    unsigned cores = machine_count(machine, HWLOC_OBJ_CORE);
    unsigned threads = machine_threads_per_core(machine);

    text_label("Machine");
    if (packages > 0) {
        text_count(packages, "package", "packages");
        fputs(", ", stdout);
    }
    if (cores > 0) {
        text_count(cores, "core", "cores");
        fputs(", ", stdout);
    }
    text_count(machine_count(machine, HWLOC_OBJ_PU), "CPU", "CPUs");
    if (threads > 1)
        printf(" (%u a core)", threads);
    fputs(", ", stdout);
    text_count(machine_count(machine, HWLOC_OBJ_NUMANODE), "NUMA node", "NUMA nodes");
    printf(", %s\n", text_bytes(size, root->total_memory));
}

static void print_distances(const struct hwloc_distances_s *distances)
{
    fputs("\nNUMA distances\n       ", stdout);
    for (unsigned to = 0; to < distances->nbobjs; to++)
        printf(" %5u", distances->objs[to]->os_index);
    putchar('\n');
    for (unsigned from = 0; from < distances->nbobjs; from++) {
        printf("  %5u", distances->objs[from]->os_index);
        for (unsigned to = 0; to < distances->nbobjs; to++)
            printf(" %5llu", (unsigned long long)distances->values[from * distances->nbobjs + to]);
        putchar('\n');
    }
}

/* Performance and efficiency cores, where the machine has both. */
static void print_kinds(const struct machine *machine)
{
    int kinds = hwloc_cpukinds_get_nr(machine->topology, 0);

    for (int kind = 0; kinds > 1 && kind < kinds; kind++) {
        hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
        int efficiency = -1;

        if (cpus && hwloc_cpukinds_get_info(machine->topology, (unsigned)kind, cpus, &efficiency, NULL, NULL,
                                            0) == 0) {
            text_label(kind == 0 ? "Core kinds" : "");
            text_set(cpus);
            if (efficiency >= 0)
                printf("  performance rank %d of %d", efficiency, kinds - 1);
            putchar('\n');
        }
        hwloc_bitmap_free(cpus);
    }
}

void topo_print_text(const struct machine *machine, bool all)
{
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    struct tree tree = {
        .machine = machine,
        .fold = !all && machine_count(machine, HWLOC_OBJ_PU) > LISTED_CPUS,
        .tee = utf8 ? "├─ " : "|- ",
        .elbow = utf8 ? "└─ " : "`- ",
        .bar = utf8 ? "│  " : "|  ",
    };

    print_headline(machine);
    print_branches(&tree, hwloc_get_root_obj(machine->topology), true);
    print_kinds(machine);
    if (machine->distances)
        print_distances(machine->distances);
    if (machine->has_kernel) {
        putchar('\n');
        topo_print_kernel(&machine->kernel);
    }
}
