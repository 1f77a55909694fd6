'use strict';
const run = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);
const chart = $('chart'), overview = $('overview');
const css = name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
const FAMILIES = { network: '#d9822b', crash: '#c22f3d', pause: '#8456c9', clock: '#1793a5', disk: '#94762f', service: '#c2418a' };
const KINDS = [
  ['http', 'requests', m => m.kind === 'http'], ['append', 'appends', m => m.kind === 'append'],
  ['read', 'reads', m => m.kind === 'read'], ['event', 'events', e => e.kind === 'event'],
  ['bank', 'bank', e => e.kind.startsWith('bank')], ['bus', 'bus', e => e.kind === 'published' || e.kind === 'delivered'],
  ['shard', 'shards', e => e.kind === 'shard'], ['threads', 'saga threads', () => false], ['faults', 'faults', () => false],
];
const first = Math.min(run.phases.chaosAtUs, ...run.messages.slice(0, 1).map(m => m.from), ...run.events.slice(0, 1).map(e => e.at));
let last = Math.max(run.phases.healedAtUs, run.phases.quietAtUs || 0);
for (const m of run.messages) last = Math.max(last, m.to);
for (const e of run.events) last = Math.max(last, e.at);
const many = run.messages.length > 4000;
const shown = { http: true, append: true, read: !many, event: true, bank: true, bus: !many, shard: true, threads: true, faults: true };
const lanesShown = run.lanes.map(() => true);
let view = { from: first, to: last }, query = '', picked = null, hovered = null, shapes = [];

const seconds = t => ((t - run.phases.chaosAtUs) / 1e6).toFixed(view.to - view.from < 2e5 ? 5 : 3) + ' s';
const hue = id => { let h = 7; for (const c of id) h = (h * 31 + c.charCodeAt(0)) >>> 0; return (h % 997) / 997 * 360; };
const threadColour = (id, alpha) => `hsl(${hue(id)} 62% ${matchMedia('(prefers-color-scheme: dark)').matches ? 66 : 44}% / ${alpha})`;
const matches = thing => !query || (thing.saga || thing.id || '').includes(query) || (thing.label || '').toLowerCase().includes(query);
const kindOn = thing => KINDS.some(([key, , is]) => shown[key] && is(thing));

function geometry() {
  const width = chart.clientWidth, height = chart.clientHeight, left = 78, top = 26;
  const visible = run.lanes.map((_, i) => i).filter(i => lanesShown[i]);
  const each = (height - top - 6) / Math.max(1, visible.length);
  const y = {};
  visible.forEach((lane, row) => { y[lane] = top + each * (row + 0.5); });
  const x = t => left + (t - view.from) / (view.to - view.from) * (width - left - 8);
  const time = px => view.from + (px - left) / (width - left - 8) * (view.to - view.from);
  return { width, height, left, top, each, y, x, time, visible };
}

function sharp(canvas) {
  const ratio = devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
  if (canvas.width !== w * ratio || canvas.height !== h * ratio) { canvas.width = w * ratio; canvas.height = h * ratio; }
  const pen = canvas.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, w, h);
  return pen;
}

function axis(pen, g) {
  const span = view.to - view.from, rough = span / Math.max(2, (g.width - g.left) / 110);
  const power = Math.pow(10, Math.floor(Math.log10(rough)));
  const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= rough);
  pen.font = '11px system-ui'; pen.fillStyle = css('soft'); pen.strokeStyle = css('line'); pen.lineWidth = 1;
  const zero = run.phases.chaosAtUs;
  for (let t = zero + Math.ceil((view.from - zero) / step) * step; t <= view.to; t += step) {
    const x = g.x(t);
    pen.beginPath(); pen.moveTo(x, 16); pen.lineTo(x, g.height); pen.stroke();
    pen.fillText(((t - zero) / 1e6).toFixed(Math.max(0, -Math.floor(Math.log10(step / 1e6)))) + ' s', x + 3, 12);
  }
}

function phases(pen, g) {
  const marks = [['chaos', run.phases.chaosAtUs], ['healed', run.phases.healedAtUs], ['quiet', run.phases.quietAtUs]];
  pen.font = '600 11px system-ui';
  let free = -1e9;
  for (const [name, t] of marks) {
    if (t == null || t < view.from || t > view.to) continue;
    const x = g.x(t);
    pen.strokeStyle = pen.fillStyle = css(name === 'chaos' ? 'bad' : 'good'); pen.lineWidth = 1.5;
    pen.beginPath(); pen.moveTo(x, 0); pen.lineTo(x, g.height); pen.stroke();
    const at = Math.max(x + 4, free);
    pen.fillText(name, at, 23); free = at + pen.measureText(name).width + 8;
  }
}

function lanes(pen, g) {
  g.visible.forEach((lane, row) => {
    if (row % 2 === 0) { pen.fillStyle = css('lane'); pen.fillRect(0, g.y[lane] - g.each / 2, g.width, g.each); }
  });
}

function laneNames(pen, g) {
  pen.fillStyle = css('ground'); pen.fillRect(0, 0, g.left - 4, g.height);
  pen.font = '600 12px system-ui';
  for (const lane of g.visible) {
    pen.fillStyle = css('ink'); pen.fillText(run.lanes[lane], 12, g.y[lane] + 4);
  }
}

// Each fault has a row of its own in its lane while others are under way there.
const rows = (() => {
  const ends = {};
  return run.faults.map(f => {
    let row = 0;
    const free = r => f.lanes.every(l => ((ends[l] = ends[l] || [])[r] || 0) <= f.from);
    while (!free(row)) row++;
    for (const l of f.lanes) ends[l][row] = f.to;
    return row;
  });
})();

// First the bands, below everything; last their labels, above everything.
function faults(pen, g, labels) {
  if (!shown.faults) return;
  pen.font = '10.5px system-ui';
  run.faults.forEach((f, index) => {
    if (f.to < view.from || f.from > view.to) return;
    const x0 = Math.max(g.left, g.x(f.from)), x1 = Math.max(x0 + 2, g.x(f.to)), colour = FAMILIES[f.family];
    for (const lane of f.lanes) {
      if (!(lane in g.y)) continue;
      const top = g.y[lane] - g.each / 2, row = top + 2 + (rows[index] % Math.max(1, Math.floor(g.each / 14))) * 14;
      pen.fillStyle = colour;
      if (!labels) { pen.globalAlpha = picked && picked.thing === f ? 0.3 : 0.12; pen.fillRect(x0, top, x1 - x0, g.each); continue; }
      pen.globalAlpha = 0.92; pen.fillRect(x0, row, x1 - x0, 12.5);
      pen.globalAlpha = 1; pen.fillStyle = '#fff'; pen.save(); pen.beginPath(); pen.rect(x0, row, x1 - x0, 12.5); pen.clip();
      if (x1 - x0 > 26) pen.fillText(f.label, x0 + 4, row + 9.5);
      pen.restore();
      shapes.push({ thing: f, box: [x0, row, x1, row + 12.5], rank: 1 });
    }
  });
  pen.globalAlpha = 1;
}

function messages(pen, g) {
  const colours = { yes: css('soft'), no: css('odd'), lost: css('bad') };
  const crowd = faint(run.messages.filter(m => m.to >= view.from && m.from <= view.to && kindOn(m)).length, 900);
  for (const m of run.messages) {
    if (m.to < view.from || m.from > view.to || !kindOn(m) || !(m.by in g.y) || !(m.at in g.y)) continue;
    const strong = query ? matches(m) : false;
    if (query && !strong && view.to - view.from > 5e6) continue;
    const x0 = g.x(m.from), x1 = g.x(m.to), y0 = g.y[m.by], y1 = g.y[m.at], mid = (x0 + x1) / 2;
    const isPicked = picked && picked.thing === m;
    pen.strokeStyle = isPicked ? css('accent') : strong && m.saga ? threadColour(m.saga, 1) : colours[m.end];
    pen.globalAlpha = isPicked || strong ? 1 : query ? 0.08 : Math.max(0.05, (m.end === 'yes' ? 0.3 : 0.7) * crowd);
    pen.lineWidth = isPicked ? 2.5 : strong ? 1.6 : 0.8;
    pen.setLineDash(m.end === 'lost' ? [4, 3] : []);
    pen.beginPath(); pen.moveTo(x0, y0); pen.lineTo(mid, y1); if (x1 - x0 > 1) pen.lineTo(x1, y0); pen.stroke();
    if (!query || strong) shapes.push({ thing: m, lines: [[x0, y0, mid, y1], [mid, y1, x1, y0]], rank: 2 });
  }
  pen.setLineDash([]); pen.globalAlpha = 1;
}

// What there is much of is drawn fainter.
const faint = (count, plenty) => Math.min(1, Math.sqrt(plenty / Math.max(1, count)));

function threads(pen, g) {
  if (!shown.threads) return;
  const crowd = faint(run.sagas.filter(s => s.way[s.way.length - 1][0] >= view.from && s.way[0][0] <= view.to).length, 60);
  for (const saga of run.sagas) {
    if (saga.way[saga.way.length - 1][0] < view.from || saga.way[0][0] > view.to) continue;
    const strong = query && saga.id.includes(query);
    if (query && !strong) continue;
    pen.strokeStyle = threadColour(saga.id, strong ? 0.95 : Math.max(0.12, 0.55 * crowd)); pen.lineWidth = strong ? 2.4 : 1.1;
    pen.beginPath();
    let open = false, before = null; const lines = [];
    for (const [t, lane] of saga.way) {
      if (!(lane in g.y)) continue;
      const p = [g.x(t), g.y[lane]];
      if (open) { pen.lineTo(...p); lines.push([...before, ...p]); } else pen.moveTo(...p);
      open = true; before = p;
    }
    pen.stroke();
    shapes.push({ thing: { kind: 'saga', label: 'saga ' + saga.id + ' — last event ' + saga.end, saga: saga.id, at: saga.way[0][0], detail: { id: saga.id, lastEvent: saga.end } }, lines, rank: 3 });
  }
}

function events(pen, g) {
  const colours = { event: css('accent'), bankDone: css('good'), bankSame: css('soft'), bankNo: css('bad'), published: '#8456c9', delivered: '#8456c988', shard: css('odd') };
  for (const e of run.events) {
    if (e.at < view.from || e.at > view.to || !kindOn(e) || !(e.lane in g.y)) continue;
    if (query && !matches(e)) continue;
    const x = g.x(e.at), y = g.y[e.lane], isPicked = picked && picked.thing === e, r = isPicked ? 5.5 : 2.8;
    pen.fillStyle = query && e.saga ? threadColour(e.saga, 1) : colours[e.kind];
    pen.beginPath();
    if (e.kind === 'shard') { pen.moveTo(x, y - 5); pen.lineTo(x + 5, y + 4); pen.lineTo(x - 5, y + 4); pen.closePath(); }
    else if (e.kind.startsWith('bank')) pen.rect(x - r, y - r, 2 * r, 2 * r);
    else pen.arc(x, y, r, 0, 7);
    pen.fill();
    if (isPicked) { pen.strokeStyle = css('ink'); pen.lineWidth = 1.5; pen.stroke(); }
    shapes.push({ thing: e, point: [x, y], rank: 0 });
  }
}

let waiting = false;
function redraw() { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; paint(); }); } }

function paint() {
  const g = geometry(), pen = sharp(chart);
  shapes = [];
  lanes(pen, g); axis(pen, g); faults(pen, g, false); messages(pen, g); threads(pen, g); events(pen, g); faults(pen, g, true); phases(pen, g); laneNames(pen, g);
  paintOverview();
}

const density = (() => {
  const bins = 600, counts = new Array(bins).fill(0), bad = new Array(bins).fill(0);
  const bin = t => Math.min(bins - 1, Math.max(0, Math.floor((t - first) / Math.max(1, last - first) * bins)));
  for (const m of run.messages) { counts[bin(m.from)]++; if (m.end === 'lost') bad[bin(m.to)]++; }
  for (const e of run.events) counts[bin(e.at)]++;
  const busy = counts.filter(n => n).sort((a, b) => a - b);
  return { bins, counts, bad, most: Math.max(1, busy[Math.floor(busy.length * 0.97)] || 1) };
})();

function paintOverview() {
  const pen = sharp(overview), w = overview.clientWidth, h = overview.clientHeight;
  const x = t => (t - first) / Math.max(1, last - first) * w;
  run.faults.forEach(f => {
    pen.globalAlpha = 0.4; pen.fillStyle = FAMILIES[f.family];
    const order = Object.keys(FAMILIES).indexOf(f.family);
    pen.fillRect(x(f.from), 2 + order * 3, Math.max(1.5, x(f.to) - x(f.from)), 2.4);
  });
  pen.globalAlpha = 1;
  for (let i = 0; i < density.bins; i++) {
    const tall = Math.min(1, density.counts[i] / density.most) * (h - 24);
    pen.fillStyle = css('soft'); pen.fillRect(i / density.bins * w, h - tall, w / density.bins + 0.5, tall);
    if (density.bad[i]) { pen.fillStyle = css('bad'); pen.fillRect(i / density.bins * w, h - 4, Math.max(1.5, w / density.bins), 4); }
  }
  pen.strokeStyle = css('accent'); pen.lineWidth = 1.5; pen.fillStyle = css('accent'); pen.globalAlpha = 0.1;
  pen.fillRect(x(view.from), 0, Math.max(3, x(view.to) - x(view.from)), h); pen.globalAlpha = 1;
  pen.strokeRect(x(view.from), 1, Math.max(3, x(view.to) - x(view.from)), h - 2);
}

function nearest(px, py) {
  let best = null, least = 9;
  for (const s of shapes) {
    let distance = 99;
    if (s.point) distance = Math.hypot(px - s.point[0], py - s.point[1]) - 4;
    else if (s.box) distance = px >= s.box[0] && px <= s.box[2] && py >= s.box[1] && py <= s.box[3] ? 3 : 99;
    else for (const line of s.lines) distance = Math.min(distance, toLine(px, py, line) + s.rank);
    if (distance < least) { least = distance; best = s; }
  }
  return best;
}

function toLine(px, py, [x0, y0, x1, y1]) {
  const dx = x1 - x0, dy = y1 - y0, l = dx * dx + dy * dy;
  const t = l ? Math.max(0, Math.min(1, ((px - x0) * dx + (py - y0) * dy) / l)) : 0;
  return Math.hypot(px - x0 - t * dx, py - y0 - t * dy);
}

const moment = thing => thing.from ?? thing.at;
function element(name, text, parent) { const e = document.createElement(name); if (text != null) e.textContent = text; if (parent) parent.append(e); return e; }

function pick(thing, move) {
  picked = { thing };
  if (move) centre(moment(thing), thing.to ?? moment(thing));
  const box = $('detail'); box.replaceChildren();
  element('h2', thing.label, box);
  const list = element('dl', null, box);
  const row = (name, value) => { element('dt', name, list); element('dd', value, list); };
  row(thing.to != null ? 'from' : 'at', seconds(moment(thing)));
  if (thing.to != null) { row('to', seconds(thing.to)); row('took', ((thing.to - thing.from) / 1e3).toFixed(3) + ' ms'); }
  if (thing.by != null) row('between', run.lanes[thing.by] + ' and ' + run.lanes[thing.at]);
  if (thing.saga) {
    element('dt', 'saga', list);
    const b = element('button', thing.saga, element('dd', null, list));
    b.onclick = () => search(query === thing.saga ? '' : thing.saga);
  }
  element('pre', JSON.stringify(thing.detail, null, 2), box);
  redraw();
}

function centre(from, to) {
  const span = Math.min(view.to - view.from, Math.max((to - from) * 6, 2e6)), middle = (from + to) / 2;
  look(middle - span / 2, middle + span / 2);
}

function look(from, to) {
  const span = Math.min(Math.max(to - from, 200), last - first + 2e6);
  const start = Math.max(first - 1e6, Math.min(from, last + 1e6 - span));
  view = { from: start, to: start + span }; redraw();
}

function search(text) {
  $('saga').value = text; query = text.trim().toLowerCase();
  story(); redraw();
}

function story() {
  const box = $('found'); box.replaceChildren();
  if (!query) { broken(box); return; }
  const all = [...run.messages, ...run.events].filter(thing => kindOn(thing) && matches(thing)).sort((a, b) => moment(a) - moment(b));
  element('h2', all.length + ' things of ' + query, box);
  const list = element('ul', null, box); list.id = 'story';
  for (const thing of all.slice(0, 500)) {
    const item = element('li', null, list);
    element('time', seconds(moment(thing)), item);
    item.append(query.length === 36 ? thing.label.replaceAll(query, '…' + query.slice(-5)) : thing.label);
    item.onclick = () => pick(thing, true);
  }
}

function broken(box) {
  const section = (title, notes) => {
    if (!notes.length) return;
    element('h2', title, box);
    for (const note of notes.slice(0, 60)) {
      const item = element('div', null, box); item.className = 'broken';
      element('b', note.oracle ? note.oracle + ': ' + note.what : note.what, item);
      if (note.detail) element('small', note.detail, item);
      if (note.saga) item.onclick = () => search(note.saga);
    }
  };
  section('Broken promises', run.violations);
  section('Undone', run.undone.map(what => ({ what })));
  section('Crashes', run.crashes.map(what => ({ what })));
  const details = element('details', null, box);
  element('summary', 'Settings of this seed, and faults that bit', details);
  element('pre', JSON.stringify({ knobs: run.knobs, bites: run.bites }, null, 2), details);
}

function controls() {
  $('title').textContent = run.scenario + ' · seed ' + run.seed;
  $('verdict').textContent = run.verdict; $('verdict').className = run.failed ? 'failed' : '';
  $('stats').textContent = `${run.messages.length} requests · ${run.events.length} events · ${run.sagas.length} sagas · ${run.faults.length} faults · ${((last - first) / 1e6).toFixed(1)} simulated seconds`;
  const check = (parent, name, on, set) => {
    const label = element('label', null, parent), input = element('input', null, label);
    input.type = 'checkbox'; input.checked = on; label.append(name);
    input.onchange = () => { set(input.checked); story(); redraw(); };
  };
  for (const [key, name] of KINDS) check($('kinds'), name, shown[key], on => { shown[key] = on; });
  run.lanes.forEach((name, i) => check($('lanes'), name, true, on => { lanesShown[i] = on; }));
  for (const saga of run.sagas.slice(0, 3000)) { const o = element('option', saga.end, $('sagas')); o.value = saga.id; }
  $('saga').oninput = () => search($('saga').value);
  $('fit').onclick = () => look(first - 2e5, last + 2e5);
  $('zoomIn').onclick = () => zoom(0.5); $('zoomOut').onclick = () => zoom(2);
}

function zoom(factor, around = (view.from + view.to) / 2) {
  look(around - (around - view.from) * factor, around + (view.to - around) * factor);
}

function mouse() {
  let grabbed = null, moved = false;
  const place = event => { const r = chart.getBoundingClientRect(); return [event.clientX - r.left, event.clientY - r.top]; };
  chart.onwheel = event => {
    event.preventDefault();
    const g = geometry(), [px] = place(event);
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const by = (event.deltaX || event.deltaY) / g.width * (view.to - view.from);
      look(view.from + by, view.to + by);
    } else zoom(Math.exp(event.deltaY * 0.0018), g.time(px));
  };
  chart.onpointerdown = event => { grabbed = { x: event.clientX, from: view.from, to: view.to }; moved = false; chart.setPointerCapture(event.pointerId); };
  chart.onpointermove = event => {
    const [px, py] = place(event);
    if (grabbed && Math.abs(event.clientX - grabbed.x) > 3) {
      moved = true; chart.classList.add('moving');
      const by = (grabbed.x - event.clientX) / (geometry().width - 86) * (grabbed.to - grabbed.from);
      look(grabbed.from + by, grabbed.to + by);
      return;
    }
    hovered = nearest(px, py); tip(px, py);
  };
  chart.onpointerup = event => {
    grabbed = null; chart.classList.remove('moving');
    if (moved) return;
    const hit = nearest(...place(event));
    if (hit) pick(hit.thing); else { picked = null; redraw(); }
  };
  chart.ondblclick = event => { const hit = nearest(...place(event)); if (hit && hit.thing.saga) search(query ? '' : hit.thing.saga); else if (query) search(''); };
  chart.onpointerleave = () => { hovered = null; $('tip').hidden = true; };
  let sliding = false;
  const slide = event => {
    const r = overview.getBoundingClientRect(), t = first + (event.clientX - r.left) / r.width * (last - first), span = view.to - view.from;
    look(t - span / 2, t + span / 2);
  };
  overview.onpointerdown = event => { sliding = true; overview.setPointerCapture(event.pointerId); slide(event); };
  overview.onpointermove = event => { if (sliding) slide(event); };
  overview.onpointerup = () => { sliding = false; };
  overview.onwheel = event => { event.preventDefault(); zoom(Math.exp(event.deltaY * 0.0018)); };
}

function tip(px, py) {
  const box = $('tip');
  box.hidden = !hovered;
  if (!hovered) return;
  box.replaceChildren();
  element('time', seconds(moment(hovered.thing)) + '  ', box); box.append(hovered.thing.label);
  box.style.left = Math.min(px + 14, chart.clientWidth - box.offsetWidth - 8) + 'px';
  box.style.top = Math.max(2, Math.min(py + 14, chart.clientHeight - box.offsetHeight - 8)) + 'px';
}

document.onkeydown = event => {
  if (event.target.tagName === 'INPUT' && event.target.type !== 'checkbox') { if (event.key === 'Escape') search(''); return; }
  const span = view.to - view.from;
  const keys = {
    '0': () => look(first - 2e5, last + 2e5), '+': () => zoom(0.6), '=': () => zoom(0.6), '-': () => zoom(1.7),
    ArrowLeft: () => look(view.from - span / 8, view.to - span / 8), ArrowRight: () => look(view.from + span / 8, view.to + span / 8),
    Escape: () => search(''), '/': () => { event.preventDefault(); $('saga').focus(); },
  };
  if (keys[event.key]) keys[event.key]();
};
onresize = redraw;
matchMedia('(prefers-color-scheme: dark)').onchange = redraw;
controls(); mouse(); broken($('found')); look(first - 2e5, last + 2e5);
// #text in the address searches for it, so that a saga of a run can be sent to somebody.
if (location.hash.length > 1) search(decodeURIComponent(location.hash.slice(1)));
else if (run.violations.some(v => v.saga)) search(run.violations.find(v => v.saga).saga);
const things = query ? [...run.messages, ...run.events].filter(matches) : [];
if (things.length) {
  const from = Math.min(...things.map(moment)), to = Math.max(...things.map(t => t.to ?? moment(t)));
  look(from - (to - from) * 0.15 - 1e5, to + (to - from) * 0.15 + 1e5);
}
