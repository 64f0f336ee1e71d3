#!/bin/sh
# Becomes wake: the one that `wake plugin install` was, else the one on PATH. Where there is none this ends with 0.
trap 'exit 0' EXIT
[ -z "${BASH_VERSION:-}" ] || shopt -s execfail

here=${0%/*}
if [ -r "$here/wake.path" ] && IFS= read -r wake <"$here/wake.path" && [ -x "$wake" ]; then
  exec "$wake" "$@"
fi
if command -v wake >/dev/null 2>&1; then
  exec wake "$@"
fi
exit 0
