#!/bin/sh
# Publishes what stands on standard input, one event or an array of them as JSON, over HTTP:
#
#   deploy/examples/publish.sh <deploy/examples/event.json
#
# Answers with what was decided about it. WAKE_URL says where Wake is, WAKE_API_KEY opens its door where it is locked; it goes
# by a file descriptor, because everybody on a machine reads command lines.
set -eu
exec curl --fail-with-body --silent --show-error --data-binary @- \
  --header 'Content-Type: application/json' --header @/dev/fd/3 \
  "${WAKE_URL:-http://127.0.0.1:9253}/v1/events" 3<<EOF
${WAKE_API_KEY:+Authorization: Bearer $WAKE_API_KEY}
EOF
