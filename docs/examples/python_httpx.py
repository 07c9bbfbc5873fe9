"""Judges the arousal and valence of a face with httpx alone.

Usage: python python_httpx.py ADDRESS VIDEO
"""

import os
import sys

import httpx

if len(sys.argv) != 3:
    sys.exit("Usage: python python_httpx.py ADDRESS VIDEO")
address, video = sys.argv[1:]
headers = {"authorization": f"Bearer {os.environ['EMOSERVE_KEY']}"} if "EMOSERVE_KEY" in os.environ else {}
try:
    with open(video, "rb") as file, httpx.Client(base_url=address, headers=headers, timeout=150) as client:
        response = client.post("/v1/video/affect", params={"include": "action_units"}, files={"file": file})
except httpx.HTTPError as error:
    sys.exit(f"The service gave no answer: {error}")
except OSError as error:
    sys.exit(f"The file {video} cannot be read: {error.strerror}.")
document = response.json()
if response.is_error:
    sys.exit(f"{document['code']}: {document['detail']}")
for name in ("arousal", "valence"):
    summary = document["summary"][name]
    print(name, "unknown" if summary is None else f"mean {summary['mean']:+.2f}, from {summary['min']:+.2f}")
smiles = [value for value in document["action_units"]["AU12"] if value is not None]  # null where no face was seen
print("smiles up to", max(smiles, default="unknown"))
print("flags:", ", ".join(document["flags"]) or "none")
