// The strip under the navigation: counts from the alarm bar's feed, who is signed in, and the way out.
function el(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

class Strip {
  constructor(root) {
    this.root = root.querySelector(".strip");
    this.counts = el("nav", "counts");
    this.who = el("div", "who");
    this.root.replaceChildren(this.counts, this.who);
  }

  person(data) {
    const form = el("form");
    form.method = "post";
    form.action = "/session/end";
    form.append(el("button", "", "Sign out"));
    this.who.replaceChildren(el("span", "", data.name), el("span", "role", data.role), form);
  }

  render(alarm) {
    const status = alarm.status;
    const text = JSON.stringify([status && status.incidents, status && status.review, status && status.trips, !!alarm.down]);
    if (text === this.shown) return;
    this.shown = text;
    if (!status) {
      this.counts.replaceChildren(el("span", "", alarm.down ? "The alarm feed is down" : "Connecting to the alarm feed"));
      return;
    }
    const { incidents = {}, review = {}, trips = {} } = status;
    this.counts.replaceChildren(
      el("span", incidents.unacknowledged ? "bad" : "",
        `Emergencies: ${incidents.open || 0} open, ${incidents.unacknowledged || 0} waiting`),
      el("span", review.overdue || review.urgent ? "warn" : "",
        `Review: ${review.open || 0} open, ${review.overdue || 0} overdue, ${review.urgent || 0} urgent`),
      el("span", "", `Live trips: ${trips.live || 0}`));
  }
}

export default function ({ data, parentElement }) {
  const strip = (parentElement.tripwardenStrip = parentElement.tripwardenStrip || new Strip(parentElement));
  strip.person(data);
  const ready = window.tripwardenAlarm ? Promise.resolve() : import("/assets/alarm.js");
  ready.then(() => { window.tripwardenAlarm.strips.add(strip); strip.render(window.tripwardenAlarm); });
  return () => {
    if (window.tripwardenAlarm) window.tripwardenAlarm.strips.delete(strip);
    parentElement.tripwardenStrip = undefined;
  };
}
