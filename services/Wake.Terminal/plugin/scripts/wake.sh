#!/bin/sh
# Becomes wake: the one that `wake plugin install` was, else the one on PATH. Where there is none this ends with 0. It starts
# while claude does, which goes first.
trap 'exit 0' EXIT
[ -z "${BASH_VERSION:-}" ] || shopt -s execfail

here=${0%/*}
if ! { [ -r "$here/wake.path" ] && IFS= read -r wake <"$here/wake.path" && [ -x "$wake" ]; }; then
  wake=$(command -v wake 2>/dev/null) || exit 0
fi
command -v nice >/dev/null 2>&1 || exec "$wake" "$@"
exec nice -n 15 "$wake" "$@"
exit 0
