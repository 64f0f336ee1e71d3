#!/bin/sh
# Publishes what stands on standard input, one event or an array of them as JSON, over HTTP:
#
#   deploy/examples/publish.sh <deploy/examples/event.json
#
# Answers with what was decided about it. WAKE_URL says where Wake is, WAKE_API_KEY opens its door; without it, of a Wake on this
# machine, the token in its data folder (WAKE_DATA). It goes by a file descriptor, because everybody on a machine reads command lines.
set -eu
case ${WAKE_API_KEY:+given}${WAKE_URL:-http://127.0.0.1} in
  http://127.0.0.1*|http://localhost*)
    if [ "${XDG_DATA_HOME:-}" ]; then data=$XDG_DATA_HOME/wake
    elif [ "$(id -u)" = 0 ]; then data=/var/lib/wake
    else data=$HOME/.local/share/wake; fi
    WAKE_API_KEY=$(cat "${WAKE_DATA:-$data}/token" 2>/dev/null || true) ;;
esac
exec curl --fail-with-body --silent --show-error --data-binary @- \
  --header 'Content-Type: application/json' --header @/dev/fd/3 \
  "${WAKE_URL:-http://127.0.0.1:9253}/v1/events" 3<<EOF
${WAKE_API_KEY:+Authorization: Bearer $WAKE_API_KEY}
EOF
