const conversation = [];
let answering = null; // aborts the answer under way

function addMessage(role, text) {
  if (conversation.length === 0) by('messages').replaceChildren();
  const element = document.createElement('div');
  element.className = `message ${role}`;
  element.textContent = text;
  by('messages').append(element);
  by('messages').scrollTop = by('messages').scrollHeight;
  return element;
}

// Yields the data of server-sent events.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split('\n\n');
    rest = parts.pop();
    for (const part of parts) if (part.startsWith('data: ')) yield part.slice(6);
  }
}

async function answer(text) {
  addMessage('user', text);
  conversation.push({ role: 'user', content: text });
  const element = addMessage('assistant', '');
  const content = document.createElement('span'), note = document.createElement('small');
  element.append(content, note);
  answering = new AbortController();
  by('send').textContent = 'Stop';
  const started = performance.now();
  let first = null, usage = null, reply = '', rid = null;
  try {
    const response = await call('/v1/chat/completions', {
      method: 'POST', signal: answering.signal, headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        model: last?.model ?? 'default', messages: conversation, stream: true, stream_options: { include_usage: true },
        max_tokens: Number(by('max-tokens').value), temperature: Number(by('temperature').value),
      }),
    });
    for await (const data of events(response)) {
      if (data === '[DONE]') break;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      rid ??= chunk.id;
      usage = chunk.usage ?? usage;
      const delta = chunk.choices?.[0]?.delta ?? {};
      const piece = (delta.reasoning_content ?? '') + (delta.content ?? '');
      if (piece === '') continue;
      first ??= performance.now();
      reply += piece;
      content.textContent = reply;
      by('messages').scrollTop = by('messages').scrollHeight;
    }
    const seconds = (performance.now() - (first ?? started)) / 1000;
    const tokens = usage?.completion_tokens ?? 0;
    note.textContent = `${tokens} tokens · first after ${duration(((first ?? started) - started) / 1000)} · ${tokens > 1 && seconds > 0 ? plain((tokens - 1) / seconds) : '–'} tokens/s`;
  } catch (error) {
    note.textContent = error.name === 'AbortError' ? 'stopped' : error.message;
    if (error.status === 401) askForKeys();
  }
  conversation.push({ role: 'assistant', content: reply });
  if (rid !== null) {
    element.title = 'Show its time line';
    element.style.cursor = 'pointer';
    element.addEventListener('click', () => { chosen = rid; showReport(); });
  }
  answering = null;
  by('send').textContent = 'Send';
}

by('ask').addEventListener('submit', event => {
  event.preventDefault();
  if (answering !== null) return answering.abort();
  const text = by('prompt').value.trim();
  if (text === '') return;
  by('prompt').value = '';
  answer(text);
});
by('prompt').addEventListener('keydown', event => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  by('ask').requestSubmit();
});
by('clear').addEventListener('click', () => {
  answering?.abort();
  conversation.length = 0;
  by('messages').replaceChildren();
});

tick();
