// What to do about an error, by its code or else by its status.

const CONVERT = "Send a sound or video file: wav, flac, ogg, opus, mp3, m4a, webm or mp4.";
const DAMAGED = "The file is damaged or of another kind than its name says. Record or export it again.";
const LATER = "Wait a little and try again.";
const OTHERWISE = "Try again. If it happens again, tell whoever runs this service, with the request id.";

const BY_CODE = {
  answer_too_large: "Choose a longer hop under Options.",
  audit_unavailable: "Tell whoever runs this service: its audit log cannot be written.",
  body_missing: "The file has no content. Record again or choose another.",
  capacity_exceeded: "The service is busy with other recordings. Wait a little and try again.",
  codec_unsupported: "Convert the recording to wav, flac, mp3, opus or H.264 and try again.",
  columns_missing: "Export the table with OpenFace 2 again, with action units.",
  config_invalid: "Correct what is named above under Options, then try again.",
  container_unsupported: CONVERT,
  decoder_unavailable: LATER,
  denoiser_unavailable: "Try again without noise removal.",
  draining: "The service is being shut down or restarted. Try again when it is back; nothing of the recording was kept.",
  features_invalid: "Check that the table is one of action units, as OpenFace 2 writes it.",
  file_unreadable: "Choose the file again.",
  frame_too_large: "Make the video smaller, 1080p say, and try again.",
  idempotency_conflict: "Choose the file again.",
  inference_unavailable: "The model could not run just now. Wait a little and try again.",
  job_data_lost: "Send the recording again: the service has lost it.",
  job_not_found: "The service does not know this analysis any more. Send the recording again.",
  job_not_succeeded: "Send the recording again.",
  jobs_unavailable: "This service takes no long recordings now. Try later, or send a shorter part.",
  media_crashed_decoder: DAMAGED,
  media_empty: "The file has no content. Record again or choose another.",
  media_external_reference: "Export the recording as one file that holds everything itself.",
  media_inconsistent: DAMAGED,
  media_invalid: DAMAGED,
  media_too_long: "Cut the recording into shorter parts.",
  media_too_short: "Record at least a second of speech.",
  media_truncated: "The file is incomplete: copy or download it again.",
  model_not_found: "Choose another model under Options.",
  no_audio_stream: "There is no sound in this file. For a video, choose ‘Face’ under Options.",
  no_space: "The service has no room for the recording now. Tell whoever runs it, or try later.",
  no_video_stream: "There are no pictures in this file. Choose ‘Voice’ under Options.",
  rate_limited: "This key has used up its share for the moment. Wait and try again.",
  result_expired: "The result is deleted by now. Send the recording again.",
  sample_rate_unsupported: "Convert the recording to 16 kHz or 48 kHz and try again.",
  samples_not_finite: "The file holds samples that are no numbers. Export it again.",
  timestamps_invalid: "Enter the camera's frames a second under Options, then try again.",
  session_not_found: "Begin again: the service has forgotten the session. What had come is still in this tab.",
  stream_timeout: "Begin again. What had come is still in this tab.",
  too_many_channels: "Export the recording as mono or stereo and try again.",
  too_many_frames: "Cut the video into shorter parts, or lower its frame rate.",
  too_many_streams: "Export the recording with one picture and one sound track.",
  unauthenticated: "Enter an API key below. Whoever runs this service can give you one.",
};
const BY_STATUS = {
  0: "Check the connection and whether the service runs, then try again.",
  400: "Choose the file again. If it happens again, tell whoever runs this service.",
  401: "Enter an API key below. Whoever runs this service can give you one.",
  403: "Ask whoever runs this service for a key that may analyse.",
  404: "Load this page again: the service has changed.",
  405: "Load this page again: the service has changed.",
  406: "The service cannot make this format. Choose another.",
  408: "The connection is slow. Try again, or send a smaller file.",
  409: "Wait a little and try again.",
  410: "Send the recording again.",
  413: "Send a smaller or shorter file.",
  415: CONVERT,
  422: "Check the recording and the options, then try again.",
  421: "Open this page under the address that the service is set to answer, or ask whoever runs it to allow this one.",
  429: LATER,
  431: "Clear this site's data in the browser and try again.",
  502: "The service behind this address does not answer. Wait a little and try again.",
  503: "The service is busy or starting. Wait a little and try again.",
  504: "The work took too long. Send a shorter recording.",
  507: "The service has no room for the recording now. Tell whoever runs it, or try later.",
};

/** What to do about a problem with this code and status. */
export function adviceFor(code, status) {
  return BY_CODE[code] ?? BY_STATUS[status] ?? OTHERWISE;
}

/** Whether the same recording would fare better as a job, which may be larger, longer and slower. */
export function wouldFitAsJob(code) {
  return ["body_too_large", "media_too_long", "too_many_frames", "deadline_exceeded", "body_timeout"].includes(code);
}

/** Whether it makes sense to send the same again. */
export function mayBeRepeated(status) {
  return status !== 413 && status !== 415;
}
