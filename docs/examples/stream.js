// Streams the microphone to /v1/stream/audio and the camera to /v1/stream/video. It needs only pcm-worklet.js.

const RATE_HZ = 16000;
const FRAMES_PER_S = 10;
const MOST_WAITING_BYTES = 1 << 20; // frames are skipped while the socket has more to send

const find = (id) => document.getElementById(id);
const running = [];

function connect(path, config, onAnswer, show) {
  const key = find("key").value;
  const protocols = key ? ["emoserve", `bearer.${key}`] : [];
  const socket = new WebSocket(find("service").value + path, protocols);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => socket.send(JSON.stringify({ type: "config", ...config }));
  const ready = new Promise((resolve) => {
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "session.created") resolve(message);
      else if (message.type === "error") show(`${message.code}: ${message.detail}`);
      else if (message.type === "session.closed") show(`Closed after ${message.duration_s.toFixed(1)} s.`);
      else onAnswer(message);
    };
  });
  socket.onclose = ({ code }) => { if (code !== 1000) show(`Connection closed with ${code}.`); };
  return { socket, ready };
}

const end = (socket) => { if (socket.readyState === WebSocket.OPEN) socket.send('{"type":"end"}'); };
const rounded = (value) => (value === null ? "unknown" : value.toFixed(2));

async function startMicrophone() {
  const show = (text) => { find("voice").textContent = text; };
  const media = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const context = new AudioContext({ sampleRate: RATE_HZ });
  await context.audioWorklet.addModule("pcm-worklet.js");
  const { socket, ready } = connect("/v1/stream/audio", { sample_rate_hz: RATE_HZ }, (window) => {
    const emotion = window.emotion ?? "no speech";
    show(`${window.start_s}–${window.end_s} s: ${emotion}, arousal ${rounded(window.arousal)}, ` +
      `valence ${rounded(window.valence)}`);
  }, show);
  const created = await ready;
  show(`${created.model.name} listens: the first answer comes after ${created.window_s} s.`);
  const node = new AudioWorkletNode(context, "pcm");
  node.port.onmessage = ({ data }) => { if (socket.readyState === WebSocket.OPEN) socket.send(data); };
  context.createMediaStreamSource(media).connect(node);
  running.push(() => {
    node.port.onmessage = null;
    end(socket);
    media.getTracks().forEach((track) => track.stop());
    context.close();
  });
}

async function startCamera() {
  const show = (text) => { find("face").textContent = text; };
  const media = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
  const preview = find("preview");
  preview.srcObject = media;
  await preview.play();
  const { socket, ready } = connect("/v1/stream/video", { causal: true }, (rows) => {
    const last = rows.time_s.length - 1;
    show(`${rows.time_s[last].toFixed(1)} s: arousal ${rounded(rows.arousal[last])}, ` +
      `valence ${rounded(rows.valence[last])} (provisional)`);
  }, show);
  await ready;
  const canvas = new OffscreenCanvas(preview.videoWidth, preview.videoHeight);
  const context = canvas.getContext("2d");
  const beganAt = performance.now();
  let isBusy = false;
  const timer = setInterval(async () => {
    if (isBusy || socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > MOST_WAITING_BYTES) return;
    isBusy = true;
    const seconds = (performance.now() - beganAt) / 1000;
    context.drawImage(preview, 0, 0);
    const picture = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
    const message = new Uint8Array(8 + picture.size);
    new DataView(message.buffer).setFloat64(0, seconds, true);
    message.set(new Uint8Array(await picture.arrayBuffer()), 8);
    if (socket.readyState === WebSocket.OPEN) socket.send(message);
    isBusy = false;
  }, 1000 / FRAMES_PER_S);
  running.push(() => {
    clearInterval(timer);
    end(socket);
    media.getTracks().forEach((track) => track.stop());
  });
}

function begin(button, start, output) {
  find(button).onclick = async () => {
    find(button).disabled = true;
    find("stop").disabled = false;
    try {
      await start();
    } catch (error) {
      find(output).textContent = String(error);
    }
  };
}

begin("microphone", startMicrophone, "voice");
begin("camera", startCamera, "face");
find("stop").onclick = () => {
  running.splice(0).forEach((stop) => stop());
  find("microphone").disabled = find("camera").disabled = false;
  find("stop").disabled = true;
};
