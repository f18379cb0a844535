const by = id => document.getElementById(id);
const keys = { api: sessionStorage.getItem('api-key') ?? '', admin: sessionStorage.getItem('admin-key') ?? '' };

// Every call of the page: the key that the path wants, and an error whose message people can read.
async function call(path, options = {}, isAdmin = false) {
  const key = isAdmin ? keys.admin || keys.api : keys.api;
  const headers = { ...(options.headers ?? {}), ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const response = await fetch(path, { ...options, headers });
  if (response.ok) return response;
  const text = await response.text();
  let message = text;
  try {
    const body = JSON.parse(text);
    message = body.message ?? body.error?.message ?? body.error ?? text;
  } catch { /* the text will do */ }
  const error = new Error(response.status === 401 ? 'The server wants a key.' : message || `${path} answered ${response.status}`);
  error.status = response.status;
  throw error;
}

let hasAsked = false;
function problem(error) {
  by('problem').hidden = error === null;
  if (error === null) return;
  by('problem').textContent = error.message;
  if (error.status === 401 && !hasAsked) {
    hasAsked = true;
    askForKeys();
  }
}

function askForKeys() {
  by('api-key').value = keys.api;
  by('admin-key').value = keys.admin;
  if (!by('key-dialog').open) by('key-dialog').showModal();
}
by('keys').addEventListener('click', askForKeys);
by('key-dialog').addEventListener('close', () => {
  if (by('key-dialog').returnValue !== 'ok') return;
  keys.api = by('api-key').value.trim();
  keys.admin = by('admin-key').value.trim();
  sessionStorage.setItem('api-key', keys.api);
  sessionStorage.setItem('admin-key', keys.admin);
  refresh();
});

const charts = {
  throughput: new Chart(by('charts'), 'Throughput (tokens/s)', ['generated', 'prompt'], plain),
  requests: new Chart(by('charts'), 'Requests', ['running', 'waiting'], plain),
  kv: new Chart(by('charts'), 'KV cache', ['in use'], percent),
  cache: new Chart(by('charts'), 'Prompt tokens from the prefix cache', ['share'], percent),
  first: new Chart(by('charts'), 'Time to first token, requests of the last minute', ['median', '95%'], duration),
  token: new Chart(by('charts'), 'Time per output token, requests of the last minute', ['median', '95%'], duration),
};

const tiles = {};
for (const name of ['Running', 'Waiting', 'KV cache', 'Generated / s', 'First token', 'Latency']) {
  const tile = document.createElement('div');
  tile.className = 'tile';
  tile.innerHTML = '<span class="quiet"></span><b>–</b><span class="quiet"></span>';
  tile.firstChild.textContent = name;
  by('tiles').append(tile);
  tiles[name] = (value, more) => {
    tile.children[1].textContent = value;
    tile.children[2].textContent = more;
  };
}

let last = null;
function show(now) {
  by('status').textContent = now.status;
  by('status').className = `pill ${now.status === 'ready' ? 'ready' : now.status === 'unhealthy' ? 'bad' : ''}`;
  by('model').textContent = `${now.model} · ${now.device} · ${now.version}`;
  const seconds = last === null ? 0 : now.time - last.time;
  const rate = name => seconds > 0 ? Math.max(0, now[name] - last[name]) / seconds : null;
  const generated = rate('generated_tokens'), computed = rate('prompt_tokens');
  const prompts = last === null ? 0 : now.prompt_tokens - last.prompt_tokens + now.cached_tokens - last.cached_tokens;
  const usage = now.used_tokens / now.max_total_tokens;
  const pair = quantiles => [quantiles?.p50 ?? null, quantiles?.p95 ?? null];
  charts.throughput.add(now.time, [generated, computed]);
  charts.requests.add(now.time, [now.running, now.waiting]);
  charts.kv.add(now.time, [usage]);
  charts.cache.add(now.time, [prompts > 0 ? (now.cached_tokens - last.cached_tokens) / prompts : null]);
  charts.first.add(now.time, pair(now.time_to_first_token));
  charts.token.add(now.time, pair(now.time_per_token));
  tiles.Running(now.running, `of ${now.max_running} at most`);
  tiles.Waiting(now.waiting, `${now.retracted} retracted so far`);
  tiles['KV cache'](percent(usage), `${plain(now.used_tokens)} of ${plain(now.max_total_tokens)} tokens`);
  tiles['Generated / s'](generated === null ? '–' : plain(generated), `${plain(now.generated_tokens)} tokens so far`);
  tiles['First token'](duration(now.time_to_first_token?.p50), `95%: ${duration(now.time_to_first_token?.p95)}`);
  tiles.Latency(duration(now.latency?.p50), `${plain(now.requests)} requests, ${now.aborted} aborted`);
  last = now;
}

async function refresh() {
  try {
    show(await (await call('/stats')).json());
    problem(null);
    await showRequests();
  } catch (error) {
    if (error instanceof TypeError) {
      by('status').textContent = 'not reachable';
      by('status').className = 'pill bad';
      last = null;
    } else problem(error);
  }
}

async function tick() {
  await refresh();
  setTimeout(tick, 1000);
}

by('profile').addEventListener('click', async () => {
  by('profile').disabled = true;
  try {
    await call('/start_profile', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ num_steps: 20 }) }, true);
    by('profile-state').textContent = 'recording: send requests';
    for (;;) {
      await new Promise(done => setTimeout(done, 700));
      const status = await (await call('/profile_status', {}, true)).json();
      const rank = status.ranks[0];
      if (status.state === 'idle') {
        by('profile-state').textContent = rank.last?.error ? `profile failed: ${rank.last.error}` : `profile: ${rank.last?.files?.join(', ') ?? 'nothing written'}`;
        break;
      }
      by('profile-state').textContent = `${status.state}: ${rank.steps_recorded ?? 0} of ${rank.num_steps ?? '?'} steps`;
    }
  } catch (error) {
    by('profile-state').textContent = `profile: ${error.message}`;
  }
  by('profile').disabled = false;
});

let chosen = null;
async function showRequests() {
  let list;
  try {
    list = (await (await call('/requests?limit=100', {}, true)).json()).requests;
  } catch (error) {
    if (error.status !== 401) throw error;
    by('rows').innerHTML = '<tr><td colspan="9">The administrator\'s key is needed to list requests: see Keys.</td></tr>';
    return;
  }
  by('rows').replaceChildren(...list.map(request => {
    const row = document.createElement('tr');
    row.className = request.rid === chosen ? 'chosen' : '';
    const name = document.createElement('button');
    name.textContent = request.rid;
    name.title = request.rid;
    const cells = [request.state, request.prompt_tokens, request.cached_tokens, request.output_tokens, duration(request.queue_time),
      duration(request.time_to_first_token), duration(request.latency), request.finish_reason ?? ''];
    row.insertCell().append(name);
    for (const cell of cells) row.insertCell().textContent = cell;
    row.addEventListener('click', () => { chosen = request.rid; showReport(); });
    return row;
  }));
}

async function showReport() {
  const box = by('report');
  box.hidden = false;
  try {
    const report = await (await call(`/requests/${encodeURIComponent(chosen)}`, {}, true)).json();
    box.replaceChildren(heading(`Time line of ${report.request.rid}`), ...bars(report), columns(report));
  } catch (error) {
    box.textContent = error.message;
  }
  for (const row of by('rows').rows) row.classList.toggle('chosen', row.cells[0].textContent === chosen);
}

function heading(text) {
  const title = document.createElement('h2');
  title.textContent = text;
  return title;
}

// One bar for the engine's phases, one for the sending of the answer, on the same scale.
function bars(report) {
  const end = Math.max(...report.phases.map(phase => phase.to), 1e-6);
  const bar = phases => {
    const element = document.createElement('div');
    element.className = 'bar';
    for (const phase of phases) {
      const part = document.createElement('span');
      part.style.left = `${100 * phase.from / end}%`;
      part.style.width = `${100 * (phase.to - phase.from) / end}%`;
      part.style.background = `var(--${phase.phase})`;
      part.title = `${phase.phase}: ${duration(phase.from)} to ${duration(phase.to)}`;
      element.append(part);
    }
    return element;
  };
  const key = document.createElement('div');
  key.className = 'key';
  for (const name of ['queued', 'prefill', 'decode', 'stalled', 'sent']) {
    const total = report.phases.filter(phase => phase.phase === name).reduce((sum, phase) => sum + phase.to - phase.from, 0);
    const entry = document.createElement('span');
    const swatch = document.createElement('i');
    swatch.style.background = `var(--${name})`;
    entry.append(swatch, `${name} ${duration(total)}`);
    key.append(entry);
  }
  return [bar(report.phases.filter(phase => phase.phase !== 'sent')), bar(report.phases.filter(phase => phase.phase === 'sent')), key];
}

function columns(report) {
  const box = document.createElement('div');
  box.className = 'columns';
  const list = (title, items) => {
    const column = document.createElement('div');
    const entries = document.createElement('ol');
    for (const [time, text] of items) {
      const item = document.createElement('li');
      const at = document.createElement('time');
      at.textContent = time;
      const what = document.createElement('span');
      what.textContent = text;
      item.append(at, what);
      entries.append(item);
    }
    column.append(heading(title), entries);
    return column;
  };
  const waits = report.waited.latest.map(decision => [duration(decision.from), `${decision.count > 1 ? `${decision.count} times: ` : ''}${decision.text}`]);
  if (waits.length === 0) waits.push(['', 'No planning decision passed it over.']);
  box.append(list('What happened', report.timeline.map(event => [duration(event.at), event.text])),
    list(`Why it waited (${report.waited.decisions} planning decisions)`, waits));
  return box;
}
