// Types of answers and parameters, made by generate.py from /openapi.json of the service. Do not edit.

/** Statistics of the whole recording; null where no face is known. */
export interface AffectSummary {
  arousal: SeriesSummary | null;
  valence: SeriesSummary | null;
}

/** Ten values a second in each column, all of one length. */
export interface AffectTimeline {
  /** seconds */
  time_s: number[];
  /** −1…1; null where no face is known */
  arousal: (number | null)[];
  /** −1…1; null where no face is known */
  valence: (number | null)[];
  /**
   * half of the value's 95 % interval over refits of the model, which is no distance from what raters say; null of a
   * model that tells none
   */
  arousal_uncertainty?: (number | null)[] | null;
  /**
   * half of the value's 95 % interval over refits of the model, which is no distance from what raters say; null of a
   * model that tells none
   */
  valence_uncertainty?: (number | null)[] | null;
  /** 0…1 */
  face_confidence: (number | null)[];
  /** 1 where somebody speaks; null without sound, and at steps where the sound has a gap */
  speech: (number | null)[] | null;
}

/** Weights that gave the answer. */
export interface AnsweringModel {
  name: string;
  version: string;
  sha256: string;
  licence: string;
  /** execution provider of ONNX Runtime */
  provider?: string | null;
}

/**
 * Contribution of each input to the answer, as its deviation from a face at rest: all cells of one target and its
 * baseline add up to its mean before clipping.
 */
export interface AttributionAnswer {
  /** the rows */
  features: string[];
  /** the columns: seconds relative to the answer */
  lags_s: number[];
  arousal: number[][];
  valence: number[][];
  /** sums over the lags */
  arousal_by_feature: number[];
  /** sums over the lags */
  valence_by_feature: number[];
  /** what the model answers to a face at rest */
  arousal_baseline: number;
  /** likewise */
  valence_baseline: number;
  moments: MomentsAnswer;
}

/** Answer of ``POST /v1/audio/embedding``; with several channels ``embedding`` is their mean. */
export interface AudioEmbeddingAnswer {
  /** one row a window, in the order of the timeline; null where the window is silent */
  embedding: (number[] | null)[];
  /** remarks on the answer; `GET /v1/flags` lists all */
  flags: Flag[];
  request_id: string;
  media: Media;
  model: AnsweringModel;
  /** length of a row */
  dimensions: number;
  timeline: WindowTimes;
  /** with denoise=true: the model that removed the noise */
  denoiser?: AnsweringModel | null;
  /** with channel=each */
  channels?: EmbeddedChannel[] | null;
}

/** Answer of ``POST /v1/audio/emotion``. */
export interface AudioEmotionAnswer {
  /** one for each label; null where there is nothing to judge; empty of a model without classes */
  probabilities: number[] | null;
  /** the same by label */
  by_label?: Record<string, number> | null;
  /** the most probable label; null without speech or classes */
  emotion: string | null;
  /** labels that hold the right one at `coverage`, the most probable first */
  plausible?: string[] | null;
  /** −1…1; null where the model has none */
  arousal: number | null;
  /** −1…1; null where the model has none */
  valence: number | null;
  /** −1…1; only of models that have it */
  dominance?: number | null;
  /** with timeline=true */
  timeline?: AudioTimeline | null;
  /** with segments=true; with channel=each in the entries of channels alone */
  segments?: Segments | null;
  /** with voice_activity=true */
  voice_activity?: VoiceActivitySteps | null;
  /** with speakers: each voice, in order of turns */
  speakers?: SpeakerJudgement[] | null;
  /** with speakers: who speaks when */
  turns?: SpeakerTurns | null;
  /** remarks on the answer; `GET /v1/flags` lists all */
  flags: Flag[];
  request_id: string;
  media: Media;
  model: AnsweringModel;
  labels: string[];
  /** share of recordings whose right label is plausible, on the corpora that the card names */
  coverage?: number | null;
  /** when those flags hold that are about a time */
  flag_spans: FlagSpanAnswer[];
  /** with denoise=true: the model that removed the noise */
  denoiser?: AnsweringModel | null;
  /** with a profile: what it held */
  profile?: UsedProfile | null;
  /** with a prior other than the card's: what it was */
  prior?: UsedPrior | null;
  /** of a model that has parts for several kinds of recording */
  domain?: string | null;
  /** with speakers: the model that told voices apart */
  speaker_model?: AnsweringModel | null;
  /** with channel=each */
  channels?: ChannelJudgement[] | null;
}

/** One value a window in each column, all of one length. */
export interface AudioTimeline {
  /** seconds */
  start_s: number[];
  /** seconds */
  end_s: number[];
  /** a column for each label */
  probabilities: Record<string, (number | null)[]>;
  /** −1…1 */
  arousal?: (number | null)[] | null;
  /** −1…1 */
  valence?: (number | null)[] | null;
  /** −1…1; only of models that have it */
  dominance?: (number | null)[] | null;
  /** share of the window that is speech, 0…1 */
  speech?: (number | null)[] | null;
  /** seconds of voice over the card's enough_speech_s, 0…1: amount, not accuracy */
  confidence?: (number | null)[] | null;
  /** plausible labels of each row; null where the model's card tells nothing of its doubt */
  plausible?: (string[] | null)[] | null;
}

/** The face's box at each step of the timeline, in shares of the upright picture; null where no face is known. */
export interface Boxes {
  /** seconds */
  time_s: number[];
  /** left edge, from the left */
  x: (number | null)[];
  /** upper edge, from the top */
  y: (number | null)[];
  width: (number | null)[];
  height: (number | null)[];
}

/** ``card.json``. */
export interface Card {
  schema_version?: 1;
  name: string;
  version: string;
  task: "speech-emotion" | "speech-embedding" | "speaker-embedding" | "denoiser" | "voice-activity" | "face" | "action-units" | "face-expression" | "affect";
  title: string;
  description: string;
  /** classes, in the order of the graph's output */
  labels?: string[];
  /**
   * kinds of recording that the model has parts and a graph of their own for, with the classes that each can answer;
   * the first is the default; empty where one graph serves all
   */
  domains?: Record<string, string[]>;
  speech?: SpeechInput | null;
  /** how likely the model takes each label to be before it hears anything; null: all the same */
  class_prior?: Record<string, number> | null;
  /** plausible labels; null where nothing was fitted */
  doubt?: Doubt | null;
  /** constants that the task's pipeline needs, such as thresholds */
  settings?: Record<string, number | string | boolean | number[] | string[]>;
  licence: Licence;
  /** networks inside the graph */
  members?: Member[];
  training_data?: TrainingData[];
  measurements?: Measurement[];
  intended_use: string;
  known_limits: string[];
  /** program and versions that made the files */
  exporter: Record<string, string>;
  parity?: Parity | null;
  /** answers about a known sound, which a service must give too; null of models without sound */
  check_clip?: CheckClip | null;
  /** the highest of its task is the default model */
  priority?: number;
  files: Record<string, FileEntry>;
}

/** The answer for one channel. */
export interface ChannelJudgement {
  /** one for each label; null where there is nothing to judge; empty of a model without classes */
  probabilities: number[] | null;
  /** the same by label */
  by_label?: Record<string, number> | null;
  /** the most probable label; null without speech or classes */
  emotion: string | null;
  /** labels that hold the right one at `coverage`, the most probable first */
  plausible?: string[] | null;
  /** −1…1; null where the model has none */
  arousal: number | null;
  /** −1…1; null where the model has none */
  valence: number | null;
  /** −1…1; only of models that have it */
  dominance?: number | null;
  /** with timeline=true */
  timeline?: AudioTimeline | null;
  /** with segments=true; with channel=each in the entries of channels alone */
  segments?: Segments | null;
  /** with voice_activity=true */
  voice_activity?: VoiceActivitySteps | null;
  /** with speakers: each voice, in order of turns */
  speakers?: SpeakerJudgement[] | null;
  /** with speakers: who speaks when */
  turns?: SpeakerTurns | null;
  /** remarks on the answer; `GET /v1/flags` lists all */
  flags: Flag[];
  channel: string;
}

/** Answers of the graphs about a sound that anybody can make again: :mod:`service.pipeline.speech.check_clip`. */
export interface CheckClip {
  /** by role of the graph and by output: 16 of its numbers at even distances, or all where it has fewer */
  outputs: Record<string, Record<string, number[]>>;
  /** largest difference allowed, as a share of an output's largest number where that is above 1 */
  tolerance: number;
}

/** Bound from which on a label is plausible, fitted by split-conformal prediction. */
export interface Doubt {
  /** share of recordings whose right label is to be plausible */
  coverage: number;
  /** a label is plausible from this probability on */
  least_probability: number;
  /** corpora of the fit, each counting the same */
  fitted_on: string[];
  /** mean number of plausible labels there */
  mean_size: number;
}

/** The embedding of one channel. */
export interface EmbeddedChannel {
  /** one row a window, in the order of the timeline; null where the window is silent */
  embedding: (number[] | null)[];
  /** remarks on the answer; `GET /v1/flags` lists all */
  flags: Flag[];
  channel: string;
}

/** A network's word about the face's pictures, at each step of the timeline; null where no face is known. */
export interface ExpressionAnswer {
  /** −1…1; null of a model that tells none */
  arousal: (number | null)[] | null;
  /** −1…1; null of a model that tells none */
  valence: (number | null)[] | null;
  /** classes; empty of a model that tells none */
  labels: string[];
  /** by class; null of a model that tells none */
  probabilities: Record<string, (number | null)[]> | null;
  /** intensities 0…5 by unit; null of a model that tells none */
  action_units: Record<string, (number | null)[]> | null;
}

/** One of several faces. */
export interface FaceAnswer {
  /** number, from 0 in the order in which faces appear */
  face: number;
  /** first frame that shows it, seconds */
  start_s: number;
  /** last frame that shows it, seconds */
  end_s: number;
  timeline: FaceTimeline;
  summary: AffectSummary;
  flags: Flag[];
  flag_spans: FlagSpanAnswer[];
  neutral: UsedNeutral;
  /** with include=action_units */
  action_units?: Record<string, (number | null)[]> | null;
  /** with include=boxes */
  boxes?: Boxes | null;
  /** with include=expression */
  expression?: ExpressionAnswer | null;
}

/** The resting level of one person's action units; no picture. It is biometric data. */
export interface FaceDocument {
  format: "emoserve-profile/1";
  /** of the weights that made it */
  encoder_sha256: string;
  kind: "face";
  /** with the face, in all recordings */
  frames: number;
  /** points of the face mesh */
  mesh: number;
  /** float16 [17], little-endian, as base64 */
  mean: string;
}

/** Ten values a second in each column, all of one length; null where this face is not known. */
export interface FaceTimeline {
  /** seconds */
  time_s: number[];
  /** −1…1 */
  arousal: (number | null)[];
  /** −1…1 */
  valence: (number | null)[];
  /**
   * half of the value's 95 % interval over refits of the model, which is no distance from what raters say; null of a
   * model that tells none
   */
  arousal_uncertainty?: (number | null)[] | null;
  /**
   * half of the value's 95 % interval over refits of the model, which is no distance from what raters say; null of a
   * model that tells none
   */
  valence_uncertainty?: (number | null)[] | null;
  /** 0…1 */
  face_confidence: (number | null)[];
}

/** One parameter at fault. */
export interface FieldError {
  /** JSON pointer to the parameter */
  pointer: string;
  detail: string;
}

/** One file of the bundle. */
export interface FileEntry {
  /** what the file is for: 'model', or a stage such as 'detector', 'mesh' */
  role?: string;
  sha256: string;
  size_bytes: number;
}

/** One remark on an answer. */
export type Flag = "silent" | "silent_windows" | "no_speech" | "no_audio" | "audio_unusable" | "no_voice_activity" | "voice_uncertain" | "clipped" | "truncated" | "damaged" | "header_repaired" | "trailing_data" | "sound_gap" | "several_tracks" | "mix_cancels" | "denoised" | "uncertain" | "no_face" | "face_lost" | "several_faces" | "faces_left_out" | "no_neutral" | "neutral_smiles" | "no_attribution" | "one_target" | "thinned" | "times_repaired" | "trained: prior";

/** One flag. */
export interface FlagEntry {
  flag: Flag;
  /** whether it is about the whole recording, some rows, or how the answer was made */
  about: "recording" | "rows" | "answer";
  title: string;
  /** one sentence for the reader of an answer */
  description: string;
  /** first version of the service that emits it */
  since: string;
}

/** When a flag holds. */
export interface FlagSpanAnswer {
  flag: string;
  /** seconds */
  start_s: number;
  /** seconds */
  end_s: number;
  /** channel that it is about; null for faces */
  channel?: string | null;
  /** number of the face that it is about; null for sound */
  face?: number | null;
}

/** All flags. */
export interface FlagsAnswer {
  flags: FlagEntry[];
}

/** An answer. */
export interface InferAnswer {
  model_name: string;
  model_version: string;
  id?: string | null;
  outputs: OutputTensor[];
}

/** One tensor of a request. */
export interface InferInput {
  name: string;
  shape: number[];
  datatype: "FP32" | "INT64";
  parameters?: InputParameters | null;
  /** its values, row after row, flat or nested */
  data?: unknown[] | null;
}

/** One tensor that is wanted. */
export interface InferOutput {
  name: string;
  parameters?: OutputParameters | null;
}

/** Parameters of a request. */
export interface InferParameters {
  /** answer with every output behind the JSON */
  binary_data_output?: boolean;
}

/** A request; ``outputs`` that are left out are all of the model's. */
export interface InferRequest {
  /** comes back in the answer */
  id?: string | null;
  parameters?: InferParameters | null;
  inputs: InferInput[];
  outputs?: InferOutput[] | null;
}

/** Parameters of an input. */
export interface InputParameters {
  /** bytes of it behind the JSON, in place of `data` */
  binary_data_size?: number | null;
}

/** A job. */
export interface JobAnswer {
  /** whoever knows it may read the result */
  id: string;
  kind: "audio-emotion" | "video-affect";
  state: JobState;
  /** share that is done and written down, 0…1 */
  progress: number;
  /** bytes of the recording */
  size_bytes: number;
  created_at: string;
  /** null while it waits */
  started_at?: string | null;
  /** null until it has ended */
  finished_at?: string | null;
  /** when the result will be deleted; null without one */
  result_expires_at?: string | null;
  /** null unless it failed */
  problem?: JobProblem | null;
}

/** Limits of a job where they differ from a request's, and how long jobs and results are kept. */
export interface JobLimits {
  /** whether this service takes jobs */
  enabled: boolean;
  /** jobs that wait or run */
  max_jobs: number;
  /** bytes of one upload */
  max_body_bytes: number;
  /** longest recording, counted while decoding */
  max_duration_s: number;
  /** frames of a video */
  max_frames: number;
  /** windows of one timeline */
  max_windows: number;
  /** seconds within which the whole upload must arrive */
  upload_timeout_s: number;
  /** seconds after which an unfinished job is given up */
  job_ttl_s: number;
  /** seconds for which a result can be fetched */
  result_ttl_s: number;
  /** whether a result goes once it was fetched */
  delete_result_on_read: boolean;
}

/** Some jobs of a caller. */
export interface JobListAnswer {
  /** newest first */
  jobs: JobAnswer[];
  /** cursor of the jobs that follow; null where there are none */
  next_cursor: string | null;
}

/** Why a job failed. */
export interface JobProblem {
  /** never changes its meaning; see /v1/problems */
  code: string;
  title: string;
}

/** State of a job. Clients see these names; they never change. */
export type JobState = "queued" | "running" | "succeeded" | "failed" | "cancelled" | "expired";

/** Permitted use of the weights. */
export interface Licence {
  /** SPDX identifier of the weights' licence */
  spdx: string;
  /** whether the licence permits commercial use */
  commercial_use: boolean;
  /** whom to name */
  attribution?: string;
}

/** Limits of one request. Exceeding a size gives 413, falling short of one 422. */
export interface Limits {
  /** bytes of one request body */
  max_body_bytes?: number;
  /** bytes of all request headers */
  max_header_bytes?: number;
  /** seconds within which the whole body must arrive */
  body_timeout_s?: number;
  /** bytes a second that a request body must keep up over 5 s */
  min_body_bytes_per_s?: number;
  /** multipart fields */
  max_fields?: number;
  /** bytes of one multipart text field */
  max_field_bytes?: number;
  /** characters of a file name */
  max_filename_characters?: number;
  /** shortest recording */
  min_duration_s?: number;
  /** longest recording, counted while decoding */
  max_duration_s?: number;
  /** audio channels */
  max_channels?: number;
  /** lowest sample rate */
  min_sample_rate_hz?: number;
  /** highest sample rate */
  max_sample_rate_hz?: number;
  /** largest float sample taken for audio; ±1 is full scale */
  max_sample_magnitude?: number;
  /** bytes of decoded sound that all requests hold together */
  max_decoded_bytes?: number;
  /** streams in one container */
  max_streams?: number;
  /** pixels of a video frame */
  max_frame_pixels?: number;
  /** frames of a video */
  max_frames?: number;
  /** frames a second in which faces are followed; of faster videos every other or third */
  max_frame_rate_hz?: number;
  /** faces of one answer with face=all; the largest are told */
  max_faces?: number;
  /** windows of one timeline */
  max_windows?: number;
  /** numbers of one answer with embeddings: windows times dimensions */
  max_embedding_values?: number;
  /** shortest hop between windows */
  min_hop_s?: number;
  /** processor seconds for decoding */
  decode_timeout_s?: number;
  /** address space of the decoder's process */
  decode_memory_bytes?: number;
  /** seconds from the last byte of the body to the answer */
  deadline_s?: number;
  /** bytes of one message of a stream */
  max_message_bytes?: number;
  /** seconds within which a stream's first message comes */
  stream_config_timeout_s?: number;
  /** seconds between two messages of a stream */
  stream_idle_timeout_s?: number;
  /** seconds of media that a stream may be ahead of its analysis before it is held back */
  stream_buffer_s?: number;
  /** seconds that a stream may be held back at a stretch before it is closed */
  stream_held_back_s?: number;
  /** seconds that a stream may last */
  stream_session_s?: number;
  /** seconds within which a broken stream can be resumed */
  stream_resume_s?: number;
}

/** Limits of one request and of one job. */
export interface LimitsAnswer {
  limits: Limits;
  jobs: JobLimits;
  /** whether a recording may be named by its address, in the part `url` */
  input_url: boolean;
  /** what each limit counts */
  descriptions: Record<string, string>;
  request_media_types: string[];
  response_media_types: string[];
  /** containers and codecs that are decoded */
  formats: MediaFormat[];
}

/** The process is alive. */
export interface Live {
  live: true;
}

/** One figure, with everything needed to read it. */
export interface Measurement {
  /** such as 'unweighted_average_recall' */
  metric: string;
  value: number;
  /** 95 % bootstrap interval */
  interval_95?: [number, number] | null;
  /** corpus */
  data: string;
  /** partition */
  split: string;
  /** number of utterances or sequences */
  n: number;
  /** what was held out and how the figure came about, in words */
  protocol: string;
  /** whether other partitions of this corpus were trained on */
  seen_corpus?: boolean;
  /** the same figure of other systems */
  rivals?: Record<string, number>;
  /** command of this repository that prints the figure */
  command?: string;
}

/** Facts of the file, before any conversion. */
export interface Media {
  /** end of the last packet of any track on the presentation clock, seconds */
  duration_s: number;
  container: string;
  codec: string;
  /** hertz */
  sample_rate_hz?: number | null;
  channels?: number | null;
  /** pictures a second, for video */
  frame_rate_hz?: number | null;
  /** pixels, for video */
  width?: number | null;
  /** pixels, for video */
  height?: number | null;
  /** every track of sound and pictures, in the file's order */
  tracks?: MediaTrack[] | null;
  /** time stamp of a table's first row, from which the answer's times count */
  offset_s?: number | null;
}

/** One container that is taken, found by its content; codecs have FFmpeg's names. */
export interface MediaFormat {
  /** as `media.container` names it */
  container: string;
  title: string;
  /** codecs of sound */
  sound: string[];
  /** codecs of pictures; empty where pictures are not judged */
  pictures: string[];
}

/** One track of the file. */
export interface MediaTrack {
  /** number among the tracks of its kind, from 0 */
  track: number;
  kind: "sound" | "picture";
  codec: string;
  /** as the file tells it */
  language?: string | null;
  /** the file marks it to be played unless another is chosen */
  default: boolean;
  /** it holds silence alone; null where nobody listened */
  silent?: boolean | null;
  /** the answer is about it */
  used: boolean;
  /** begin on the presentation clock, seconds */
  start_s?: number | null;
  /** end on the presentation clock, seconds */
  end_s?: number | null;
}

/** One network among those that a bundle's graph holds, such as the backbone below a classifier. */
export interface Member {
  /** name in the list of networks, such as 'squeezenet' */
  network: string;
  /** digest of the file that its weights came from */
  weights_sha256?: string;
  /** publisher's release, or 'file' */
  weights_source?: string;
  licence: Licence;
  /** length of its embedding */
  dimensions?: number | null;
}

/** A model that is served. */
export interface ModelEntry {
  /** of the bundle */
  sha256: string;
  /** whether requests can use it now */
  loaded: boolean;
  card: Card;
}

/** Open Inference Protocol: one model. */
export interface ModelMetadata {
  name: string;
  versions: string[];
  platform: string;
  inputs: TensorMetadata[];
  outputs: TensorMetadata[];
}

/** Open Inference Protocol: one model is ready. */
export interface ModelReady {
  name: string;
  ready: true;
}

/** All models. */
export interface ModelsAnswer {
  models: ModelEntry[];
  withheld: WithheldEntry[];
}

/** Columns: the stretches in which one input moved a target most, arousal first, in the order of their begins. */
export interface MomentsAnswer {
  target: ("arousal" | "valence")[];
  /** seconds */
  start_s: number[];
  /** seconds */
  end_s: number[];
  /** the input */
  feature: string[];
  /** mean of what it added to the target there */
  contribution: number[];
  /** what one sees */
  words: string[];
}

/** Parameters of an output. */
export interface OutputParameters {
  /** answer with it behind the JSON */
  binary_data?: boolean | null;
}

/** One tensor of an answer. */
export interface OutputTensor {
  name: string;
  datatype: "FP32";
  shape: number[];
  /** row after row, flat */
  data?: number[] | null;
  /** `binary_data_size` where it lies behind the JSON */
  parameters?: Record<string, number> | null;
}

/** The export check: largest difference allowed between the trained network and the exported graph. */
export interface Parity {
  tolerance: number;
  largest_difference: number;
  against: string;
}

/** An error (RFC 9457). */
export interface ProblemDocument {
  /** address that describes the problem */
  type: string;
  title: string;
  status: number;
  detail: string;
  /** this occurrence */
  instance: string;
  /** never changes its meaning */
  code: string;
  request_id: string;
  errors?: FieldError[] | null;
  /** at addresses below /v2: the detail, where the protocol's clients look */
  error?: string | null;
}

/** One error code. */
export interface ProblemEntry {
  type: string;
  code: string;
  status: number;
  title: string;
  description: string;
}

/** All error codes. */
export interface ProblemsAnswer {
  problems: ProblemEntry[];
}

/** Profiles that a speech model takes: statistics of other recordings of the same person or line. */
export interface ProfileInput {
  /** of the weights that make the statistics */
  encoder_sha256: string;
  /** numbers of a profile's mean, and of its deviation */
  dimensions: number;
  /** clips at which a profile counts half of what it could */
  half_weight_clips: number;
}

/** The service should get traffic. */
export interface Ready {
  ready: true;
  /** what runs the models */
  provider: string;
  /** why the CPU runs although a GPU is there; null where it does not */
  fallback?: string | null;
  sandbox: Sandbox;
  /** attempts to load the models anew since the start */
  reloads?: number;
  /** why the last attempt failed, and the models before it stayed; null where it did not */
  reload_problem?: string | null;
}

/** Confinement of the processes that decode media, in addition to their resource limits. */
export interface Sandbox {
  /** whether their system calls are filtered */
  seccomp: boolean;
  /** version of the kernel's Landlock, 0 where there is none */
  landlock: number;
  /** whether they are neither root nor hold a capability */
  unprivileged: boolean;
}

/** One value an utterance in each column, all of one length. */
export interface Segments {
  /** seconds */
  start_s: number[];
  /** seconds */
  end_s: number[];
  /** the most probable label */
  emotion: (string | null)[];
  /** a column for each label */
  probabilities: Record<string, (number | null)[]>;
  /** −1…1 */
  arousal?: (number | null)[] | null;
  /** −1…1 */
  valence?: (number | null)[] | null;
  /** −1…1; only of models that have it */
  dominance?: (number | null)[] | null;
  /** share of the utterance that is voice, 0…1 */
  speech: number[];
  /** RMS while there is voice, dB re full scale */
  speech_level_db: (number | null)[];
  /** seconds of voice over the card's enough_speech_s, 0…1: amount, not accuracy */
  confidence: number[];
  /** plausible labels of each row; null where the model's card tells nothing of its doubt */
  plausible?: (string[] | null)[] | null;
  /** with speakers: who speaks longest in each */
  speaker?: (string | null)[] | null;
}

/** Statistics of the known values of one series. */
export interface SeriesSummary {
  mean: number;
  /** population standard deviation */
  std: number;
  min: number;
  max: number;
}

/** Open Inference Protocol: the server. */
export interface ServerMetadata {
  name: string;
  version: string;
  extensions: string[];
}

/** Emotion of the sound track. */
export interface SoundTrack {
  /** one for each label; null where there is nothing to judge; empty of a model without classes */
  probabilities: number[] | null;
  /** the same by label */
  by_label?: Record<string, number> | null;
  /** the most probable label; null without speech or classes */
  emotion: string | null;
  /** labels that hold the right one at `coverage`, the most probable first */
  plausible?: string[] | null;
  /** −1…1; null where the model has none */
  arousal: number | null;
  /** −1…1; null where the model has none */
  valence: number | null;
  /** −1…1; only of models that have it */
  dominance?: number | null;
  /** with timeline=true */
  timeline?: AudioTimeline | null;
  /** with segments=true; with channel=each in the entries of channels alone */
  segments?: Segments | null;
  /** with voice_activity=true */
  voice_activity?: VoiceActivitySteps | null;
  /** with speakers: each voice, in order of turns */
  speakers?: SpeakerJudgement[] | null;
  /** with speakers: who speaks when */
  turns?: SpeakerTurns | null;
  /** remarks on the answer; `GET /v1/flags` lists all */
  flags: Flag[];
  model: AnsweringModel;
  labels: string[];
}

/** The answer for one voice: means over its segments, weighted by seconds of voice. */
export interface SpeakerJudgement {
  /** A speaks first; a letter means nothing beyond this recording */
  speaker: string;
  /** seconds of its turns */
  speech_s: number;
  /** probability of each label; null where none of its speech is judged */
  by_label: Record<string, number> | null;
  /** the most probable label */
  emotion: string | null;
  /** labels that hold the right one at `coverage`, the most probable first */
  plausible?: string[] | null;
  /** −1…1; null where the model has none */
  arousal: number | null;
  /** −1…1; null where the model has none */
  valence: number | null;
  /** −1…1, where the model has it */
  dominance?: number | null;
}

/** When each voice speaks, turn after turn: columns of one length. */
export interface SpeakerTurns {
  /** seconds */
  start_s: number[];
  /** seconds */
  end_s: number[];
  speaker: string[];
}

/** Input of a speech model, and the windows that recordings are cut into. */
export interface SpeechInput {
  sample_rate_hz: number;
  /** default length of a window; longer recordings are windowed */
  window_s: number;
  /** default hop between windows */
  hop_s: number;
  /** a shorter clip is refused */
  min_length_s: number;
  /** longest window that the model takes */
  max_length_s: number;
  /** name of the front end inside the graph */
  preset: string;
  /** corner of the graph's own high-pass, mains hum is stopped too; null without one */
  high_pass_hz?: number | null;
  /** kept before the first and after the last step of voice when a clip is cut to its voice */
  voice_margin_s?: number;
  /** voice that pauses for less is one utterance */
  utterance_gap_s?: number;
  /** a shorter utterance is left out where there are longer ones */
  utterance_least_s?: number;
  /** seconds of voice at which a row's confidence is 1 */
  enough_speech_s?: number;
  /** windows of one length that a CPU runs at once; 1 where that gains nothing */
  cpu_batch?: number;
  /** profiles that the model takes; null where it takes none */
  profile?: ProfileInput | null;
}

/** Open Inference Protocol: one input or output. */
export interface TensorMetadata {
  name: string;
  datatype: string;
  /** −1 stands for any size */
  shape: number[];
}

/** One data set that the weights saw. */
export interface TrainingData {
  name: string;
  licence: string;
  utterances?: number | null;
  speakers?: number | null;
  reference?: string;
}

/** The resting face that was subtracted. */
export interface UsedNeutral {
  /** 'none' also where too little of the face was seen */
  source: "median" | "none" | "stretch" | "document";
  /** first frame behind it, seconds; null of a document */
  start_s: number | null;
  /** last frame behind it, seconds; null of a document */
  end_s: number | null;
  /** frames with the face behind it */
  frames: number;
}

/** The prior that took the place of the model's own. */
export interface UsedPrior {
  source: "uniform" | "asked";
  /** probability of each class before anything is heard */
  by_label: Record<string, number>;
}

/** The profile that the voice was compared with. */
export interface UsedProfile {
  source: "self" | "document";
  /** pieces of speech in it; of one that grows, at the end */
  clips: number;
  /** seconds of voice in them */
  speech_s: number;
  /** how much it counts, 0…1 */
  weight: number;
}

/** Answer of ``POST /v1/video/affect`` and ``POST /v1/action-units/affect``. */
export interface VideoAffectAnswer {
  request_id: string;
  media: Media;
  /** by part: 'faces', 'action_units', 'affect', … */
  models: Record<string, AnsweringModel>;
  timeline: AffectTimeline;
  summary: AffectSummary;
  /** of a video: the resting face that was subtracted */
  neutral?: UsedNeutral | null;
  /** with include=action_units: intensities 0…5 */
  action_units?: Record<string, (number | null)[]> | null;
  /**
   * with include=frame_units: the action units of every frame, before any mean over a window; columns time_s,
   * face_confidence and one a unit, null where the face was not seen
   */
  frame_units?: Record<string, (number | null)[]> | null;
  /** with include=boxes */
  boxes?: Boxes | null;
  /** with include=expression: what a published network sees, beside the timeline */
  expression?: ExpressionAnswer | null;
  /** with include=attribution */
  attribution?: AttributionAnswer | null;
  /** with include=audio; null without sound */
  audio?: SoundTrack | null;
  /** with face=all: every face, largest first, up to the limit max_faces; all else is about the first */
  faces?: FaceAnswer[] | null;
  /** 'prior' means that the model has seen no continuous ratings */
  trained: string;
  /** seconds of the future that an answer takes */
  look_ahead_s: number;
  /** remarks on the answer; `GET /v1/flags` lists all */
  flags: Flag[];
  /** when flags hold; every null of the timeline lies in a span of 'face_lost' or 'no_face' */
  flag_spans: FlagSpanAnswer[];
}

/** Voice activity at its own steps. */
export interface VoiceActivitySteps {
  /** beginning of the first step, seconds */
  start_s: number;
  /** length of a step, seconds */
  hop_s: number;
  /** of speech, one for each step */
  probability: number[];
}

/** Statistics of the voices in some recordings; no sound. One of a single person is biometric data. */
export interface VoiceDocument {
  format: "emoserve-profile/1";
  /** of the weights that made it */
  encoder_sha256: string;
  kind: "voice";
  /** pieces of speech in it */
  clips: number;
  /** seconds of voice in them */
  speech_s: number;
  dimensions: number;
  /** float16 [dimensions], little-endian, as base64 */
  mean: string;
  /** float16 [dimensions], little-endian, as base64 */
  deviation: string;
}

/** Start and end of each window, two columns of one length. */
export interface WindowTimes {
  /** seconds */
  start_s: number[];
  /** seconds */
  end_s: number[];
}

/** A model that was found and is not served. */
export interface WithheldEntry {
  name: string;
  version: string;
  reason: string;
}

/** Parameters of analyse_audio_emotion. */
export interface AnalyseAudioEmotionOptions {
  /**
   * Of a FHIR answer: `collection`, or `transaction` to POST to a FHIR server, which creates each resource unless it
   * has it already.
   */
  bundle?: "collection" | "transaction";
  /** Of a FHIR answer: reference to the person or group, `Patient/ID`, relative or absolute. */
  subject?: string | null;
  /** Of a FHIR answer: reference to the visit, `Encounter/ID`, relative or absolute. */
  encounter?: string | null;
  /**
   * Of a FHIR answer: when the recording began, a FHIR dateTime. A moment becomes the period of the recording, a day,
   * month or year stays one.
   */
  effective?: string | null;
  /**
   * Of a FHIR answer: your own name of the recording, `SYSTEM|VALUE`. Identifiers of the observations derive from it
   * and the models, so that a resent transaction creates nothing twice.
   */
  identifier?: string | null;
  /** Of a FHIR answer: values of the whole recording alone, without series. */
  summary_only?: boolean;
  /** Of a plot in SVG or PDF: its width in print, in millimetres. */
  plot_width_mm?: number;
  /** Name of the model; left out: the service's default. */
  model?: string | null;
  /** Version of the model; left out: the newest. */
  version?: string | null;
  /** Length of a window, in seconds. */
  window_s?: number | null;
  /** Time between the starts of successive windows, in seconds. */
  hop_s?: number | null;
  /** Channels to judge: the mean of all, one of a stereo pair, or each on its own. */
  channel?: "mix" | "left" | "right" | "each";
  /**
   * Number of the sound track, from 0; left out: the one marked default unless it is silent, else the first that is
   * not.
   */
  track?: number | null;
  /** Start of the stretch to analyse, seconds from the beginning of the recording. */
  start_s?: number | null;
  /** End of the stretch to analyse, seconds from the beginning of the recording. */
  end_s?: number | null;
  /** Remove noise first. Needs a denoiser among the models. */
  denoise?: boolean;
  /** Answer with a value for every window of the recording. */
  timeline?: boolean;
  /** Answer with a value for every utterance; CSV then has these rows instead of windows. */
  segments?: boolean;
  /** Answer with the probability of speech, step by step. */
  voice_activity?: boolean;
  /** Share of a window that must be speech for it to be judged; left out: the service's setting. */
  min_speech?: number | null;
  /**
   * What the voice is compared with: `none`; `self`, what was heard of the recording before; or `document`, the part
   * `profile` of the body, from `POST /v1/profiles`. Left out: the part where there is one.
   */
  profile?: "none" | "self" | "document" | null;
  /**
   * How likely each class is before anything is heard: `card`, as the model learnt it; `uniform`; or `LABEL:P,…`,
   * where labels that are left out share the rest of 1 and 0 excludes a class. Left out: `card`.
   */
  prior?: string | null;
  /** Kind of recording, of a model that has parts for several; left out: the first on its card. */
  domain?: string | null;
  /**
   * Who speaks when, and an answer for each voice: `off`; `auto`; or how many people speak, 1 to 20. Voices are
   * compared within this recording alone. Not with `channel=each`. Left out: `off`.
   */
  speakers?: string | null;
}

/** Parameters of embed_audio. */
export interface EmbedAudioOptions {
  /** Name of the model; left out: the service's default. */
  model?: string | null;
  /** Version of the model; left out: the newest. */
  version?: string | null;
  /** Length of a window, in seconds. */
  window_s?: number | null;
  /** Time between the starts of successive windows, in seconds. */
  hop_s?: number | null;
  /** Channels to judge: the mean of all, one of a stereo pair, or each on its own. */
  channel?: "mix" | "left" | "right" | "each";
  /**
   * Number of the sound track, from 0; left out: the one marked default unless it is silent, else the first that is
   * not.
   */
  track?: number | null;
  /** Start of the stretch to analyse, seconds from the beginning of the recording. */
  start_s?: number | null;
  /** End of the stretch to analyse, seconds from the beginning of the recording. */
  end_s?: number | null;
  /** Remove noise first. Needs a denoiser among the models. */
  denoise?: boolean;
}

/** Parameters of make_profile. */
export interface MakeProfileOptions {
  /** What the profile is of. */
  kind?: "voice" | "face";
  /** Of a voice: the model that it is for; left out: the default. */
  model?: string | null;
  /** Of a voice: version of the model; left out: the newest. */
  version?: string | null;
  /** Of a face: when it rests, `median` of each recording, which is the default, or START:END in seconds of each. */
  neutral?: string | null;
}

/** Parameters of analyse_video_affect. */
export interface AnalyseVideoAffectOptions {
  /**
   * Of a FHIR answer: `collection`, or `transaction` to POST to a FHIR server, which creates each resource unless it
   * has it already.
   */
  bundle?: "collection" | "transaction";
  /** Of a FHIR answer: reference to the person or group, `Patient/ID`, relative or absolute. */
  subject?: string | null;
  /** Of a FHIR answer: reference to the visit, `Encounter/ID`, relative or absolute. */
  encounter?: string | null;
  /**
   * Of a FHIR answer: when the recording began, a FHIR dateTime. A moment becomes the period of the recording, a day,
   * month or year stays one.
   */
  effective?: string | null;
  /**
   * Of a FHIR answer: your own name of the recording, `SYSTEM|VALUE`. Identifiers of the observations derive from it
   * and the models, so that a resent transaction creates nothing twice.
   */
  identifier?: string | null;
  /** Of a FHIR answer: values of the whole recording alone, without series. */
  summary_only?: boolean;
  /** Of a plot in SVG or PDF: its width in print, in millimetres. */
  plot_width_mm?: number;
  /** Name of the affect model; left out: the one of the highest priority. */
  model?: string | null;
  /** Version of the model; left out: the newest. */
  version?: string | null;
  /**
   * Further parts of the answer, separated by commas: action_units, attribution, audio, boxes, expression,
   * frame_units.
   */
  include?: string;
  /**
   * The person's resting face: `median` of the recording, `none`, START:END in seconds, or `document`, the part
   * `neutral` of the body, from `POST /v1/profiles?kind=face`. Left out: the part where there is one.
   */
  neutral?: string;
  /**
   * 'largest', the number of a face from 0 in the order in which they appear, 'at:X,Y': the face that is there for
   * the longest time, in shares of the upright picture from its top left, or 'all': as 'largest', with every face in
   * `faces`.
   */
  face?: string;
  /**
   * Channels of the sound track in which speech is looked for and, with `include=audio`, the emotion of the voice:
   * their mean, one of a stereo pair, or each for itself.
   */
  channel?: "mix" | "left" | "right" | "each";
  /**
   * Number of the sound track, from 0; left out: the one marked default unless it is silent, else the first that is
   * not.
   */
  track?: number | null;
  /**
   * Number of the picture track, from 0; left out: the one marked default, else the first, unless no face is in it;
   * then the first with a face.
   */
  picture_track?: number | null;
  /** Name of the speech model of `include=audio`; left out: the service's default. */
  audio_model?: string | null;
  /** Version of the speech model; left out: the newest. */
  audio_version?: string | null;
  /** Name of the model of `include=expression`; left out: the one of the highest priority. */
  expression_model?: string | null;
  /** Version of that model; left out: the newest. */
  expression_version?: string | null;
}

/** Parameters of analyse_action_units_affect. */
export interface AnalyseActionUnitsAffectOptions {
  /**
   * Of a FHIR answer: `collection`, or `transaction` to POST to a FHIR server, which creates each resource unless it
   * has it already.
   */
  bundle?: "collection" | "transaction";
  /** Of a FHIR answer: reference to the person or group, `Patient/ID`, relative or absolute. */
  subject?: string | null;
  /** Of a FHIR answer: reference to the visit, `Encounter/ID`, relative or absolute. */
  encounter?: string | null;
  /**
   * Of a FHIR answer: when the recording began, a FHIR dateTime. A moment becomes the period of the recording, a day,
   * month or year stays one.
   */
  effective?: string | null;
  /**
   * Of a FHIR answer: your own name of the recording, `SYSTEM|VALUE`. Identifiers of the observations derive from it
   * and the models, so that a resent transaction creates nothing twice.
   */
  identifier?: string | null;
  /** Of a FHIR answer: values of the whole recording alone, without series. */
  summary_only?: boolean;
  /** Of a plot in SVG or PDF: its width in print, in millimetres. */
  plot_width_mm?: number;
  /** Name of the affect model; left out: the one of the highest priority. */
  model?: string | null;
  /** Version of the model; left out: the newest. */
  version?: string | null;
  /** Further parts of the answer, separated by commas: action_units, attribution, frame_units. */
  include?: string;
  /** Frames per second, in place of the table's time stamps. */
  fps?: number | null;
  /** 'largest', or a face_id of the table. */
  face?: string;
}

/** Parameters of submit_audio_emotion. */
export interface SubmitAudioEmotionOptions {
  /**
   * https address that gets a signed POST (Standard Webhooks) when the job has ended, where the operator has named
   * its host; left out: nobody is told.
   */
  callback?: string | null;
  /** Name of the model; left out: the service's default. */
  model?: string | null;
  /** Version of the model; left out: the newest. */
  version?: string | null;
  /** Length of a window, in seconds. */
  window_s?: number | null;
  /** Time between the starts of successive windows, in seconds. */
  hop_s?: number | null;
  /** Channels to judge: the mean of all, one of a stereo pair, or each on its own. */
  channel?: "mix" | "left" | "right" | "each";
  /**
   * Number of the sound track, from 0; left out: the one marked default unless it is silent, else the first that is
   * not.
   */
  track?: number | null;
  /** Start of the stretch to analyse, seconds from the beginning of the recording. */
  start_s?: number | null;
  /** End of the stretch to analyse, seconds from the beginning of the recording. */
  end_s?: number | null;
  /** Remove noise first. Needs a denoiser among the models. */
  denoise?: boolean;
  /** Answer with a value for every window of the recording. */
  timeline?: boolean;
  /** Answer with a value for every utterance; CSV then has these rows instead of windows. */
  segments?: boolean;
  /** Answer with the probability of speech, step by step. */
  voice_activity?: boolean;
  /** Share of a window that must be speech for it to be judged; left out: the service's setting. */
  min_speech?: number | null;
  /**
   * What the voice is compared with: `none`; `self`, what was heard of the recording before; or `document`, the part
   * `profile` of the body, from `POST /v1/profiles`. Left out: the part where there is one.
   */
  profile?: "none" | "self" | "document" | null;
  /**
   * How likely each class is before anything is heard: `card`, as the model learnt it; `uniform`; or `LABEL:P,…`,
   * where labels that are left out share the rest of 1 and 0 excludes a class. Left out: `card`.
   */
  prior?: string | null;
  /** Kind of recording, of a model that has parts for several; left out: the first on its card. */
  domain?: string | null;
  /**
   * Who speaks when, and an answer for each voice: `off`; `auto`; or how many people speak, 1 to 20. Voices are
   * compared within this recording alone. Not with `channel=each`. Left out: `off`.
   */
  speakers?: string | null;
}

/** Parameters of submit_video_affect. */
export interface SubmitVideoAffectOptions {
  /**
   * https address that gets a signed POST (Standard Webhooks) when the job has ended, where the operator has named
   * its host; left out: nobody is told.
   */
  callback?: string | null;
  /** Name of the affect model; left out: the one of the highest priority. */
  model?: string | null;
  /** Version of the model; left out: the newest. */
  version?: string | null;
  /**
   * Further parts of the answer, separated by commas: action_units, attribution, audio, boxes, expression,
   * frame_units.
   */
  include?: string;
  /**
   * The person's resting face: `median` of the recording, `none`, START:END in seconds, or `document`, the part
   * `neutral` of the body, from `POST /v1/profiles?kind=face`. Left out: the part where there is one.
   */
  neutral?: string;
  /**
   * 'largest', the number of a face from 0 in the order in which they appear, 'at:X,Y': the face that is there for
   * the longest time, in shares of the upright picture from its top left, or 'all': as 'largest', with every face in
   * `faces`.
   */
  face?: string;
  /**
   * Channels of the sound track in which speech is looked for and, with `include=audio`, the emotion of the voice:
   * their mean, one of a stereo pair, or each for itself.
   */
  channel?: "mix" | "left" | "right" | "each";
  /**
   * Number of the sound track, from 0; left out: the one marked default unless it is silent, else the first that is
   * not.
   */
  track?: number | null;
  /**
   * Number of the picture track, from 0; left out: the one marked default, else the first, unless no face is in it;
   * then the first with a face.
   */
  picture_track?: number | null;
  /** Name of the speech model of `include=audio`; left out: the service's default. */
  audio_model?: string | null;
  /** Version of the speech model; left out: the newest. */
  audio_version?: string | null;
  /** Name of the model of `include=expression`; left out: the one of the highest priority. */
  expression_model?: string | null;
  /** Version of that model; left out: the newest. */
  expression_version?: string | null;
}

/** Parameters of list_jobs. */
export interface ListJobsOptions {
  /** The `next_cursor` of an earlier answer; left out: the newest jobs. */
  cursor?: string | null;
  /** Most jobs of the answer. */
  limit?: number;
}

/** Parameters of read_job_result. */
export interface ReadJobResultOptions {
  /**
   * Of a FHIR answer: `collection`, or `transaction` to POST to a FHIR server, which creates each resource unless it
   * has it already.
   */
  bundle?: "collection" | "transaction";
  /** Of a FHIR answer: reference to the person or group, `Patient/ID`, relative or absolute. */
  subject?: string | null;
  /** Of a FHIR answer: reference to the visit, `Encounter/ID`, relative or absolute. */
  encounter?: string | null;
  /**
   * Of a FHIR answer: when the recording began, a FHIR dateTime. A moment becomes the period of the recording, a day,
   * month or year stays one.
   */
  effective?: string | null;
  /**
   * Of a FHIR answer: your own name of the recording, `SYSTEM|VALUE`. Identifiers of the observations derive from it
   * and the models, so that a resent transaction creates nothing twice.
   */
  identifier?: string | null;
  /** Of a FHIR answer: values of the whole recording alone, without series. */
  summary_only?: boolean;
  /** Of a plot in SVG or PDF: its width in print, in millimetres. */
  plot_width_mm?: number;
  /** Parts of the answer to read, separated by commas, of those that the job was asked for; left out: all of them. */
  include?: string | null;
}
