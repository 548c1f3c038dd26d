const LANE = 20; // pixels, for a lane with one track
const TRACK = 8; // more pixels for each further track
const THICK = 10; // the bars of a lane with one track, in pixels
const THIN = 6; // the bars of a lane with more tracks
const MOST_TRACKS = 8;
const GUTTER = 170; // for the names of the lanes
const AXIS = 20;
const ROW = 24; // as in the style
const MOST_TEXT = 200_000;
const MOST_HEX = 16 << 10;
const MOST_MESSAGES = 500;
const PHASES = ["connect", "send", "wait", "receive"];

const at = (id) => document.getElementById(id);
// A HAR of another program may have anything where a list or a number is expected.
window.addEventListener("error", ({ message }) => document.body.prepend(`This file cannot be shown: ${message}`));
const log = JSON.parse(at("har").textContent).log;

// --- The HAR, as the page needs it. Every browser leaves out different fields.

/** Milliseconds since the epoch, with their fraction: Date takes three digits of it. */
function instant(text) {
  const fraction = /\.\d+/.exec(text ?? "");
  if (!fraction) return Date.parse(text);
  return Date.parse(text.replace(fraction[0], "")) + Number(fraction[0]) * 1000;
}

const lasted = (...times) => times.reduce((sum, time) => sum + (time > 0 ? time : 0), 0);

function readRow(entry) {
  const { request = {}, response = {}, timings = {} } = entry;
  const lengths = [
    lasted(timings.blocked, timings.dns, timings.connect),
    lasted(timings.send),
    lasted(timings.wait),
    lasted(timings.receive),
  ];
  const begin = instant(entry.startedDateTime);
  return {
    entry,
    lengths,
    begin,
    end: begin + lengths.reduce((sum, one) => sum + one, 0),
    method: request.method ?? "",
    target: targetOf(request.url ?? ""),
    status: response.status ?? 0,
    type: (response.content?.mimeType ?? "").split(";")[0],
    size: response.content?.size ?? response.bodySize ?? -1,
    faults: entry._faults ?? [],
    wrong: wrongWith(entry),
  };
}

function targetOf(url) {
  return /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*(.+)$/i.exec(url)?.[1] ?? url;
}

/** In a few words, what is wrong with the exchange: its details may say more. */
function wrongWith(entry) {
  if (entry._nearMisses) return "unanswered";
  if (entry._refused) return "refused";
  if (entry._faults?.length) return entry._faults.map((fault) => fault.name).join(", ");
  return entry._error ?? entry.response?._error ?? "";
}

/** The connections in the order in which they were opened, each with its exchanges. */
function readLanes() {
  const found = new Map();
  for (const server of log._servers ?? []) {
    for (const one of server.connections) {
      found.set(`${server.name} ${one.index}`, {
        name: `${one.index} · ${server.name.replace(/^https?:\/\//, "")}`,
        rows: [],
        opened: instant(one.opened),
        closed: one.closed ? instant(one.closed) : null,
        how: one.how,
        reset: one.how?.includes("RST"),
        faults: one.faults,
        error: one.error,
      });
    }
  }
  for (const row of rows) {
    const { connection, _server, serverIPAddress, request } = row.entry;
    const host = _server ?? /^[a-z]+:\/\/[^/?#]*/i.exec(request?.url ?? "")?.[0] ?? serverIPAddress ?? "";
    const key = `${host} ${connection ?? ""}`;
    if (!found.has(key)) {
      const name = [connection, host.replace(/^https?:\/\//, "")].filter(Boolean).join(" · ");
      found.set(key, { name, rows: [], opened: row.begin, closed: null, faults: [] });
    }
    row.lane = found.get(key);
    row.lane.rows.push(row);
  }
  return [...found.values()].sort((one, other) => one.opened - other.opened);
}

/** Give exchanges that overlap on a connection separate tracks; returns the height of all lanes. */
function layOut() {
  let top = AXIS;
  for (const lane of lanes) {
    const ends = [];
    for (const row of lane.rows) {
      let track = ends.findIndex((end) => end <= row.begin);
      if (track < 0) track = Math.min(ends.length, MOST_TRACKS - 1);
      ends[track] = row.end;
      row.track = track;
    }
    lane.top = top;
    lane.bar = ends.length > 1 ? THIN : THICK;
    lane.height = LANE + Math.max(ends.length - 1, 0) * TRACK;
    top += lane.height;
  }
  return top;
}

const rows = (log.entries ?? []).map(readRow).sort((one, other) => one.begin - other.begin);
rows.forEach((row, index) => (row.number = index + 1));
const lanes = readLanes();
const depth = layOut();
const [page = {}] = log.pages ?? [];
const times = [
  ...rows.flatMap((row) => [row.begin, row.end, ...(row.entry._webSocketMessages ?? []).map(({ time }) => time * 1000)]),
  ...lanes.map((lane) => lane.closed ?? lane.opened),
];
if (!times.length) times.push(instant(page.startedDateTime));
const began = times.reduce((first, time) => Math.min(first, time), lanes[0]?.opened ?? times[0]);
const ended = times.reduce((last, time) => Math.max(last, time));

let shown = rows;
let chosen = null;

// --- Words.

function span(time) {
  if (Math.abs(time) < 1) return `${Math.round(time * 1000)} µs`;
  return Math.abs(time) < 1000 ? `${time.toFixed(1)} ms` : `${(time / 1000).toFixed(2)} s`;
}

function size(bytes) {
  if (bytes < 0) return "";
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1 << 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

const count = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

/** An element. Its content is always text: nothing that was on the wire is ever taken for HTML. */
function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

// --- The lanes.

const lanesBox = at("lanes");
const canvas = lanesBox.querySelector("canvas");
const pen = canvas.getContext("2d");
let view = whole();
let drag = null;

function whole() {
  const margin = Math.max((ended - began) * 0.02, 0.01);
  return { from: began - margin, to: ended + margin };
}

const width = () => canvas.clientWidth - GUTTER - 10;
const xOf = (time) => GUTTER + ((time - view.from) / (view.to - view.from)) * width();
const timeAt = (x) => view.from + ((x - GUTTER) / width()) * (view.to - view.from);

const palette = {};

/** The colours of the theme, read from an element: a canvas cannot see CSS variables. */
function readPalette() {
  const probe = make("span");
  document.body.append(probe);
  for (const name of ["paper", "shade", "line", "ink", "faint", "chosen", ...PHASES, "fault"]) {
    probe.style.color = `var(--${name})`;
    palette[name] = getComputedStyle(probe).color;
  }
  probe.remove();
}

function drawLanes() {
  const ratio = devicePixelRatio;
  const [wide, high] = [lanesBox.clientWidth, lanesBox.clientHeight];
  canvas.style.width = `${wide}px`;
  canvas.style.height = `${high}px`;
  if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
    [canvas.width, canvas.height] = [Math.round(wide * ratio), Math.round(high * ratio)];
  }
  lanesBox.lastElementChild.style.height = `${Math.max(depth - high, 0)}px`;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, wide, high);
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const past = lanesBox.scrollTop;
  const among = shown === rows ? null : new Set(shown);
  lanes.forEach((lane, index) => {
    const top = lane.top - past;
    if (top + lane.height < 0 || top > high) return;
    pen.fillStyle = index % 2 ? palette.paper : palette.shade;
    pen.fillRect(0, top, wide, lane.height);
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, top, wide - GUTTER, lane.height);
    pen.clip();
    drawLane(lane, top, among);
    pen.restore();
    pen.fillStyle = lane.error ? palette.fault : palette.faint;
    pen.fillText(lane.name, 12, top + LANE / 2, GUTTER - 20);
  });
  drawAxis(wide);
  if (drag && Math.abs(drag.to - drag.from) > 3) {
    pen.globalAlpha = 0.25;
    pen.fillStyle = palette.send;
    pen.fillRect(Math.min(drag.from, drag.to), 0, Math.abs(drag.to - drag.from), high);
    pen.globalAlpha = 1;
  }
}

function drawLane(lane, top, among) {
  const closed = lane.closed ?? ended;
  pen.fillStyle = palette.line;
  pen.fillRect(xOf(lane.opened), top + LANE / 2, Math.max(xOf(closed) - xOf(lane.opened), 1), 1);
  for (const row of lane.rows) {
    if (row.end < view.from || row.begin > view.to) continue;
    pen.globalAlpha = among && !among.has(row) ? 0.2 : 1;
    drawBar(row, top + 5 + row.track * TRACK);
  }
  pen.globalAlpha = 1;
  if (lane.closed !== null) drawEnd(xOf(lane.closed), top + LANE / 2, lane.reset);
  if (lane.faults.length || lane.error) drawFault(xOf(lane.opened), top + LANE / 2);
}

function drawBar(row, y) {
  const [height, left] = [row.lane.bar, xOf(row.begin)];
  const right = Math.max(xOf(row.end), left + 2);
  let x = left;
  row.lengths.forEach((length, phase) => {
    const next = phase === 3 ? right : x + ((right - left) * length) / (row.end - row.begin || 1);
    if (next > x) {
      pen.fillStyle = palette[PHASES[phase]];
      pen.fillRect(x, y, next - x, height);
    }
    x = next;
  });
  if (row.status === 0 || row.wrong === "unanswered" || row.wrong === "refused") {
    pen.fillStyle = palette.fault;
    pen.fillRect(left, y + height - 2, right - left, 2);
  }
  for (const message of row.entry._webSocketMessages ?? []) {
    pen.fillStyle = palette[message.type === "send" ? "send" : "receive"];
    pen.fillRect(xOf(message.time * 1000) - 1, message.type === "send" ? y - 3 : y + height - 3, 2, 6);
  }
  for (const fault of row.faults) drawFault(placeOf(fault, left, right, row), y + height / 2);
  if (row === chosen) {
    pen.strokeStyle = palette.ink;
    pen.lineWidth = 2;
    pen.strokeRect(left - 1.5, y - 1.5, right - left + 3, height + 3);
  }
}

/** A fault is drawn at its phase; only the text says how far into the phase it came. */
function placeOf(fault, left, right, row) {
  const [connect, send, wait] = row.lengths;
  const share = (time) => left + ((right - left) * time) / (row.end - row.begin || 1);
  if (fault.phase.startsWith("request")) return share(connect + send);
  if (fault.phase === "response_head") return share(connect + send + wait);
  return fault.phase.startsWith("response") || fault.phase === "message" || fault.phase === "close" ? right : left;
}

function drawFault(x, y) {
  pen.fillStyle = palette.fault;
  pen.strokeStyle = palette.paper;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.arc(x, y, 4, 0, 2 * Math.PI);
  pen.fill();
  pen.stroke();
}

function drawEnd(x, y, reset) {
  pen.strokeStyle = reset ? palette.fault : palette.faint;
  pen.lineWidth = 1.5;
  pen.beginPath();
  if (reset) {
    pen.moveTo(x - 3, y - 3);
    pen.lineTo(x + 3, y + 3);
    pen.moveTo(x - 3, y + 3);
    pen.lineTo(x + 3, y - 3);
  } else {
    pen.moveTo(x, y - 4);
    pen.lineTo(x, y + 4);
  }
  pen.stroke();
}

function drawAxis(wide) {
  pen.fillStyle = palette.paper;
  pen.fillRect(0, 0, wide, AXIS);
  const rough = (view.to - view.from) / Math.max(width() / 110, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= rough);
  for (let time = Math.ceil((view.from - began) / step) * step; time <= view.to - began; time += step) {
    const x = xOf(began + time);
    pen.fillStyle = palette.line;
    pen.fillRect(x, 0, 1, canvas.clientHeight);
    pen.fillStyle = palette.faint;
    pen.fillText(Math.abs(time) < step / 2 ? "0" : span(time), x + 4, AXIS / 2);
  }
}

function zoom(times, around = (view.from + view.to) / 2) {
  const most = whole();
  const from = around - (around - view.from) / times;
  const to = around + (view.to - around) / times;
  if (to - from < 0.001) return;
  view = { from: Math.max(from, most.from), to: Math.min(to, most.to) };
  drawLanes();
}

function pan(by) {
  const most = whole();
  by = Math.min(Math.max(by, most.from - view.from), most.to - view.to);
  view = { from: view.from + by, to: view.to + by };
  drawLanes();
}

function laneAt(y) {
  return lanes.find((one) => y + lanesBox.scrollTop >= one.top && y + lanesBox.scrollTop < one.top + one.height);
}

/** The exchange under the pointer, or next to it: a bar may be only two pixels wide. */
function rowAt(x, y) {
  const lane = laneAt(y);
  let [found, nearest] = [null, 5];
  for (const row of lane?.rows ?? []) {
    const beside = Math.max(xOf(row.begin) - x, x - Math.max(xOf(row.end), xOf(row.begin) + 2), 0);
    const above = Math.abs(lane.top + 10 + row.track * TRACK - y - lanesBox.scrollTop) / 100; // of equals, the track
    if (beside + above < nearest) [found, nearest] = [row, beside + above];
  }
  return found;
}

canvas.addEventListener("pointerdown", (event) => {
  drag = { from: event.offsetX, to: event.offsetX };
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointermove", (event) => {
  if (drag) {
    drag.to = event.offsetX;
    drawLanes();
  } else {
    const row = rowAt(event.offsetX, event.offsetY);
    canvas.title = row ? `${row.method} ${row.target}\n${row.status || "no answer"}, ${span(row.end - row.begin)}` : "";
  }
});
canvas.addEventListener("pointerup", (event) => {
  const { from, to } = drag;
  drag = null;
  if (Math.abs(to - from) > 3) {
    const [left, right] = [timeAt(Math.min(from, to)), timeAt(Math.max(from, to))];
    if (right - left > 0.001) view = { from: left, to: right };
    drawLanes();
    return;
  }
  const [row, lane] = [rowAt(event.offsetX, event.offsetY), laneAt(event.offsetY)];
  if (row) choose(row);
  else if (lane) showConnection(lane);
});
canvas.addEventListener("pointercancel", () => (drag = null));
canvas.addEventListener("dblclick", () => {
  view = whole();
  drawLanes();
});
canvas.addEventListener(
  "wheel",
  (event) => {
    if (event.ctrlKey || event.metaKey) zoom(event.deltaY < 0 ? 1.3 : 1 / 1.3, timeAt(event.offsetX));
    else if (event.shiftKey || event.deltaX) pan(((event.deltaX || event.deltaY) / width()) * (view.to - view.from));
    else return; // the lanes scroll
    event.preventDefault();
  },
  { passive: false },
);
lanesBox.addEventListener("scroll", drawLanes);

// --- The list. Only the visible rows have elements.

const list = at("list");
const space = list.firstElementChild;

function drawList() {
  const first = Math.max(Math.floor(list.scrollTop / ROW) - 5, 0);
  const last = Math.min(first + Math.ceil(list.clientHeight / ROW) + 10, shown.length);
  space.style.height = `${shown.length * ROW}px`;
  space.replaceChildren(...shown.slice(first, last).map((row, offset) => drawRow(row, first + offset)));
  if (chosen) list.setAttribute("aria-activedescendant", `row-${chosen.number}`);
  else list.removeAttribute("aria-activedescendant");
}

function drawRow(row, place) {
  const target = make("span", { className: "target", title: row.entry.request?.url ?? "" }, row.target);
  if (row.wrong) target.append(make("span", {}, `  ${row.wrong}`));
  const option = make(
    "div",
    { id: `row-${row.number}`, role: "option", ariaSelected: String(row === chosen) },
    make("span", { className: "number" }, String(row.number)),
    make("span", { className: "number start" }, span(row.begin - began)),
    make("span", {}, row.method),
    target,
    make("span", { className: `status-${Math.floor(row.status / 100)}` }, row.status ? String(row.status) : "—"),
    make("span", { className: "type wide" }, row.type),
    make("span", { className: "number wide" }, size(row.size)),
    make("span", { className: "number" }, span(row.end - row.begin)),
  );
  option.ariaPosInSet = place + 1;
  option.ariaSetSize = shown.length;
  option.style.top = `${place * ROW}px`;
  option.addEventListener("click", () => choose(row));
  return option;
}

list.addEventListener("scroll", drawList);

function choose(row) {
  chosen = row;
  at("details").hidden = row === null;
  if (row) {
    showDetails(row);
    const top = shown.indexOf(row) * ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
    bringIntoView(row);
  }
  drawList();
  drawLanes();
}

function bringIntoView(row) {
  const { top, height } = row.lane;
  if (top - AXIS < lanesBox.scrollTop) lanesBox.scrollTop = top - AXIS;
  else if (top + height > lanesBox.scrollTop + lanesBox.clientHeight) lanesBox.scrollTop = top + height - lanesBox.clientHeight;
  if (row.end < view.from || row.begin > view.to) pan(row.begin - (view.from + view.to) / 2);
}

/** Choose the row that many places further on among these. */
function go(by, among = shown) {
  if (!among.length) return;
  const place = among.indexOf(chosen);
  choose(among[place < 0 ? 0 : Math.min(Math.max(place + by, 0), among.length - 1)]);
}

// --- The details of an exchange.

function showDetails(row) {
  const { request = {}, response = {} } = row.entry;
  const details = at("details");
  details.scrollTop = 0;
  details.replaceChildren(
    make("h2", {}, `${row.method} ${request.url ?? ""}`),
    facts(row),
    ...wrongs(row.entry),
    ...section("Timing", phases(row)),
    ...messages(row.entry._webSocketMessages),
    ...section("Request headers", table(request.headers)),
    ...body("Request body", request.postData, request.postData?._encoding ?? request.postData?.encoding),
    ...section("Response headers", table(response.headers)),
    ...body("Response body", response.content, response.content?.encoding),
  );
}

function showConnection(lane) {
  choose(null);
  at("details").hidden = false;
  const said = [
    ["opened", `at ${span(lane.opened - began)}`],
    ["ended", [lane.how, lane.closed === null ? "" : `at ${span(lane.closed - began)}`].filter(Boolean).join(", ")],
    ["exchanges", count(lane.rows.length, "exchange")],
    ["in trouble", troubleOf(lane)],
  ];
  at("details").replaceChildren(make("h2", {}, `Connection ${lane.name}`), namedTable(said));
  drawList();
}

const troubleOf = (lane) => [lane.error, ...lane.faults].filter(Boolean).join("; ");

function namedTable(said) {
  return table(said.filter(([, value]) => value).map(([name, value]) => ({ name, value })));
}

function section(title, content) {
  return content ? [make("h3", {}, title), content] : [];
}

function facts(row) {
  const { entry } = row;
  const said = [
    ["status", `${row.status || "no answer"} ${entry.response?.statusText ?? ""}`],
    ["protocol", entry.response?.httpVersion || entry.request?.httpVersion],
    ["answered by", entry._route],
    ["connection", [row.lane.name, entry._stream && `stream ${entry._stream}`, row.lane.how].filter(Boolean).join(", ")],
  ];
  return namedTable(said);
}

function wrongs(entry) {
  const faults = (entry._faults ?? []).map((fault) => fault.name);
  return [
    ...section("Near misses", entry._nearMisses ? make("pre", {}, entry._nearMisses) : null),
    ...section("Faults", faults.length ? make("div", { className: "wrong" }, faults.join("\n")) : null),
    ...section("What was noted", entry.comment ? make("div", { className: "wrong" }, entry.comment) : null),
  ];
}

function table(pairs) {
  if (!pairs?.length) return null;
  const line = ({ name, value }) => make("tr", {}, make("td", {}, name), make("td", {}, String(value ?? "")));
  return make("table", {}, make("tbody", {}, ...pairs.map(line)));
}

function phases(row) {
  const bar = make("div", { className: "phases" });
  PHASES.forEach((name, index) => {
    const part = make("div", { className: name, title: `${name} ${span(row.lengths[index])}` });
    part.style.flexGrow = row.lengths[index];
    bar.append(part);
  });
  const words = { connect: "connecting", send: "request", wait: "waiting", receive: "answer" };
  const said = PHASES.flatMap((name, index) => (row.lengths[index] ? `${words[name]} ${span(row.lengths[index])}` : []));
  return make("div", {}, bar, make("div", {}, `at ${span(row.begin - began)}: ${said.join(", ") || "no time at all"}`));
}

function messages(given) {
  if (!given?.length) return [];
  const line = ({ type, time, opcode, data }) =>
    make(
      "tr",
      {},
      make("td", {}, `${span(time * 1000 - began)} ${type === "send" ? "→ server" : "← server"}`),
      make("td", {}, opcode === 2 ? hex(bytesOf(data, "base64").subarray(0, 256)) : shortened(data)),
    );
  const place = make("div");
  const show = (all) => {
    const [some, rest] = [all ? given : given.slice(0, MOST_MESSAGES), all ? 0 : given.length - MOST_MESSAGES];
    place.replaceChildren(make("table", {}, make("tbody", {}, ...some.map(line))), ...(rest > 0 ? [more(`${rest} more`)] : []));
    place.querySelector(".more")?.addEventListener("click", () => show(true));
  };
  show(false);
  return section(count(given.length, "message"), place);
}

const shortened = (text) => (text.length > 2000 ? `${text.slice(0, 2000)} … ${text.length - 2000} more characters` : text);

// --- Bodies.

function bytesOf(text, encoding) {
  return encoding === "base64" ? Uint8Array.from(atob(text), (one) => one.charCodeAt(0)) : new TextEncoder().encode(text);
}

function hex(bytes) {
  const lines = [];
  for (let place = 0; place < bytes.length; place += 16) {
    const part = [...bytes.subarray(place, place + 16)];
    const digits = part.map((one) => one.toString(16).padStart(2, "0")).join(" ");
    const text = part.map((one) => (one > 31 && one < 127 ? String.fromCharCode(one) : ".")).join("");
    lines.push(`${place.toString(16).padStart(6, "0")}  ${digits.padEnd(47)}  ${text}`);
  }
  return lines.join("\n");
}

/** JSON with line breaks. Numbers stay as they were sent: JavaScript would round long ones. */
function indented(text) {
  JSON.parse(text);
  let [result, depth] = ["", 0];
  const newLine = () => `\n${"  ".repeat(depth)}`;
  let before = "";
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    const opened = before === "{" || before === "[";
    if (token === "}" || token === "]") {
      depth -= 1;
      result += opened ? token : newLine() + token;
    } else {
      if (opened || before === ",") result += newLine();
      result += token === ":" ? ": " : token;
      if (token === "{" || token === "[") depth += 1;
    }
    before = token;
  }
  return result;
}

/** The ways to show a body, best first. */
function waysToShow(text, type, encoding) {
  const ways = {};
  const data = (kind) => `data:${kind};base64,${encoding === "base64" ? text : base64(bytesOf(text))}`;
  if (/^image\//.test(type)) ways.image = () => make("img", { src: data(type), alt: "The body as an image" });
  if (encoding !== "base64") {
    if (/^application\/x-www-form-urlencoded/.test(type)) {
      ways.form = () => table([...new URLSearchParams(text)].map(([name, value]) => ({ name, value }))) ?? make("pre");
    }
    if (/json/.test(type) || /^\s*[{[]/.test(text)) {
      try {
        const pretty = text.length > MOST_TEXT * 10 ? null : indented(text);
        if (pretty !== null) ways.json = (most) => limited(pretty, most, MOST_TEXT);
      } catch {
        // It claims to be JSON, or looks like it, but is not.
      }
    }
    ways.text = (most) => limited(text, most, MOST_TEXT);
  }
  ways.hex = (most) => {
    const bytes = bytesOf(text, encoding);
    const all = make("pre", { className: "hex" }, hex(most ? bytes : bytes.subarray(0, MOST_HEX)));
    return most || bytes.length <= MOST_HEX ? all : make("div", {}, all, more(`all ${size(bytes.length)}`));
  };
  return ways;
}

function base64(bytes) {
  let text = "";
  for (const one of bytes) text += String.fromCharCode(one);
  return btoa(text);
}

function limited(text, all, most) {
  if (all || text.length <= most) return make("pre", {}, text);
  return make("div", {}, make("pre", {}, text.slice(0, most)), more(`all ${count(text.length, "character")}`));
}

function more(what) {
  return make("button", { type: "button", className: "more" }, `Show ${what}`);
}

function body(title, content, encoding) {
  if (!content?.text) return [];
  const ways = waysToShow(content.text, (content.mimeType ?? "").toLowerCase(), encoding);
  const place = make("div");
  const head = make("h3", {}, title);
  const show = (name, all) => {
    place.replaceChildren(ways[name](all));
    place.querySelector(".more")?.addEventListener("click", () => show(name, true));
    head.querySelectorAll("button").forEach((button) => (button.ariaPressed = String(button.textContent === name)));
  };
  for (const name of Object.keys(ways)) {
    const button = make("button", { type: "button" }, name);
    button.addEventListener("click", () => show(name, false));
    head.append(button);
  }
  const length = content.size ?? bytesOf(content.text, encoding).length;
  head.append(make("span", { className: "note" }, [content.mimeType, size(length), content.comment].filter(Boolean).join(", ")));
  show(Object.keys(ways)[0], false);
  return [head, place];
}

// --- Search.

const search = at("search");

/** All the text of an exchange in lower case, made at the first search. */
function words(row) {
  if (row.words === undefined) {
    const { request = {}, response = {}, comment, _route } = row.entry;
    const fields = [...(request.headers ?? []), ...(response.headers ?? [])].map(({ name, value }) => `${name}: ${value}`);
    const bodies = [
      (request.postData?._encoding ?? request.postData?.encoding) === "base64" ? "" : request.postData?.text,
      response.content?.encoding === "base64" ? "" : response.content?.text,
    ];
    const said = (row.entry._webSocketMessages ?? []).map(({ opcode, data }) => (opcode === 1 ? data : ""));
    const all = [row.method, request.url, row.status, response.statusText, row.wrong, comment, _route, ...fields, ...bodies, ...said];
    row.words = all.join("\n").toLowerCase();
  }
  return row.words;
}

function find() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  shown = wanted.length ? rows.filter((row) => wanted.every((word) => words(row).includes(word))) : rows;
  at("found").textContent = wanted.length ? `${count(shown.length, "exchange")} found` : "";
  list.scrollTop = 0;
  if (chosen && !shown.includes(chosen)) choose(null);
  drawList();
  drawLanes();
}

search.addEventListener("input", find);

// --- Keys, theme, start.

// In the details, these keys scroll and press buttons as usual.
const SCROLLING = ["ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End", "Enter"];
const KEYS = {
  Enter: () => (chosen ? at("details").focus() : go(0)),
  ArrowDown: () => go(1),
  ArrowUp: () => go(-1),
  j: () => go(1),
  k: () => go(-1),
  PageDown: () => go(Math.floor(list.clientHeight / ROW)),
  PageUp: () => go(-Math.floor(list.clientHeight / ROW)),
  Home: () => choose(shown[0] ?? null),
  End: () => choose(shown.at(-1) ?? null),
  ArrowRight: () => (chosen ? go(1, chosen.lane.rows) : go(0)),
  ArrowLeft: () => (chosen ? go(-1, chosen.lane.rows) : go(0)),
  "/": () => search.select(),
  "+": () => zoom(1.5, chosen?.begin),
  "-": () => zoom(1 / 1.5, chosen?.begin),
  0: () => ((view = whole()), drawLanes()),
  t: changeTheme,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && event.target.closest("button, summary")) return; // it is pressed
  if (event.key === "Escape") {
    if (document.activeElement === search || !chosen) {
      search.value = "";
      find();
    } else {
      choose(null);
    }
    list.focus();
  } else if (document.activeElement === search) {
    if (event.key !== "Enter" && event.key !== "ArrowDown") return;
    list.focus();
    go(chosen ? 0 : 1);
  } else if (at("details").contains(document.activeElement) && SCROLLING.includes(event.key)) {
    return;
  } else if (KEYS[event.key]) {
    KEYS[event.key]();
  } else {
    return;
  }
  event.preventDefault();
});

function changeTheme() {
  const { dataset } = document.documentElement;
  const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  dataset.theme = (dataset.theme ?? preferred) === "dark" ? "light" : "dark";
  repaint();
}

function repaint() {
  readPalette();
  drawLanes();
}

/** The failures, and the connections in trouble: these may have no exchange that shows it. */
function showFailures() {
  const failures = log._failures ?? [];
  const troubled = lanes.filter(troubleOf).map((lane) => `Connection ${lane.name}: ${troubleOf(lane)}`);
  const said = [...failures, ...troubled];
  if (!said.length) return;
  const what = failures.length ? count(failures.length, "failure") : `${count(troubled.length, "connection")} in trouble`;
  const box = at("failures");
  box.hidden = false;
  box.firstElementChild.textContent = `${what}: ${said[0].split("\n")[0]}`;
  box.append(...said.map((text) => make("pre", {}, text)));
}

at("theme").addEventListener("click", changeTheme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
at("title").textContent = page.title || document.title;
at("outcome").textContent = at("outcome").dataset.outcome = log._outcome ?? "";
at("summary").textContent = [
  count(rows.length, "exchange"),
  count(lanes.length, "connection"),
  rows.length ? span(ended - began) : "",
  log.comment ?? "",
].filter(Boolean).join(", ");
showFailures();
new ResizeObserver(() => {
  drawLanes();
  drawList();
}).observe(lanesBox);
new ResizeObserver(drawList).observe(list);
lanesBox.style.height = `${Math.min(depth + 4, innerHeight * 0.3)}px`;
readPalette();
drawLanes();
drawList();
list.focus();
document.documentElement.dataset.ready = String(Math.round(performance.now()));
