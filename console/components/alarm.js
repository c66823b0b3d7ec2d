// The alarm bar. Every page of the console loads this before Streamlit itself, and it hangs on the document's body: no rerun,
// slow script or error takes it away. Everything it shows comes from the shared worker's feed; when the feed is dead, it says so.
const TITLE_MARK = /^\(\d+!\) /;
const WHY = {
  unreachable: "the api cannot be reached",
  silent: "the api has gone silent",
  console: "this console cannot be reached",
};

function el(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

class Alarm {
  constructor() {
    this.status = null;      // the api's last answer
    this.skew = 0;           // ms to add to this clock to get the api's
    this.down = null;        // {why, since}
    this.strips = new Set();
    this.audio = null;
    this.beepsUntil = 0;
    this.bar = document.createElement("div");
    this.bar.id = "tripwarden-alarm";
    this.bar.setAttribute("role", "alert");
    this.bar.setAttribute("data-react-aria-top-layer", "true");  // an open dialog makes everything else deaf to clicks
    this.bar.hidden = true;
    document.body.prepend(this.bar);
    this.page = document.createElement("style");
    document.head.append(this.page);
    new MutationObserver(() => this.badge()).observe(
      document.head, { childList: true, subtree: true, characterData: true });
    document.addEventListener("pointerdown", () => this.unlock(), true);
    document.addEventListener("keydown", () => this.unlock(), true);
    setInterval(() => this.render(), 500);
    this.listen();
  }

  listen() {
    const hear = (message) => this.hear(message);
    if (window.SharedWorker) {
      this.worker = new SharedWorker("/assets/live_worker.js", { name: "tripwarden-live" });
      this.worker.port.onmessage = (event) => hear(event.data);
      this.worker.port.start();
      this.worker.port.postMessage("hello");
      window.addEventListener("pagehide", () => this.worker.port.postMessage("bye"));
      window.addEventListener("pageshow", () => this.worker.port.postMessage("hello"));
      return;
    }
    const source = new EventSource("/live");
    for (const kind of ["status", "beat", "down", "signed-out"]) {
      source.addEventListener(kind, (event) => hear({ kind, data: JSON.parse(event.data || "{}"), at: Date.now() }));
    }
    source.onerror = () => hear({ kind: "down", data: { why: "console" }, at: Date.now() });
  }

  hear(message) {
    if (message.kind === "signed-out") {
      location.href = "/sign-in?why=ended&to=" + encodeURIComponent(location.pathname);
      return;
    }
    if (message.kind === "down") {
      this.down = this.down || { why: message.data.why, since: message.at };
    } else {
      this.down = null;
      if (message.kind === "status") {
        this.status = message.data;
        if (message.data.at) this.skew = Date.parse(message.data.at) - message.at;
      }
    }
    this.render();
    this.sound();
  }

  waiting() { return (this.status && this.status.incidents && this.status.incidents.unacknowledged) || 0; }
  newest() { return (this.status && this.status.incidents && this.status.incidents.newest) || null; }
  isMuted() {
    const newest = this.newest();  // muting is for this incident only; the next one sounds again
    return localStorage.getItem("tripwarden-muted") === (newest ? newest.id : "");
  }

  badge() {
    const plain = document.title.replace(TITLE_MARK, "");
    const wanted = this.waiting() ? `(${this.waiting()}!) ${plain}` : plain;
    if (document.title !== wanted) document.title = wanted;
  }

  render() {
    this.badge();
    const late = this.down && Date.now() - this.down.since > 4000;
    const state = this.waiting() ? "alarm" : late ? "deaf" : "";
    this.bar.hidden = !state;
    this.bar.dataset.state = state;
    const push = state ? ".stApp{top:44px !important}" : "";
    if (this.page.textContent !== push + BAR_CSS) this.page.textContent = push + BAR_CSS;
    if (state === "alarm") this.renderAlarm(late);
    if (state === "deaf") this.renderDeaf();
    for (const strip of this.strips) strip.render(this);
  }

  renderAlarm(late) {
    const newest = this.newest() || {};
    const key = `${this.waiting()}|${newest.id}|${this.isMuted()}|${late}|${this.locked()}`;
    if (this.bar.dataset.key !== key) {
      this.bar.dataset.key = key;
      const count = this.waiting() === 1 ? "1 emergency waits" : `${this.waiting()} emergencies wait`;
      const link = el("a", "", "Open emergencies");
      link.href = "/emergencies" + (newest.id ? `?incident=${encodeURIComponent(newest.id)}` : "");
      const mute = el("button", "", this.isMuted() ? "Sound is off for this one" : "Mute this one");
      mute.onclick = () => {
        localStorage.setItem("tripwarden-muted", this.isMuted() ? "" : newest.id || "");
        this.silence();
        this.render();
      };
      const trip = newest.trip_id ? `Trip ${newest.trip_id.slice(-6)}` : "";
      this.bar.replaceChildren(
        el("strong", "", `${count} for an answer`), el("span", "", trip), el("span", "next"), link, mute,
        el("span", "soft", late ? "The alarm feed is down: this may be old." : this.locked() ? "Click anywhere to allow sound." : ""));
    }
    const due = newest.next_due ? Math.round((Date.parse(newest.next_due) - Date.now() - this.skew) / 1000) : null;
    this.bar.querySelector(".next").textContent =
      due === null ? "" : due > 0 ? `Next step in ${due} s` : "Next step is being taken";
  }

  renderDeaf() {
    const since = new Date(this.down.since).toLocaleTimeString();
    const key = `deaf|${this.down.since}`;
    if (this.bar.dataset.key === key) return;
    this.bar.dataset.key = key;
    this.bar.replaceChildren(
      el("strong", "", "The alarm feed is down"),
      el("span", "", `since ${since}: ${WHY[this.down.why] || this.down.why}. An emergency would not show here. Trying again.`));
  }

  locked() { return !this.audio || this.audio.state !== "running"; }

  unlock() {
    if (!this.audio && window.AudioContext) this.audio = new AudioContext();
    if (this.audio && this.audio.state === "suspended") this.audio.resume();
  }

  // Tones are laid ahead on the audio clock at every sign of life of the feed: timers of a hidden tab are slowed, this is not.
  sound() {
    if (!this.waiting() || this.isMuted() || this.locked()) { this.silence(); return; }
    const now = this.audio.currentTime;
    for (let at = Math.max(now, this.beepsUntil); at < now + 14; at += 2) {
      this.beep(at, 880);
      this.beep(at + 0.22, 660);
      this.beepsUntil = at + 2;
    }
  }

  beep(at, hertz) {
    const tone = this.audio.createOscillator();
    const loud = this.audio.createGain();
    tone.frequency.value = hertz;
    loud.gain.setValueAtTime(0, at);
    loud.gain.linearRampToValueAtTime(0.25, at + 0.02);
    loud.gain.linearRampToValueAtTime(0, at + 0.18);
    tone.connect(loud).connect(this.audio.destination);
    tone.start(at);
    tone.stop(at + 0.2);
    (this.tones = this.tones || new Set()).add(tone);
    tone.onended = () => this.tones.delete(tone);
  }

  silence() {
    for (const tone of this.tones || []) tone.stop();
    this.beepsUntil = 0;
  }
}

const BAR_CSS = `
#tripwarden-alarm { position: fixed; inset: 0 0 auto 0; height: 44px; z-index: 1000002; display: flex; gap: 1.2rem; align-items: center;
  padding: 0 1rem; font: 15px/1 "Source Sans", system-ui, sans-serif; color: #fff; background: #a31515; }
#tripwarden-alarm[hidden] { display: none; }
#tripwarden-alarm[data-state=deaf] { background: #6d4300; }
#tripwarden-alarm a, #tripwarden-alarm button { font: inherit; color: #fff; background: transparent; border: 1px solid #fff; border-radius: 4px;
  padding: .4rem .7rem; text-decoration: none; cursor: pointer; }
#tripwarden-alarm a { background: #fff; color: #8c0f0f; font-weight: 600; }
#tripwarden-alarm .next { font-variant-numeric: tabular-nums; min-width: 9.5rem; }
#tripwarden-alarm a:focus-visible, #tripwarden-alarm button:focus-visible { outline: 3px solid #ffd54a; outline-offset: 2px; }
@media (prefers-reduced-motion: no-preference) {
  #tripwarden-alarm[data-state=alarm] { animation: tripwarden-breathe 2s ease-in-out infinite; }
  @keyframes tripwarden-breathe { 50% { background: #7f0f0f; } }
}`;

window.tripwardenAlarm = window.tripwardenAlarm || new Alarm();
