#!/bin/sh
# Drops what stands on standard input, one event or an array of them as JSON, into the spool folder of `wake up`, which need not
# run just now:
#
#   deploy/examples/drop.sh <deploy/examples/event.json
#
# The event needs neither an id nor a source here. WAKE_DATA names the data folder.
set -eu
data=${WAKE_DATA:-${XDG_DATA_HOME:-$HOME/.local/share}/wake}
draft=$(mktemp "$data/spool/event.XXXXXXXX")
cat >"$draft"
mv "$draft" "$draft.json"
