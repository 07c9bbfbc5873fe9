// Collects a tenth of a second of sound as little-endian 16 bit samples and posts it to the page.

const PIECE_SAMPLES = 1600;

class Pcm extends AudioWorkletProcessor {
  constructor() {
    super();
    this.begin();
  }

  begin() {
    this.piece = new DataView(new ArrayBuffer(2 * PIECE_SAMPLES));
    this.filled = 0;
  }

  process([input]) {
    for (const sample of input[0] ?? []) {
      const level = Math.max(-1, Math.min(1, sample));
      this.piece.setInt16(2 * this.filled, Math.round(level * 32767), true);
      this.filled += 1;
      if (this.filled === PIECE_SAMPLES) {
        this.port.postMessage(this.piece.buffer, [this.piece.buffer]);
        this.begin();
      }
    }
    return true;
  }
}

registerProcessor("pcm", Pcm);
