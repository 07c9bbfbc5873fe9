#!/bin/sh
# A long recording as a job. Usage: curl_job.sh ADDRESS RECORDING      EMOSERVE_KEY=… where the service asks for a key
set -eu
address=$1 recording=$2

ask() {
  if [ -n "${EMOSERVE_KEY:-}" ]; then set -- --header "Authorization: Bearer $EMOSERVE_KEY" "$@"; fi
  curl --silent --show-error --fail-with-body "$@"
}

echo "-- hand it in"
job=$(ask --upload-file "$recording" --request POST --header "Content-Type: audio/wav" --output /dev/null \
  --write-out '%header{location}' "$address/v1/jobs/audio-emotion?timeline=true")

echo "-- watch it to its end"
ask --no-buffer "$address$job/events"

echo "-- the result as a table, then have it deleted"
ask --header "Accept: text/csv" "$address$job/result"
ask --request DELETE "$address$job"

echo "-- events of a call without a job"
ask --no-buffer --header "Accept: text/event-stream" --header "Content-Type: audio/wav" --data-binary "@$recording" \
  "$address/v1/audio/emotion"
