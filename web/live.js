// The page /live: sends what the microphone hears to WS /v1/stream, and shows the text that comes back. What the server
// and the browser say is shown as text, never as markup.

const WANTED_RATE = 16000;
// Audio that is kept for a server that does not answer: longer than a session without its client lives.
const KEPT_SECONDS = 60;
const RECONNECT_WITHIN_MS = 30_000;
const RETRY_MS = 1000;
const MOST_BUFFERED = 256 * 1024;
// A connection that broke, or whose server is going down: the session may go on over another one.
const BROKEN = [1001, 1006, 1012];

const element = (id) => document.getElementById(id);
const [controls, button, state, error, text, partial] =
    ["controls", "button", "state", "error", "text", "partial"].map(element);

/** The microphone, as 16-bit samples, 100 ms at a time. */
class Microphone {
    static async open(cleaning, { heard, lost }) {
        const sound = { channelCount: 1, echoCancellation: cleaning, noiseSuppression: cleaning, autoGainControl: cleaning };
        const microphone = new Microphone();
        microphone.stream = await navigator.mediaDevices.getUserMedia({ audio: sound });
        try {
            await microphone.connect(heard);
        } catch (failure) {
            await microphone.release();
            throw failure;
        }
        microphone.stream.getAudioTracks()[0].addEventListener("ended", lost);
        return microphone;
    }

    async connect(heard) {
        let source;
        try {
            this.context = new AudioContext({ sampleRate: WANTED_RATE });
            source = this.context.createMediaStreamSource(this.stream);
        } catch {
            // Some browsers do not resample a microphone: the server does.
            await this.context?.close();
            this.context = new AudioContext();
            source = this.context.createMediaStreamSource(this.stream);
        }
        await this.context.audioWorklet.addModule("/recorder.js");
        const options = { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" };
        this.recorder = new AudioWorkletNode(this.context, "recorder", options);
        this.rest = new Promise((resolve) => {
            this.recorder.port.onmessage = ({ data }) => (data === null ? resolve() : heard(data));
        });
        source.connect(this.recorder);
        await this.context.resume();
    }

    get rate() {
        return this.context.sampleRate;
    }

    /** Resolves when the last sample was handed over. */
    async close() {
        this.recorder.port.postMessage("end");
        await Promise.race([this.rest, new Promise((resolve) => setTimeout(resolve, 500))]);
        await this.release();
    }

    async release() {
        this.stream.getTracks().forEach((track) => track.stop());
        await this.context?.close();
    }
}

/** One session with the server, which outlives its connections. */
class Session {
    constructor(key, config, show) {
        Object.assign(this, { key, config, show });
        this.chunks = [];
        this.heard = 0;
        this.lastSeq = 0;
        this.connect();
    }

    connect() {
        const address = new URL("/v1/stream", location.href);
        address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
        this.ready = false;
        this.socket = new WebSocket(address, this.key ? ["bearer", this.key] : []);
        this.socket.onopen = () => this.socket.send(JSON.stringify(this.begin()));
        this.socket.onmessage = ({ data }) => this.receive(JSON.parse(data));
        this.socket.onclose = ({ code }) => this.closed(code);
    }

    begin() {
        return this.id ? { ...this.config, session_id: this.id, last_seq: this.lastSeq } : this.config;
    }

    receive(message) {
        if (message.error) {
            // What comes in a session that goes on does not end it.
            this.refused = !this.ready;
            this.show.error(message.error);
        }
        if (message.status === "ready") {
            this.id = message.session_id;
            this.ready = true;
            this.brokenAt = undefined;
            this.sent = message.received_samples ?? 0;
            this.stopSent = false;
            this.show.listening();
            this.drain();
        }
        // What came before the connection broke may come again after it.
        if (message.seq && message.seq <= this.lastSeq) return;
        this.lastSeq = message.seq ?? this.lastSeq;
        if (message.language) this.show.language(message.language);
        if (message.text) this.show.text(message.text);
        if (message.partial !== undefined) this.show.partial(message.partial);
        if (message.is_final) this.over = true;
    }

    hear(samples) {
        this.chunks.push({ start: this.heard, samples });
        this.heard += samples.length;
        while (this.chunks[0].start < this.heard - KEPT_SECONDS * this.config.sample_rate) this.chunks.shift();
        this.drain();
    }

    /** Sends what the server lacks, as far as the connection takes it. */
    drain() {
        if (!this.ready || this.stopSent) return;
        if (this.chunks.length && this.chunks[0].start > this.sent) {
            this.show.error("The connection is too slow: more than a minute of sound was waiting. The session has ended.");
            this.finish();
            return;
        }
        for (const { start, samples } of this.chunks) {
            if (start + samples.length <= this.sent) continue;
            if (this.socket.bufferedAmount > MOST_BUFFERED) break;
            this.socket.send(samples.subarray(this.sent - start));
            this.sent = start + samples.length;
        }
        if (!this.stopping) return;
        if (this.sent < this.heard) {
            setTimeout(() => this.drain(), 100);
            return;
        }
        this.stopSent = true;
        this.socket.send(JSON.stringify({ action: "stop" }));
    }

    /** All was heard: the rest of the text is waited for. */
    stop() {
        this.stopping = true;
        this.drain();
    }

    /** Nobody waits for the rest of the text. */
    leave() {
        if (this.ready) this.socket.send(JSON.stringify({ action: "stop" }));
    }

    async closed(code) {
        this.ready = false;
        if (this.over || this.refused || this.finished) {
            this.finish();
            return;
        }
        this.brokenAt ??= Date.now();
        if (this.id && BROKEN.includes(code) && Date.now() - this.brokenAt < RECONNECT_WITHIN_MS) {
            this.show.broken();
            setTimeout(() => this.connect(), RETRY_MS);
            return;
        }
        this.show.error(this.id ? "The connection was lost, and with it the end of the text." : await reason(this.key));
        this.finish();
    }

    finish() {
        if (this.finished) return;
        this.finished = true;
        this.socket.close();
        this.show.finished();
    }
}

/** Why the server refused a session, which a browser does not tell a page. */
async function reason(key) {
    try {
        const answer = await fetch("/v1/usage", { headers: key ? { Authorization: `Bearer ${key}` } : {} });
        if (!answer.ok) return `The server refused the session: ${(await answer.json()).error}`;
    } catch {
        return "The server cannot be reached.";
    }
    return "The server does not take another session now. Please try again in a moment.";
}

/** What the browser says to a page that may not hear, in words for people. */
function unheard(failure) {
    const reasons = {
        NotAllowedError: "The browser was not allowed to use the microphone.",
        NotFoundError: "There is no microphone.",
        NotReadableError: "The microphone is there, but cannot be used: another program may have it.",
    };
    return reasons[failure.name] ?? `The microphone cannot be used: ${failure.message}`;
}

let session;
let microphone;

const show = {
    state: (words) => { state.textContent = words; },
    error: (words) => {
        error.textContent = words;
        error.hidden = false;
    },
    listening: () => show.state(session?.stopping ? "waiting for the last words" : "listening"),
    broken: () => show.state("the connection broke; trying to connect again"),
    language: (code) => { text.lang = partial.lang = code; },
    partial: (words) => { partial.textContent = words; },
    text: (words) => {
        const paragraph = document.createElement("p");
        paragraph.dir = "auto";
        paragraph.textContent = words;
        text.append(paragraph);
    },
    finished: async () => {
        const opened = microphone;
        session = microphone = undefined;
        partial.textContent = "";
        await opened?.release();
        button.disabled = false;
        button.textContent = "Start";
        show.state("not listening");
    },
};

async function start() {
    error.hidden = true;
    text.replaceChildren();
    button.disabled = true;
    show.state("asking for the microphone");
    try {
        const heard = (samples) => session?.hear(samples);
        microphone = await Microphone.open(element("cleaning").checked, { heard, lost: stop });
    } catch (failure) {
        show.error(unheard(failure));
        await show.finished();
        return;
    }
    show.state("connecting");
    const config = { language: element("language").value, sample_rate: microphone.rate, resume: true };
    try {
        session = new Session(element("key").value.trim(), config, show);
    } catch {
        show.error("The API key holds characters that no key has.");
        await show.finished();
        return;
    }
    button.disabled = false;
    button.textContent = "Stop";
}

async function stop() {
    if (!microphone || button.disabled) return;
    button.disabled = true;
    show.state("waiting for the last words");
    const [opened, stopped] = [microphone, session];
    microphone = undefined;
    await opened.close();
    stopped.stop();
}

async function listLanguages() {
    const answer = await fetch("/v1/languages");
    const { languages } = await answer.json();
    for (const { code, name } of languages) element("language").append(new Option(name, code));
}

controls.addEventListener("submit", (event) => {
    event.preventDefault();
    if (session) stop();
    else start();
});
addEventListener("pagehide", () => session?.leave());
if (new URLSearchParams(location.search).has("raw")) element("cleaning").checked = false;
if (isSecureContext && navigator.mediaDevices) {
    listLanguages().catch(() => show.error("The list of languages cannot be read; the language will be detected."));
} else {
    button.disabled = true;
    show.error(
        "Browsers give a page the microphone only over HTTPS, or on the machine itself: put a proxy with a certificate "
        + `before the server, or open http://localhost:${location.port || 80}/live where it runs.`,
    );
}
