# Set-up shared by scripts/run and scripts/test; sourced, not run.
#
#   prepare run     what the server needs
#   prepare test    that and the development tools
#
# A stamp in .venv names what was set up: while it fits, `prepare` does nothing.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv

RUN_PACKAGES=(python3 python3-tdb python3-venv)
TEST_PACKAGES=(acl attr btrfs-progs iproute2 iptables procps samba samba-testsuite samba-vfs-modules smbclient strace tdb-tools xfsprogs)

say() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

die() {
    say "$*"
    exit 1
}

prepare() {
    local kind=$1 stamp
    stamp=$(wanted_stamp)
    # A set-up for tests does for running, too.
    if [[ -f $VENV/.stamp-$kind && $(<"$VENV/.stamp-$kind") == "$stamp" ]] ||
        [[ -f $VENV/.stamp-test && $(<"$VENV/.stamp-test") == "$stamp" ]]; then
        return
    fi
    command -v dpkg-query >/dev/null || die "there is no dpkg: pysmbd is for Debian 12 or a relative of it"
    local packages=("${RUN_PACKAGES[@]}") extra=
    if [[ $kind == test ]]; then
        packages+=("${TEST_PACKAGES[@]}")
        extra='[dev]'
    fi
    install_packages "${packages[@]}"
    make_venv "$extra"
    printf '%s' "$stamp" >"$VENV/.stamp-$kind"
}

# What the set-up depends on: the requirements, the interpreter, and the place, which the scripts in .venv/bin contain.
wanted_stamp() {
    {
        printf '%s\n' "$ROOT"
        /usr/bin/python3 --version 2>&1 || true
        cat "$ROOT/setup.cfg" "$ROOT/scripts/setup.bash"
    } | sha256sum | cut -d' ' -f1
}

install_packages() {
    local package missing=()
    for package; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) == installed ]] ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    local as_root=()
    if ((EUID)); then
        command -v sudo >/dev/null ||
            die "Debian packages are missing, and there is no sudo. As root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    "${as_root[@]}" bash -euo pipefail -c "$INSTALL_QUIETLY" bash "${missing[@]}" >&2
}

# Debian starts the daemons of a package (Samba's among them) once it is installed. policy-rc.d is the way to say no.
# shellcheck disable=SC2016
INSTALL_QUIETLY='
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    trap "rm -f $policy" EXIT
    printf "#!/bin/sh\nexit 101\n" >"$policy"
    chmod 755 "$policy"
fi
apt-get update -q
apt-get install -q -y --no-install-recommends "$@"
'

make_venv() {
    local extra=$1
    # One made elsewhere, or by another Python, cannot be repaired.
    if [[ -d $VENV ]] && ! "$VENV/bin/python" -c "import sys; sys.exit(sys.prefix != '$VENV')" 2>/dev/null; then
        rm -rf "$VENV"
    fi
    if [[ ! -x $VENV/bin/pip ]]; then
        say "making $VENV"
        # The tdb module is a Debian package, hence the system's packages; what setup.cfg asks for in a later version
        # than Debian has is installed over it.
        /usr/bin/python3 -m venv --system-site-packages "$VENV"
    fi
    say "installing pysmbd$extra"
    (cd "$ROOT" && "$VENV/bin/python" -m pip install -q --disable-pip-version-check --no-input -e ".$extra" >&2)
    "$VENV/bin/python" - <<'PYTHON' || die "the installation in $VENV is incomplete: remove it and try again"
import tdb
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
assert hasattr(AESGCM, "encrypt_into"), "cryptography is older than setup.cfg asks for"
PYTHON
}
