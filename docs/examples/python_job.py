"""A long recording as a job, with its progress (``pip install ./client``).

Usage: python python_job.py ADDRESS RECORDING
"""

import os
import sys

from emoserve_client import Emoserve, JobState, Problem, ServiceUnreachable

address, recording = sys.argv[1:]
with Emoserve(address, api_key=os.environ.get("EMOSERVE_KEY")) as emoserve:
    try:
        job = emoserve.submit_audio_emotion(recording, timeline=True)
        for event in emoserve.job_events(job.id):
            print(f"{event.progress:.0%}", flush=True)
        job = emoserve.job(job.id)
        if job.state is not JobState.SUCCEEDED:
            sys.exit(f"{job.state.value}: {job.problem and job.problem['code']}")
        print(emoserve.audio_emotion_result(job.id).emotion)
        emoserve.cancel(job.id)  # the service forgets the result
    except Problem as problem:
        sys.exit(f"{problem.code}: {problem.detail}")
    except ServiceUnreachable as error:
        sys.exit(f"no answer: {error}")
