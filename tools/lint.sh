#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Judge the source without running it.
#
#   tools/lint.sh BUILD [CHECK...]      checks: format tidy cppcheck shell house   (default: all)
#
# BUILD is a folder that is configured with clang and only read for its compile commands: what
# clang-tidy and cppcheck see is exactly what is compiled. The last line counts the checks.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

build=${1:?which build folder?}
shift
jobs=$(nproc)
folders=(include src tools bench tests examples apps bindings)

die() {
    printf 'tools/lint.sh: %s\n' "$1" >&2
    exit 2
}

existing() {
    local folder
    for folder in "${folders[@]}"; do
        [[ -d $folder ]] && printf '%s\n' "$folder"
    done
}
mapfile -t trees < <(existing)

# The files of the project: what git knows or would know; without git, what is there.
project_files() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard -- "$@" | while IFS= read -r file; do
            [[ -f $file ]] && printf '%s\n' "$file"
        done
    else
        find "$@" -type f | sed 's|^\./||'
    fi
}

c_files() {
    project_files "${trees[@]}" | grep -E '\.(c|h|cc|cpp|hpp)$'
}

scripts() {
    project_files . | while IFS= read -r file; do
        head -n 1 "$file" 2>/dev/null | grep -aqE '^#!.*\b(ba)?sh\b' && printf '%s\n' "$file"
    done
    true
}

compile_commands() {
    if [[ ! -f $build/compile_commands.json ]]; then
        CC=clang CXX=clang++ tools/setup.sh "$build" >"$build.log" 2>&1 || {
            cat "$build.log" >&2
            die "could not configure $build with clang"
        }
        rm -f "$build.log"
    fi
    # The list follows the meson.build files; ninja configures again if they are newer.
    ninja -C "$build" build.ninja >/dev/null || die "could not configure $build again"
    # A source of several targets is judged once: in the first of them.
    mkdir -p "$build/once"
    python3 - "$build" "$PWD" <<'END'
import json, os, sys
build, root = (os.path.realpath(path) for path in sys.argv[1:])
inside = lambda path, folder: path.startswith(folder + os.sep)
with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as stream:
    commands = json.load(stream)
once = {}
for command in commands:
    path = os.path.realpath(os.path.join(command["directory"], command["file"]))
    # Generated sources do not count, nor do those of other projects that a wrap may bring.
    foreign = inside(path, build) or inside(path, os.path.join(root, "subprojects"))
    if inside(path, root) and not foreign and not path.endswith(".S"):
        once.setdefault(path, command)
with open(os.path.join(build, "once", "compile_commands.json"), "w", encoding="utf-8") as stream:
    json.dump(list(once.values()), stream, indent=1)
END
}

check_format() {
    c_files | xargs -r -P "$jobs" -n 16 clang-format --dry-run -Werror --style=file
}

check_tidy() {
    compile_commands
    python3 -c 'import json, os, sys
for c in json.load(sys.stdin): print(os.path.realpath(os.path.join(c["directory"], c["file"])))' \
        <"$build/once/compile_commands.json" |
        xargs -r -P "$jobs" -n 1 clang-tidy --quiet -p "$build/once" 2>"$build/tidy.log"
    local status=$?
    grep -vE '^[0-9]+ warnings? (generated|treated as error)|^Suppressed|^Use -header-filter' "$build/tidy.log" >&2
    return $status
}

check_cppcheck() {
    compile_commands
    mkdir -p "$build/cppcheck"
    cppcheck -D__LP64__=1 --project="$build/once/compile_commands.json" --cppcheck-build-dir="$build/cppcheck" -j "$jobs" --quiet \
        --enable=warning,performance,portability --inline-suppr --suppressions-list=tools/cppcheck.suppress \
        --error-exitcode=1 --template=gcc
}

check_shell() {
    # SC2317: functions that are called by their names in a variable look unreachable to it.
    scripts | xargs -r shellcheck --external-sources --exclude=SC2317
}

# Rules of the house that no tool knows.
complain=0
forbid() {
    local why=$1 pattern=$2 found
    shift 2
    found=$(grep -nE "$pattern" "$@" /dev/null) || return 0
    printf '%s\n' "$found" | sed "s|\$|    <- $why|"
    complain=1
}

check_house() {
    complain=0
    local files=() sources=() product=() texts=()
    mapfile -t files < <(project_files .)
    mapfile -t sources < <(c_files)
    # Not what implements the atomics: atomic.h with its parts, the checker's own, and the macros of
    # restartable.h, which work on the plain fields of a user's struct.
    mapfile -t product < <(c_files | grep -E '^(include|src)/' | grep -vE '(^|/)atomic\.[ch]$|^include/pawl/(arch/|restartable\.h)|^src/check/')
    mapfile -t texts < <(printf '%s\n' "${files[@]}" | grep -vE '\.(svg|png|json)$|^LICENSE$')
    # The marks are spelled with brackets, so that this line does not find itself.
    forbid 'unfinished work belongs into an issue' '\b(TOD[O]|FIXM[E]|XX[X])\b' "${texts[@]}"
    forbid 'trailing blank' '[[:blank:]]+$' "${texts[@]}"
    forbid 'a tab' $'\t' "${sources[@]}"
    forbid 'atomics go through <pawl/atomic.h>, whose names say the order' \
        '#include <stdatomic\.h>|\b(atomic_(load|store|exchange|fetch_|compare_)|__atomic_|__sync_)' "${product[@]}"
    forbid 'a typedef that hides a struct' '^typedef struct' "${product[@]}"
    local file
    for file in "${files[@]}"; do
        case $file in
        *.c | *.h | *.cc | *.cpp | *.hpp | *.S | *.sh | *.build | Makefile)
            head -n 3 "$file" | grep -q 'SPDX-License-Identifier: MIT' || {
                echo "$file: no SPDX-License-Identifier: MIT in its first lines"
                complain=1
            }
            ;;
        esac
    done
    return $complain
}

known='format tidy cppcheck shell house'
read -ra checks <<<"${*:-$known}"
passed=0 failed=0
for check in "${checks[@]}"; do
    [[ " $known " == *" $check "* ]] || die "no check is named '$check'; there are: $known"
    start=$SECONDS
    if "check_$check"; then
        passed=$((passed + 1))
        printf 'ok      %-9s %3d s\n' "$check" $((SECONDS - start))
    else
        failed=$((failed + 1))
        printf 'FAILED  %-9s %3d s\n' "$check" $((SECONDS - start))
    fi
done
[[ -n ${PAWL_TEST_TOTALS-} ]] && echo "$passed $failed 0" >>"$PAWL_TEST_TOTALS"
echo "$passed passed, $failed failed"
((failed == 0))
