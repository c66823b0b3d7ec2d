// One alarm feed for all tabs of a browser: a browser allows six connections to one host, and a seventh tab with a feed
// of its own would freeze them all. A shared worker is also not slowed down when its tabs are hidden.
const ports = new Set();
let source = null;
let last = null;

function tell(message) {
  for (const port of ports) port.postMessage(message);
}

function open() {
  source = new EventSource("/live");
  for (const kind of ["status", "beat", "down", "signed-out"]) {
    source.addEventListener(kind, (event) => {
      const message = { kind, data: JSON.parse(event.data || "{}"), at: Date.now() };
      if (kind === "status" || kind === "down") last = message;
      if (kind === "beat" && last && last.kind === "down") last = null;
      if (kind === "signed-out") { source.close(); last = null; }
      tell(message);
    });
  }
  source.onerror = () => {
    last = { kind: "down", data: { why: "console" }, at: Date.now() };
    tell(last);
    if (source.readyState === EventSource.CLOSED) setTimeout(reopen, 2000);
  };
}

function reopen() {
  if (ports.size && (!source || source.readyState === EventSource.CLOSED)) open();
}

self.onconnect = (event) => {
  const port = event.ports[0];
  port.onmessage = (message) => {
    if (message.data === "bye") { ports.delete(port); return; }
    ports.add(port);
    reopen();
    if (last) port.postMessage(last);
  };
  port.start();
};
