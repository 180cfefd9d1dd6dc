#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The allocator in a static program, and in one that links the shared library. Speaks TAP.
#
#   static.sh CC SOURCE_ROOT STATIC_LIBRARY SHARED_LIBRARY
set -u

cc=$1 root=$2 archive=$3 shared=$(realpath "$4")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

cat >"$work/p.c" <<'END'
#include <pawl/malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static void *work(void *u)
{
    for (int i = 0; i < 20000; i++) { char *p = malloc(i % 3000); if (!p) abort(); p[0] = 1; free(p); }
    return u;
}
int main(void)
{
    struct pawl_malloc_stats s;
    pthread_t t[3];
    char *p = strdup("ours");
    for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, work, NULL);
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    pid_t child = fork();
    int status = 0;
    if (child == 0) { work(NULL); _exit(0); }
    waitpid(child, &status, 0);
    pawl_malloc_get_stats(&s);
    if (s.used == 0 || status != 0) return 1;
    printf("%s, mode %s\n", p, s.mode);
    free(p);
    return 0;
}
END

promise() { # NUMBER SENTENCE STATUS
    if (($3 == 0)); then
        echo "ok $1 - $2"
    else
        echo "not ok $1 - $2"
        sed 's/^/# /' "$work/said"
        failed=1
    fi
}

"$cc" -O2 -I"$root/include" "$work/p.c" "$archive" -static -pthread -o "$work/static" >"$work/said" 2>&1 &&
    "$work/static" >>"$work/said" 2>&1 && grep -q ours "$work/said"
promise 1 'a static program' $?
# The libc's own malloc must not be in it, too.
nm "$work/static" 2>/dev/null | grep -c ' [tTW] _int_malloc$' >"$work/said"
[[ $(cat "$work/said") == 0 ]]
promise 2 'the libc its malloc stays out of it' $?
"$cc" -O2 -I"$root/include" "$work/p.c" "$shared" -Wl,-rpath,"$(dirname "$shared")" -pthread -o "$work/dynamic" \
    >"$work/said" 2>&1 && "$work/dynamic" >>"$work/said" 2>&1 && grep -q ours "$work/said"
promise 3 'a program that links the shared library' $?
# Names: the family, and pawl_ alone.
nm -g --defined-only "$archive" 2>/dev/null | awk 'NF == 3 {print $3}' |
    grep -vE '^(pawl_|_Z(n|d)|malloc|free|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|memalign|p?valloc|mallinfo|mallopt)' \
        >"$work/said"
[[ ! -s $work/said ]]
promise 4 'no other global names' $?
echo 1..4
exit $failed
