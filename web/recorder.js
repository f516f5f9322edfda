// Runs on the browser's audio thread: gathers what the microphone gives, and hands it over as 16-bit samples, 100 ms at
// a time. Any message to it means: hand over the rest, and end.

class Recorder extends AudioWorkletProcessor {
    constructor() {
        super();
        this.begin();
        this.ending = false;
        this.port.onmessage = () => { this.ending = true; };
    }

    begin() {
        this.samples = new Int16Array(Math.round(sampleRate / 10));
        this.filled = 0;
    }

    handOver() {
        const samples = this.samples.slice(0, this.filled);
        this.port.postMessage(samples, [samples.buffer]);
        this.begin();
    }

    process([channels]) {
        for (const value of channels[0] ?? []) {
            this.samples[this.filled++] = Math.round(Math.max(-1, Math.min(1, value)) * 32767);
            if (this.filled === this.samples.length) this.handOver();
        }
        if (!this.ending) return true;
        this.handOver();
        this.port.postMessage(null);
        return false;
    }
}

registerProcessor("recorder", Recorder);
