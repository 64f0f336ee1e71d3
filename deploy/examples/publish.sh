#!/bin/sh
# Publishes what stands on standard input, one event or an array of them as JSON, over HTTP:
#
#   deploy/examples/publish.sh <deploy/examples/event.json
#
# Answers with what was decided about it. WAKE_URL says where Wake is, WAKE_API_KEY opens its door where it is locked.
set -eu
exec curl --fail-with-body --silent --show-error --data-binary @- \
  --header 'Content-Type: application/json' --header "Authorization: Bearer ${WAKE_API_KEY:-}" \
  "${WAKE_URL:-http://127.0.0.1:9253}/v1/events"
