#!/bin/sh
# Makes every kind of call with curl.
# Usage: curl.sh ADDRESS [RECORDING VIDEO TABLE]
# Without files it makes its own by samples.py, for which PYTHON has to be the service's Python.
# EMOSERVE_KEY=… is the key of a service that asks for one. KEEP=FOLDER keeps the answers in FOLDER.
set -eu
if [ $# -ne 1 ] && [ $# -ne 4 ]; then echo "Usage: curl.sh ADDRESS [RECORDING VIDEO TABLE]" >&2; exit 2; fi
address=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ $# -eq 1 ]; then
  root=$(dirname "$0")/../..
  python=${PYTHON:-$root/.venv/bin/python}
  if ! "$python" "$root/docs/examples/samples.py" "$scratch"; then
    echo "The sample files need the service's Python: set PYTHON to it, or name a recording, a video and a table." >&2
    exit 1
  fi
  set -- "$address" "$scratch/talk.wav" "$scratch/talk.mp4" "$scratch/units.csv"
fi
recording=$2 video=$3 table=$4
for file in "$recording" "$video" "$table"; do
  if [ ! -r "$file" ]; then echo "The file $file cannot be read." >&2; exit 1; fi
done
answers=${KEEP:-$scratch}

ask() {
  if [ -n "${EMOSERVE_KEY:-}" ]; then set -- --header "Authorization: Bearer $EMOSERVE_KEY" "$@"; fi
  curl --silent --show-error --fail-with-body "$@"
}

# Asks for an answer that goes into the file $1, and tells its size; a refusal is shown.
save() {
  name=$1; shift
  ask --output "$answers/$name" "$@" || { cat "$answers/$name"; exit 1; }
  echo "$name: $(wc -c < "$answers/$name") bytes"
}

echo "-- is it ready?"
ask "$address/v2/health/ready"; echo

echo "-- emotion of a recording, with a value for every window"
ask -F "file=@$recording" "$address/v1/audio/emotion?timeline=true"; echo

echo "-- the same as a table; the file is the whole body, which is faster than a form"
ask --header "Content-Type: audio/wav" --header "Accept: text/csv" --data-binary "@$recording" "$address/v1/audio/emotion"

echo "-- a plot"
save emotion.png -F "file=@$recording" --header "Accept: image/png" "$address/v1/audio/emotion"

echo "-- arousal and valence of a face, with its action units and the share of each in the answer"
save affect.json -F "file=@$video" "$address/v1/video/affect?include=action_units,attribution"

echo "-- the same for a table by OpenFace or AVEC, as FHIR"
save affect.fhir.json -F "file=@$table" --header "Accept: application/fhir+json" "$address/v1/action-units/affect"
