# SPDX-License-Identifier: MIT
# Completion of the pawl command for bash.

_pawl()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local command=${COMP_WORDS[1]}

    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "bench help rseq-check run tap topo version --help --version" -- "$current")
        return
    fi
    case $command in
    bench)
        if ((COMP_CWORD == 2)); then
            # The executable that the person types, not the first in PATH: it knows its own benchmarks.
            local names
            names=$("$1" bench --list 2>/dev/null)
            mapfile -t COMPREPLY < <(compgen -W "--all --help --list $names" -- "$current")
        else
            compopt -o default
        fi
        ;;
    help)
        ((COMP_CWORD == 2)) &&
            mapfile -t COMPREPLY < <(compgen -W "bench help rseq-check run tap topo version" -- "$current")
        ;;
    rseq-check)
        case $previous in
        --signature | -s) ;;
        *)
            if [[ $current == -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W "--allow-scratch --help --json --no-lines --quiet --signature --verbose" -- "$current")
            else
                compopt -o filenames
                mapfile -t COMPREPLY < <(compgen -f -- "$current")
            fi
            ;;
        esac
        ;;
    run)
        if [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "--hardened --help --leaks --profile --quiet" -- "$current")
        else
            compopt -o default
            mapfile -t COMPREPLY < <(compgen -c -- "$current")
        fi
        ;;
    tap)
        case $previous in
        --class | -C)
            mapfile -t COMPREPLY < <(compgen -W "vital important normal detail" -- "$current")
            ;;
        --kind | -k)
            mapfile -t COMPREPLY < <(compgen -W "get store delete touch evict expire open close line" -- "$current")
            ;;
        --grep | -g | --ring | -r | --max | -n | --seconds | --pid | -p | --slower | -s) ;;
        *)
            if [[ $current == -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W "--class --count --demo --follow --grep --help --json --kind --max --now --pid --ring --seconds --slower" -- "$current")
            else
                compopt -o filenames
                mapfile -t COMPREPLY < <(compgen -f -- "$current")
            fi
            ;;
        esac
        ;;
    topo)
        case $previous in
        --xml | -x)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            ;;
        --synthetic | -s) ;;
        *)
            mapfile -t COMPREPLY < <(compgen -W "--all --help --json --synthetic --xml" -- "$current")
            ;;
        esac
        ;;
    version)
        mapfile -t COMPREPLY < <(compgen -W "--help --json" -- "$current")
        ;;
    esac
}

complete -F _pawl pawl
