// Streams samples by the official client: SERVER KEY SAMPLES. SAMPLES are raw, 16 kHz, 16 bits, mono, and sent as fast as
// they are spoken. The client has no way to say that the sound is over but an empty frame. Prints one JSON document.

const fs = require("node:fs");
const { createRequire } = require("node:module");

const { STTClient } = createRequire(`${process.cwd()}/`)("@sttainpm/sttai");

const [baseUrl, apiKey, file] = process.argv.slice(2);
const FRAME_BYTES = 3200;
const FRAME_MS = 100;

const samples = fs.readFileSync(file);
const events = { partial: [], transcript: [], message: [] };
const session = new STTClient({ apiKey, baseUrl }).stream(null, { language: "en" });
session.on("error", (error) => { throw error; });
for (const [name, list] of Object.entries(events)) session.on(name, (message) => list.push(message));
session.on("transcript", (message) => { if (message.final) session.close(); });
session.on("close", ({ code }) => process.stdout.write(JSON.stringify({ ...events, code })));
session.on("open", () => {
    let sent = 0;
    const timer = setInterval(() => {
        session.send(samples.subarray(sent, sent + FRAME_BYTES));
        if (sent >= samples.length) clearInterval(timer);
        sent += FRAME_BYTES;
    }, FRAME_MS);
});
