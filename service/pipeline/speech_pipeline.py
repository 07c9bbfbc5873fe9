"""The whole way of a recording: admit, decode, judge or embed.

One :class:`SpeechPipeline` owns the device and every speech session of the process. ``analyse`` blocks and
may be called from many threads at once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from service.pipeline.audio_options import AudioOptions, EmbeddingOptions
from service.pipeline.decoding.decode import Decoder
from service.pipeline.device.admit import Admission, estimate_s
from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import run_units
from service.pipeline.device.session import CPU, Array, GpuMemory, Provider, Signature, resolve_provider
from service.pipeline.device.task import Observe, Work, observe_nothing
from service.pipeline.prior import prior_for
from service.pipeline.results import AudioEmbedding, AudioEmotion, FloatArray, OnWindow, VoiceProfile
from service.pipeline.speech.denoise import Denoiser
from service.pipeline.speech.embedding import choose_embedding, embed_sound
from service.pipeline.speech.emotion import SoundJudge, view_for
from service.pipeline.speech.inference import clips_of, run_clips
from service.pipeline.speech.listener import HeardWindows
from service.pipeline.speech.live import LiveEmotion, LiveOptions
from service.pipeline.speech.load import load_models
from service.pipeline.speech.model import EmotionModel, SpeechModel, WindowAnswer
from service.pipeline.speech.profile import View, profile_of
from service.pipeline.speech.sound import SoundSource
from service.pipeline.speech.speakers import SpeakerRule, VoicePieces
from service.pipeline.speech.voice_activity import Activity, Chunk, ChunkAnswer, VoiceActivity
from service.problems import ModelNotFound, Problem, ProfileMismatch
from service.registry import SPEECH_EMOTION, Registry
from service.settings import Settings


class SpeechPipeline:
    """Speech emotion and embeddings from uploads.

    Args:
        settings: device, threads, limits and capacity.
        registry: the bundles; every speech model and the voice activity model are loaded here.
        decoder: turns uploads into samples.
        observe: see :data:`Observe`; called from several threads.
        admission: shared with other pipelines; None makes one of ``settings.capacity_s``.

    Attributes:
        provider: of the speech models, such as 'CPUExecutionProvider'.
        admission: what is in the system, and the switch for draining.

    Raises:
        BundleError: a graph cannot be used.
        DeviceError: the device that is asked for cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        decoder: Decoder,
        observe: Observe | None = None,
        *,
        admission: Admission | None = None,
    ) -> None:
        self.provider: Provider = resolve_provider(settings.device)
        self.admission = admission or Admission(settings.capacity_s)
        self._settings = settings
        self._registry = registry
        self._observe: Observe = observe or observe_nothing
        self._models = load_models(settings, registry, self.provider, self._padding)
        self._voice = self._models.voice
        self._host = Batcher(settings.threads, name="cpu", on_batch=self._batch_observer("cpu"))
        on_cpu = self.provider == CPU
        self._device = self._host if on_cpu else Batcher(1, name="gpu", on_batch=self._batch_observer("gpu"))
        self._gpu_memory = None if on_cpu else GpuMemory()
        self._judge = SoundJudge(
            self._voice, settings.limits, self._host, self._device, settings.min_speech, self._models.speakers
        )
        self._sounds = SoundSource(decoder, self._models.denoiser, self._device)

    def warm_up(self) -> None:
        """Run every model once. Raises BundleError if a graph fails, or gives what its card does not say."""
        self._models.warm_up()

    def analyse(
        self,
        data: bytes | memoryview,
        options: AudioOptions,
        work: Work,
        *,
        on_window: OnWindow | None = None,
    ) -> AudioEmotion:
        """Judge one recording. Blocks; safe to call from many threads.

        Args:
            data: the upload.
            options: the request's parameters.
            work: the request's deadline, cancellation and progress; its progress is told in this thread.
            on_window: called in this thread with each window in its order, before the whole answer is there.

        Raises:
            Problem: whatever the client must be told.
            Cancelled: the work was cancelled.
        """
        model = self.model_for(options)
        self._sounds.check(options)
        view_for(options, model)  # these refuse a profile, a prior or speakers before the work
        prior_for(options.prior, model.bundle.card)
        self.speaker_rule(options, model)
        with self.admission.hold(estimate_s(data)) as hold:
            sound, rest = self._sounds.open(data, options, model.speech.sample_rate_hz, hold, work)
            answer = self._judge.judge(sound, model, options, rest, on_window)
        self._finish(work)
        return answer

    def embed(self, data: bytes | memoryview, options: EmbeddingOptions, work: Work) -> AudioEmbedding:
        """Embed the windows of one recording; arguments and errors as those of :meth:`analyse`.

        Raises:
            AnswerTooLarge: the answer would hold more numbers than the limit.
        """
        emotion = self._registry.of_task(SPEECH_EMOTION)
        default = self._registry.find() if emotion else None
        withheld = self._registry.why_withheld(options.model, options.version)
        model = choose_embedding(self._models.embedding, default, options.model, options.version, withheld)
        self._sounds.check(options)
        with self.admission.hold(estimate_s(data)) as hold:
            sound, rest = self._sounds.open(data, options, model.speech.sample_rate_hz, hold, work)
            answer = embed_sound(sound, model, options, self._settings.limits, self._device, rest)
        self._finish(work)
        return answer

    def infer(
        self, name: str, version: str, inputs: Mapping[str, Array], wanted: Sequence[str], work: Work
    ) -> tuple[dict[str, FloatArray], float]:
        """Run a graph on tensors as they are; errors as those of :meth:`analyse`.

        Args:
            inputs: as of :func:`clips_of`.
            wanted: names of outputs; none stands for all.

        Returns:
            Outputs by name, float32 [batch, …], and seconds of sound in the inputs.

        Raises:
            TensorInvalid: the tensors do not fit the model.
            AnswerTooLarge: the answer would hold more numbers than the limit.
        """
        model = self.graph(name, version)
        clips = clips_of(inputs, model, self._settings.limits)
        sound_s = sum(map(len, clips)) / model.speech.sample_rate_hz
        with self.admission.hold(sound_s):
            outputs = run_clips(model, clips, wanted, self._settings.limits, self._device, work)
        self._finish(work)
        return outputs, sound_s

    def graph(self, name: str, version: str) -> SpeechModel:
        """The model of a bundle whose graph takes the waveform.

        Raises:
            ModelNotFound: there is none, or it takes something else.
        """
        found = self._models.graph((name, version))
        if found is None:
            raise ModelNotFound("There is no such model, or it takes no tensors: see its metadata and card.")
        return found

    def profile(
        self,
        recordings: Iterable[bytes | memoryview],
        options: AudioOptions,
        work: Work,
        before: VoiceProfile | None = None,
        failed: Callable[[Problem], None] | None = None,
    ) -> VoiceProfile:
        """Profile of the voices in some recordings; arguments and errors as those of :meth:`analyse`.

        Args:
            recordings: of one person, or of one line.
            before: the profile that they continue.
            failed: told of each recording that cannot be heard, which is then left out; None lets it fail.

        Raises:
            ProfileMismatch: the model takes none, or ``before`` is of another encoder.
            ProfileTooLittleSpeech: there is too little voice in them.
        """
        model = self.model_for(options)
        takes = model.speech.profile
        if takes is None:
            raise ProfileMismatch("This model takes no profile: ask for another model.", pointer="/model")
        statistics: list[FloatArray] = []
        voice_s = 0.0
        for data in recordings:
            try:
                with self.admission.hold(estimate_s(data)) as hold:
                    sound, rest = self._sounds.open(data, options, model.speech.sample_rate_hz, hold, work)
                    found, found_s = self._judge.measure(sound, model, rest)
            except Problem as problem:
                if failed is None:
                    raise
                failed(problem)
                continue
            statistics += found
            voice_s += found_s
        self._finish(work)
        return profile_of(takes, statistics, voice_s, before)

    def live(self, options: LiveOptions) -> LiveEmotion:
        """Analyser of one stream of sound as it arrives, on the devices that judge recordings.

        Raises:
            Problem: an unknown model, or a stream that it does not take.
        """
        model = self.model_for(options)
        return LiveEmotion(
            model,
            options,
            self._settings.limits,
            self._voice,
            lambda heard, view, work: self._judge.run(model, [heard], [view], work),
            self._judge.hear,
            self._judge.least_share(options.min_speech),
            self._judge.speaker_rule(options.speakers, model.speech.sample_rate_hz),
            self._judge.encode,
        )

    def signature(self, name: str, version: str) -> Signature | None:
        """Inputs and outputs of a speech graph; None of what this pipeline has not loaded."""
        return self._models.signatures.get((name, version))

    def stalled(self) -> bool:
        """Whether a device call has gone on for longer than any request waits: a reason to be replaced."""
        longest_s = max(self._device.stalled_for_s(), self._host.stalled_for_s())
        return longest_s > self._settings.limits.deadline_s

    @property
    def waiting_windows(self) -> int:
        """Windows and stretches of sound that wait for the device."""
        return self._host.waiting + (self._device.waiting if self._device is not self._host else 0)

    def gpu_memory_bytes(self) -> float:
        """GPU memory in use, by every process; 0 on a CPU, NaN where the driver does not tell."""
        return 0.0 if self._gpu_memory is None else self._gpu_memory.used_bytes()

    def close(self) -> None:
        """Admit nothing more, stop the device threads; whoever still waits is told ``Draining``."""
        self.admission.drain()
        self._device.close()
        self._host.close()

    def _finish(self, work: Work) -> None:
        for stage, seconds in work.stages_s.items():
            self._observe("stage_seconds", seconds, {"stage": stage})
        work.report(1.0)

    def find_speech(self, samples: FloatArray, rate_hz: int, work: Work) -> Activity | None:
        """Voice activity of one channel of float32 [n]; None where no voice activity model is loaded.

        Raises:
            Problem: as :meth:`analyse`.
            Cancelled: the work was cancelled.
        """
        return self._judge.find_speech(samples, rate_hz, work)

    @property
    def voice_rate_hz(self) -> int | None:
        """Sample rate of the voice activity model, if there is one."""
        return None if self._voice is None else self._voice.rate_hz

    @property
    def voice(self) -> VoiceActivity | None:
        """The voice activity model, if there is one."""
        return self._voice

    def model_for(self, options: AudioOptions | LiveOptions) -> EmotionModel:
        """The model that a request asks for.

        Raises:
            ModelNotFound: there is none of that name or version.
            Unprocessable: it has no such domain.
        """
        card = self._registry.find(options.model, options.version).card
        return self._models.emotion[card.name, card.version].of_domain(options.domain)

    @property
    def denoiser(self) -> Denoiser | None:
        """The denoiser, or None without a model."""
        return self._models.denoiser

    def clean(self, denoiser: Denoiser, chunks: list[FloatArray], work: Work) -> list[WindowAnswer]:
        """Take the noise out of chunks, float32 [samples] each; raises as :meth:`analyse`."""
        return run_units(self._device, denoiser, chunks, work, stage="denoise")

    def hear(self, chunk: Chunk, work: Work) -> ChunkAnswer:
        """Run a stretch of sound through voice activity, which must be there; raises as :meth:`analyse`."""
        return self._judge.hear(chunk, work)

    def least_share(self, min_speech: float | None) -> float:
        """Share of speech from which on a row is judged, 0…1; None stands for the service's."""
        return self._judge.least_share(min_speech)

    def judge(
        self, model: EmotionModel, heard: Sequence[HeardWindows], views: Sequence[View], work: Work
    ) -> list[WindowAnswer]:
        """Run the clips of some channels, each seen from its profile, through ``model``; raises as :meth:`analyse`."""
        return self._judge.run(model, heard, views, work)

    def speaker_rule(self, options: AudioOptions, model: EmotionModel) -> SpeakerRule | None:
        """Rule by which the speakers of a recording are told apart; None where nobody asks.

        Raises:
            Unprocessable, SpeakersUnavailable: as :meth:`SoundJudge.speaker_rule`.
        """
        return self._judge.speaker_rule(options.speakers, model.speech.sample_rate_hz, each=options.channel == "each")

    def encode(self, speakers: SpeakerRule | None, heard: HeardWindows, work: Work) -> VoicePieces | None:
        """Directions of the pieces of voice of a channel; None where nobody asks. Raises as :meth:`analyse`."""
        return self._judge.encode(speakers, heard, work)

    def _padding(self, share: float) -> None:
        self._observe("batch_padding_ratio", share, {})

    def _batch_observer(self, device: str) -> Callable[[int, float], None]:
        def on_batch(units: int, seconds: float) -> None:
            self._observe("batch_windows", units, {"device": device})
            self._observe("batch_seconds", seconds, {"device": device})

        return on_batch
