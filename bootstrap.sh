#!/bin/sh
# Makes .venv: finds a Python, finds or installs uv, and installs exactly what requirements.lock says.
# `make` calls it when pyproject.toml or requirements.lock changed; only uv's cache is outside of here.
# With --oldest, the same beside it for the oldest Python that is promised and found.
set -u
IFS='
'  # Paths may hold spaces; lists are lines.
cd "$(dirname "$0")" || exit 1
tools=.agentledger-tools

die() {
  echo "agentledger: $1" >&2
  exit 1
}

# Newest first. A name on PATH proves nothing (pyenv leaves shims for versions that are not
# chosen), so each one has to run and has to say its version.
pythons() {
  for version in 3.14 3.13 3.12 3.11; do
    for python in "python$version" "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}/versions/$version".*/bin/python3; do
      "$python" -c "
import sys
print(sys.executable) if '%d.%d' % sys.version_info[:2] == '$version' else sys.exit(1)" 2>/dev/null
    done
  done
}

# Older ones do not know the commands used here.
is_new_enough() {
  "$1" pip sync --help 2>/dev/null | grep -q -e --require-hashes
}

find_uv() {
  for uv in uv "$tools/uv/bin/uv" "${HOME:-/nonexistent}/.local/bin/uv"; do
    if is_new_enough "$uv"; then
      echo "$uv"
      return 0
    fi
  done
  return 1
}

install_uv() {
  echo "agentledger: installing uv into $tools/uv" >&2
  for python in $candidates; do
    rm -rf "$tools/uv"
    if "$python" -m venv "$tools/uv" >/dev/null 2>&1; then
      "$tools/uv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir 'uv>=0.8' >&2 ||
        die "pip could not install uv, see the lines above; is the package index reachable?"
      return 0
    fi
  done
  die "no Python here can make a virtual environment (on Debian and Ubuntu: apt-get install python3-venv), and uv is not installed."
}

candidates=$(pythons)
[ -n "$candidates" ] || die "needs Python 3.11 or newer, and none was found on PATH or under ~/.pyenv."
venv=.venv
chosen=$(echo "$candidates" | head -n 1)
if [ "${1:-}" = --oldest ]; then
  venv="$tools/oldest"
  chosen=$(echo "$candidates" | tail -n 1)
fi

# uv and pip want a cache; without a home that can be written, it goes beside the tools.
[ -w "${HOME:-/nonexistent}" ] || export UV_CACHE_DIR="$PWD/$tools/cache"
export UV_PYTHON_DOWNLOADS=never
# uv brings its own certificates; the machine's may know of a company's own authority.
system_certificates=/etc/ssl/certs/ca-certificates.crt
[ -n "${SSL_CERT_FILE:-}" ] || [ ! -r "$system_certificates" ] || export SSL_CERT_FILE="$system_certificates"

uv=$(find_uv) || { install_uv && uv=$(find_uv); } || die "the uv that was installed does not run."
{
  "$uv" venv --quiet --allow-existing --python "$chosen" "$venv" &&
    "$uv" pip sync --quiet --compile-bytecode --require-hashes --python "$venv/bin/python" requirements.lock &&
    "$uv" pip install --quiet --no-deps --no-build-isolation --python "$venv/bin/python" --editable .
} || die "uv could not install the locked packages, see the lines above; is the package index reachable?"
touch "$venv/.ready"
