#!/usr/bin/env bash
# Installs what building, running or testing fsx needs and this machine lacks, and nothing else.
#
#   pkg/setup.sh run     a C and a C++ compiler (Luau and SQLite are built from source)
#   pkg/setup.sh test    the same, and the outside programs that the tests drive
#
# It uses apt or dnf, as root or through sudo without a password. Where it may not install, it says
# what is missing and how to get it, and exits 1. FSX_INSTALL=no forbids it to install.
set -euo pipefail

want=${1:-run}
rust_needed=1.94 # rust-version in Cargo.toml; sqlx asks for it.

say() { printf 'setup: %s\n' "$*" >&2; }
# A program, not a word of the shell's own (kill is both).
have() { type -P "$1" >/dev/null; }
# Debian keeps daemons outside the path of ordinary users.
PATH=$PATH:/usr/sbin:/sbin:/usr/libexec

# --- What is wanted: program | Debian package | EL package | what for ---------------------------
wanted=(
    'cc|gcc libc6-dev|gcc|building SQLite and the modules'"'"' C shims'
    'c++|g++|gcc-c++|building Luau'
)
case $want in
run) ;;
test)
    wanted+=(
        'mariadbd|mariadb-server-core|mariadb-server|tests of the MariaDB feed'
        'mariadb-install-db|mariadb-server-core|mariadb-server|tests of the MariaDB feed'
        'my_print_defaults|mariadb-client-core|mariadb-server|tests of the MariaDB feed'
        'mariadb|mariadb-client-core|mariadb|tests of the MariaDB feed'
        'sipp|sip-tester|sipp|scenarios with real switches'
        'sqlite3|sqlite3|sqlite|tests that look into the embedded database'
        'kill|procps|procps-ng|tests that stop what they started'
        'curl|curl|curl|tests of the HTTP answers'
        'xmllint|libxml2-utils|libxml2|tests of the XML answers'
        'faketime|faketime|libfaketime|the scenario in which the clock is stepped'
    )
    ;;
*)
    echo 'usage: pkg/setup.sh run|test' >&2
    exit 2
    ;;
esac

# --- Rust is asked for, never installed: how is the owner's choice ------------------------------
if ! have cargo; then
    say "no Rust toolchain found. fsx needs Rust $rust_needed or newer: https://rustup.rs"
    exit 1
fi
rust=$(rustc --version | awk '{print $2}')
if [ "$(printf '%s\n%s\n' "$rust_needed" "$rust" | sort -V | head -n1)" != "$rust_needed" ]; then
    say "Rust $rust found, $rust_needed or newer is needed (rustup update)"
    exit 1
fi

# --- What is missing ----------------------------------------------------------------------------
missing=()
apt_packages=()
dnf_packages=()
for line in "${wanted[@]}"; do
    IFS='|' read -r program apt dnf purpose <<<"$line"
    have "$program" && continue
    missing+=("$program ($purpose)")
    read -ra words <<<"$apt" && apt_packages+=("${words[@]}")
    read -ra words <<<"$dnf" && dnf_packages+=("${words[@]}")
done
# A Python event-socket library for one scenario, in an environment of its own. Nobody is stopped for
# want of it: the scenario says SKIPPED.
outside_client() {
    local place="${FSX_TARGET_DIR:-target}/python-esl"
    [ "$want" = test ] && [ ! -x "$place/bin/python" ] || return 0
    [ "${FSX_INSTALL:-yes}" != no ] && have python3 || return 0
    if python3 -m venv "$place" >/dev/null 2>&1 &&
        "$place/bin/pip" install --quiet --disable-pip-version-check greenswitch==0.0.19 >/dev/null 2>&1; then
        say "greenswitch is in $place"
    else
        rm -rf "$place"
        say 'no Python event-socket library could be installed; its scenario is skipped'
    fi
}
outside_client

[ ${#missing[@]} -eq 0 ] && exit 0

unique() { printf '%s\n' "$@" | sort -u | tr '\n' ' '; }
if have apt-get; then
    command="apt-get install --yes --no-install-recommends $(unique "${apt_packages[@]}")"
elif have dnf; then
    command="dnf install --assumeyes $(unique "${dnf_packages[@]}")"
else
    say 'neither apt nor dnf found; please install these yourself:'
    printf '  %s\n' "${missing[@]}" >&2
    exit 1
fi

say 'missing:'
printf '  %s\n' "${missing[@]}" >&2

if [ "$(id -u)" -eq 0 ]; then
    as_root=()
elif have sudo && sudo -n true 2>/dev/null; then
    as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive)
else
    as_root=(false)
fi
if [ "${FSX_INSTALL:-yes}" = no ] || [ "${as_root[*]-}" = false ]; then
    say 'not installing (not root, no sudo without a password, or FSX_INSTALL=no). As root, run:'
    printf '  %s\n' "$command" >&2
    exit 1
fi

# --- Install ------------------------------------------------------------------------------------
export DEBIAN_FRONTEND=noninteractive
say "$command"
read -ra words <<<"$command"
if have apt-get; then
    # A fresh machine has no package lists, and old ones name packages that are gone.
    "${as_root[@]}" apt-get update -qq </dev/null ||
        say 'apt-get update failed; going on with the lists at hand'
fi
if ! "${as_root[@]}" "${words[@]}" </dev/null >&2; then
    say "the command above failed. On Enterprise Linux, sipp and libfaketime come from EPEL: dnf install epel-release"
    exit 1
fi
for line in "${wanted[@]}"; do
    IFS='|' read -r program _ _ purpose <<<"$line"
    have "$program" || { say "$program is still missing ($purpose)"; exit 1; }
done
