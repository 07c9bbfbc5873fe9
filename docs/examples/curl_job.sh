#!/bin/sh
# Judges a long recording as a job.
# Usage: curl_job.sh ADDRESS RECORDING
# EMOSERVE_KEY=… is the key of a service that asks for one.
set -eu
if [ $# -ne 2 ]; then echo "Usage: curl_job.sh ADDRESS RECORDING" >&2; exit 2; fi
address=$1 recording=$2
if [ ! -r "$recording" ]; then echo "The file $recording cannot be read." >&2; exit 1; fi

ask() {
  if [ -n "${EMOSERVE_KEY:-}" ]; then set -- --header "Authorization: Bearer $EMOSERVE_KEY" "$@"; fi
  curl --silent --show-error --fail-with-body "$@"
}

echo "-- submit the job"
job=$(ask --upload-file "$recording" --request POST --header "Content-Type: audio/wav" --output /dev/null \
  --write-out '%header{location}' "$address/v1/jobs/audio-emotion?timeline=true")

echo "-- follow its events until it ends"
ask --no-buffer "$address$job/events"

echo "-- get the result as a table, then delete it"
ask --header "Accept: text/csv" "$address$job/result"
ask --request DELETE "$address$job"

echo "-- events of a call without a job"
ask --no-buffer --header "Accept: text/event-stream" --header "Content-Type: audio/wav" --data-binary "@$recording" \
  "$address/v1/audio/emotion"
