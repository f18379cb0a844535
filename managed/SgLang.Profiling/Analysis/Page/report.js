"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const css = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const kinds = ["compute", "communication", "memory"];
const ms = us => (us / 1000).toLocaleString("en", { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const percent = share => (100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0) + " %";
const make = (tag, parent, text, className) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  if (parent) parent.append(node);
  return node;
};
const at = id => document.getElementById(id);
const total = rows => rows.reduce((sum, row) => sum + row.total_us, 0);

at("subtitle").textContent = data.files.join(", ") + " · " + data.events.toLocaleString("en") + " events" + (data.device_type ? " · " + data.device_type : "")
  + (data.ceiling_bytes_per_second ? " · ceiling " + data.ceiling_bytes_per_second / 1e9 + " GB/s, " + data.ceiling_flops_per_second / 1e12 + " TFLOP/s" : "");
for (const note of data.notes) make("li", at("notes"), note);

function card(value, label) {
  const box = make("div", at("cards"), undefined, "card");
  make("b", box, value);
  make("span", box, label);
}
if (data.steps.length) {
  const sorted = data.steps.map(step => step.device_us || step.host_us).sort((a, b) => a - b);
  card(data.steps.length, "steps");
  card(ms(sorted[sorted.length >> 1]) + " ms", "median step");
}
card(ms(total(data.operators)) + " ms", data.has_device_work ? "work of devices" : "own time of host operators");
for (const device of data.devices.slice(0, 4)) card(percent(device.busy_us / device.window_us), device.name + " busy");
if (data.has_device_work) card(percent(data.module_coverage), "of it with a known module");

function bar(parent, parts, whole) {
  const line = make("div", parent, undefined, "bar"), legend = make("div", parent, undefined, "legend");
  for (const [label, value, colour] of parts) {
    if (value > 0) Object.assign(make("i", line).style, { width: 100 * value / whole + "%", background: css(colour) });
    const item = make("span", legend);
    make("i", item).style.background = css(colour);
    item.append(label + " " + ms(value) + " ms (" + percent(whole ? value / whole : 0) + ")");
  }
}
if (!data.devices.length) at("idle").hidden = true;
for (const device of data.devices) {
  make("div", at("idle"), device.name + ", " + ms(device.window_us) + " ms from first to last work");
  bar(at("idle"), [["busy", device.busy_us, "compute"], ["idle: host", device.idle_host_us, "host"], ["idle: launch", device.idle_launch_us, "launch"],
    ["idle: synchronisation", device.idle_synchronisation_us, "wait"], ["idle: unknown", device.idle_unknown_us, "unknown"]], device.window_us);
  if (device.communication_us > 0) {
    bar(at("idle"), [["communication beside other work", device.overlapped_communication_us, "memory"], ["communication alone", device.exposed_communication_us, "communication"]], device.communication_us);
  }
}

// Sections that have nothing to show are hidden and have no width.
const width = () => document.querySelector("main").clientWidth - 48 - 34;
const axes = () => [{ stroke: css("dim"), grid: { stroke: css("line") }, ticks: { stroke: css("line") } }, { stroke: css("dim"), grid: { stroke: css("line") }, ticks: { stroke: css("line") }, size: 60 }];
if (!data.activity.devices.length) at("activity").hidden = true;
data.activity.devices.forEach((device, index) => {
  const slices = device[0].length, step = (data.activity.end_us - data.activity.start_us) / slices / 1000;
  const used = kinds.map((kind, k) => k).filter(k => k === 0 || device[k].some(share => share > 0));
  new uPlot({
    title: data.devices[index].name, width: width(), height: 180, scales: { x: { time: false }, y: { range: [0, 100] } }, axes: axes(),
    series: [{ label: "ms" }, ...used.map(k => ({ label: kinds[k] + " %", stroke: css(kinds[k]), fill: css(kinds[k]) + "55", width: 1, value: (_, v) => v == null ? "-" : v.toFixed(0) }))],
  }, [device[0].map((_, i) => i * step), ...used.map(k => device[k].map(share => 100 * share))], at("activity"));
});

if (!data.steps.length) at("steps").hidden = true;
else {
  new uPlot({
    width: width(), height: 200, scales: { x: { time: false } }, axes: axes(),
    series: [{ label: "step" },
      { label: "device ms", stroke: css("compute"), width: 1.5, points: { show: data.steps.length < 200 } },
      { label: "busy ms", stroke: css("memory"), width: 1.5, points: { show: false } },
      { label: "host ms", stroke: css("host"), width: 1, dash: [4, 3], points: { show: false } }],
  }, [data.steps.map((_, i) => i), data.steps.map(s => s.works ? s.device_us / 1000 : null), data.steps.map(s => s.works ? s.busy_us / 1000 : null), data.steps.map(s => s.host_us / 1000)], at("steps"));
  table(at("steps"), "", data.steps, [["step", r => r.name], ["start ms", r => r.start_us, ms], ["host ms", r => r.host_us, ms], ["device ms", r => r.device_us, ms],
    ["busy", r => r.device_us ? r.busy_us / r.device_us : 0, percent], ["communication", r => r.device_us ? r.communication_us / r.device_us : 0, percent], ["works", r => r.works, String]], 20);
}

function table(parent, title, rows, columns, shown) {
  if (!rows.length) return;
  if (title) make("h2", parent, title);
  const filter = make("input", parent);
  filter.placeholder = "filter";
  const grid = make("table", parent), head = make("tr", make("thead", grid)), body = make("tbody", grid), more = make("div", parent, "", "more");
  let order = -1, down = true, limit = shown;
  columns.forEach(([name], i) => {
    make("th", head, name).onclick = () => { down = order === i ? !down : true; order = i; draw(); };
  });
  filter.oninput = draw;
  more.onclick = () => { limit = Infinity; draw(); };
  function draw() {
    const wanted = filter.value.toLowerCase();
    let list = rows.filter(row => row.name.toLowerCase().includes(wanted));
    if (order >= 0) list = [...list].sort((a, b) => { const x = columns[order][1](a), y = columns[order][1](b); return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1); });
    body.replaceChildren();
    for (const row of list.slice(0, limit)) {
      const line = make("tr", body);
      for (const [, value, show, decorate] of columns) {
        const v = value(row), cell = make("td", line, v === undefined || v === null ? "-" : show ? show(v) : v);
        if (!show) cell.title = v;
        if (decorate) decorate(cell, row);
      }
    }
    more.textContent = list.length > limit ? (list.length - limit) + " more" : "";
  }
  draw();
}
function timeTable(title, rows) {
  if (!rows.length) return;
  const box = make("section", at("tables")), whole = total(rows);
  table(box, title, rows, [["name", r => r.name], ["ms", r => r.total_us, ms],
    ["share", r => r.total_us / whole, percent, (cell, r) => { const mark = make("span", undefined, undefined, "share"); mark.style.width = 60 * r.total_us / whole + "px"; cell.prepend(mark); }],
    ["count", r => r.count, String], ["mean us", r => r.mean_us, v => v.toFixed(2)], ["most us", r => r.most_us, v => v.toFixed(2)],
    ["GB/s", r => r.bytes ? r.bytes / r.bounded_us / 1e3 : undefined, v => v.toFixed(1)], ["TFLOP/s", r => r.flops ? r.flops / r.bounded_us / 1e6 : undefined, v => v.toFixed(2)],
    ["of roofline", r => r.roofline_share, percent]], 15);
}
timeTable("Modules", data.modules);
timeTable("Layers", data.layers);
timeTable("Operators", data.operators);
timeTable("Kernels", data.kernels);

if (data.diff) {
  at("diff").hidden = false;
  make("p", at("diff"), "Before: " + data.diff.other + ". " + (data.diff.is_slower ? "This trace is slower." : "This trace is not slower."), data.diff.is_slower ? "slower" : "hint");
  table(at("diff"), "", data.diff.rows, [["name", r => r.name], ["table", r => r.table, String], ["before us", r => r.before_us, v => v.toFixed(2)], ["after us", r => r.after_us, v => v.toFixed(2)],
    ["change", r => r.change, v => (v > 0 ? "+" : "") + (100 * v).toFixed(1) + " %"], ["noise", r => r.noise, percent], ["verdict", r => r.verdict, String, (cell, r) => cell.classList.add(r.verdict)]], 25);
}

drawTimeline();
function drawTimeline() {
  const spans = data.timeline.spans;
  if (!spans.length) { at("timeline").hidden = true; return; }
  at("timeline-title").textContent = data.timeline.title;
  const canvas = document.querySelector("#timeline canvas"), tip = at("tip"), rowHeight = 16, labels = 170;
  const rows = new Map(), heads = [];
  for (const span of [...spans].sort((a, b) => a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] - b[1])) {
    const key = span[0] + "\n" + span[1];
    if (!rows.has(key)) { if (!heads.length || heads[heads.length - 1].name !== span[0]) heads.push({ name: span[0], row: rows.size }); rows.set(key, rows.size); }
  }
  const colours = { Compute: "compute", Communication: "communication", Memory: "memory", Launch: "launch", Wait: "wait", Step: "host", Range: "unknown", Operator: "compute" };
  const end = spans.reduce((most, span) => Math.max(most, span[3] + span[4]), 0), begin = spans.reduce((least, span) => Math.min(least, span[3]), end);
  let from = begin, to = end, boxes = [];
  const height = rows.size * rowHeight + 24;
  function draw() {
    const scale = window.devicePixelRatio || 1, w = width();
    canvas.width = w * scale; canvas.height = height * scale; canvas.style.height = height + "px";
    const g = canvas.getContext("2d");
    g.scale(scale, scale);
    g.font = "11px system-ui, 'DejaVu Sans', sans-serif"; g.textBaseline = "middle";
    g.fillStyle = css("dim");
    for (let i = 0; i <= 6; i++) { const x = labels + (w - labels) * i / 6; g.fillText((from + (to - from) * i / 6).toFixed(1) + " us", Math.min(x, w - 62), 9); g.fillRect(x, 20, 1, height); }
    for (const head of heads) { g.fillStyle = css("line"); g.fillRect(0, 20 + head.row * rowHeight, w, 1); g.fillStyle = css("ink"); g.fillText(head.name, 2, 20 + head.row * rowHeight + rowHeight / 2, labels - 6); }
    boxes = [];
    g.save(); g.beginPath(); g.rect(labels, 20, w - labels, height); g.clip();
    for (const span of spans) {
      const x = labels + (span[3] - from) / (to - from) * (w - labels), wide = Math.max(0.7, span[4] / (to - from) * (w - labels));
      if (x + wide < labels || x > w) continue;
      const y = 21 + rows.get(span[0] + "\n" + span[1]) * rowHeight;
      g.fillStyle = css(colours[span[5]] || "unknown"); g.globalAlpha = 0.85; g.fillRect(x, y, wide, rowHeight - 2); g.globalAlpha = 1;
      if (wide > 40) { g.save(); g.beginPath(); g.rect(x, y, wide, rowHeight); g.clip(); g.fillStyle = "#fff"; g.fillText(span[2], Math.max(x, labels) + 3, y + rowHeight / 2 - 1); g.restore(); }
      boxes.push([x, y, wide, span]);
    }
    g.restore();
  }
  canvas.onwheel = e => { e.preventDefault(); const x = from + (to - from) * Math.max(0, e.offsetX - labels) / (width() - labels), f = e.deltaY > 0 ? 1.25 : 0.8; from = x - (x - from) * f; to = x + (to - x) * f; draw(); };
  let held = null;
  canvas.onmousedown = e => { held = e.offsetX; };
  window.addEventListener("mouseup", () => { held = null; });
  canvas.onmousemove = e => {
    if (held !== null) { const shift = (held - e.offsetX) * (to - from) / (width() - labels); from += shift; to += shift; held = e.offsetX; draw(); return; }
    const hit = boxes.findLast(([x, y, w, span]) => e.offsetX >= x && e.offsetX <= x + w && e.offsetY >= y && e.offsetY <= y + rowHeight - 2);
    tip.hidden = !hit;
    if (!hit) return;
    tip.textContent = hit[3][2] + " · " + hit[3][4].toFixed(3) + " us";
    tip.style.left = Math.min(e.offsetX + 20, width() - 300) + "px"; tip.style.top = canvas.offsetTop + e.offsetY + 16 + "px";
  };
  canvas.onmouseleave = () => { tip.hidden = true; };
  canvas.ondblclick = () => { from = begin; to = end; draw(); };
  window.addEventListener("resize", draw);
  draw();
}
