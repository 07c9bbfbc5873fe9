// Runs in the browser's audio thread: collects a tenth of a second of sound as little-endian 16 bit samples and posts it to the page.

const PIECES_PER_S = 10;

class Pcm extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = Math.round(sampleRate / PIECES_PER_S);
    this.begin();
  }

  begin() {
    this.piece = new DataView(new ArrayBuffer(2 * this.samples));
    this.filled = 0;
  }

  process([input]) {
    for (const sample of input[0] ?? []) {
      this.piece.setInt16(2 * this.filled, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
      this.filled += 1;
      if (this.filled === this.samples) {
        this.port.postMessage(this.piece.buffer, [this.piece.buffer]);
        this.begin();
      }
    }
    return true;
  }
}

registerProcessor("pcm", Pcm);
