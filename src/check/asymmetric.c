/* SPDX-License-Identifier: MIT */
/* Light and heavy fences (membarrier), for all models.
 *
 * Of a light fence L and a heavy one H either all that comes before L is visible to what comes after H, or all that
 * comes before H is visible to what comes after L. A fence is two nodes, what comes before it and what comes
 * after it; a heavy one leads from the first to the second, a light one does not. "What comes after x leads to what
 * comes before y" is given. Where one alternative of a pair would close a circle the other one holds;
 * when both would, the execution does not exist.
 *
 * (Pairs that are left open could exclude each other. That is not looked for: it would only take executions away.)
 */
#include "model.h"

enum { NODES = 2 * ASYMMETRIC_MAX };

static bool to[NODES][NODES]; /* transitively */

static int before(int fence)
{
    return 2 * fence;
}

static int after(int fence)
{
    return 2 * fence + 1;
}

static bool add(int nodes, int from, int target)
{
    if (to[from][target])
        return false;
    for (int a = 0; a < nodes; a++)
        for (int b = 0; (a == from || to[a][from]) && b < nodes; b++)
            to[a][b] |= b == target || to[target][b];
    return true;
}

/* One alternative of the pair is impossible: the other one. */
static bool forced(int nodes, int light, int heavy)
{
    bool changed = false;
    if (to[after(light)][before(heavy)])
        changed |= add(nodes, before(light), after(heavy));
    if (to[after(heavy)][before(light)])
        changed |= add(nodes, before(heavy), after(light));
    return changed;
}

bool asymmetric_consistent(int n, uint64_t heavy, const uint64_t leads[])
{
    int nodes = 2 * n;
    for (int a = 0; a < nodes; a++)
        for (int b = 0; b < nodes; b++)
            to[a][b] = false;
    for (int x = 0; x < n; x++) {
        if (heavy >> x & 1)
            add(nodes, before(x), after(x));
        for (int y = 0; y < n; y++)
            if (leads[x] >> y & 1)
                add(nodes, after(x), before(y));
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (int x = 0; x < n; x++)
            for (int y = 0; y < n && !(heavy >> x & 1); y++)
                if (heavy >> y & 1)
                    changed |= forced(nodes, x, y);
    }
    for (int a = 0; a < nodes; a++)
        if (to[a][a])
            return false;
    return true;
}
