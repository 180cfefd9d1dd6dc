#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Compile public headers the way a strict user does: each alone, each twice, and all together.
#
#   compile.sh COMPILER LANGUAGE STANDARD INCLUDE_FOLDER HEADER...
#
# Parts of headers (pawl/arch/ for one architecture, X_inline.h for the bodies of X.h) are not included
# by users and are reached through the others. Code is generated, not only parsed: inline assembly is
# checked by the assembler. Speaks TAP.
set -u

compiler=$1 language=$2 standard=$3 folder=$4
shift 4

headers=()
for header in "$@"; do
    header=pawl/${header##*/include/pawl/}
    [[ $header == pawl/arch/* || $header == *_inline.h ]] || headers+=("$header")
done

flags=(-x "$language" "-std=$standard" "-I$folder" -O1 -Wall -Wextra -Werror -Wshadow -Wundef
    -Wpedantic -Wconversion -Wcast-qual -Wcast-align -Wpointer-arith -Wwrite-strings -Wvla)
if [[ $language == c ]]; then
    flags+=(-Wstrict-prototypes -Wmissing-prototypes -Wc++-compat)
else
    flags+=(-Wnon-virtual-dtor -Woverloaded-virtual)
fi

number=0
check() {
    local promise=$1 output
    number=$((number + 1))
    if output=$("$compiler" "${flags[@]}" -c -o /dev/null - 2>&1); then
        echo "ok $number - $promise"
    else
        echo "not ok $number - $promise"
        printf '%s\n' "$output" | sed 's/^/# /'
        failed=1
    fi
}

include() {
    printf '#include <%s>\n' "$@"
}

failed=0
((${#headers[@]})) || { echo 'Bail out! no public header was named'; exit 1; }
echo "1..$((2 * ${#headers[@]} + 2))"
for header in "${headers[@]}"; do
    check "$header stands alone" < <(include "$header"; echo 'int a_unit_is_not_empty;')
    check "$header may be included twice" < <(include "$header" "$header"; echo 'int a_unit_is_not_empty;')
done
check 'all together' < <(include "${headers[@]}"; echo 'int a_unit_is_not_empty;')
mapfile -t reversed < <(printf '%s\n' "${headers[@]}" | sort -r)
check 'all together, the other way round' < <(include "${reversed[@]}"; echo 'int a_unit_is_not_empty;')
exit $failed
