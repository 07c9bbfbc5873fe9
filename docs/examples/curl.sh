#!/bin/sh
# Every call with curl. Usage: curl.sh ADDRESS RECORDING VIDEO TABLE     EMOSERVE_KEY=… where the service asks for a key
set -eu
address=$1 recording=$2 video=$3 table=$4

ask() {
  if [ -n "${EMOSERVE_KEY:-}" ]; then set -- --header "Authorization: Bearer $EMOSERVE_KEY" "$@"; fi
  curl --silent --show-error --fail-with-body "$@"
}

echo "-- is it ready?"
ask "$address/v2/health/ready"; echo

echo "-- emotion of a recording, a value for every window"
ask -F "file=@$recording" "$address/v1/audio/emotion?timeline=true"; echo

echo "-- the fast way: the file as the whole body, in a table"
ask --header "Content-Type: audio/wav" --header "Accept: text/csv" --data-binary "@$recording" "$address/v1/audio/emotion"

echo "-- a plot"
ask -F "file=@$recording" --header "Accept: image/png" --output emotion.png "$address/v1/audio/emotion"; echo emotion.png

echo "-- arousal and valence of a face, its action units, and why"
ask -F "file=@$video" "$address/v1/video/affect?include=action_units,attribution" --output affect.json; echo affect.json

echo "-- the same for a table by OpenFace or AVEC, as FHIR"
ask -F "file=@$table" --header "Accept: application/fhir+json" --output affect.fhir.json "$address/v1/action-units/affect"
echo affect.fhir.json
