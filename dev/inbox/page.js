// Mails are untrusted: whatever comes from one goes in as text (`textContent`), never as markup, and its HTML is shown
// in a sandboxed frame only.

/** More lines than this a person does not read, and a browser is slow to draw. */
const shownAtMost = 500;

const byId = (id) => document.getElementById(id);
const tabs = ['html', 'text', 'headers', 'raw'];
let mails = [];
let chosen;
let view = 'html';

const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

const load = async () => {
  const answer = await fetch(`/api/messages?limit=${shownAtMost}`);
  mails = await answer.json();
  drawList();
};

const fits = (mail) => {
  const words = byId('filter').value.trim().toLowerCase();
  return [mail.from, mail.subject, ...mail.rcptTo].some((text) => text.toLowerCase().includes(words));
};

const drawList = () => {
  const shown = mails.filter(fits);
  byId('count').textContent =
    mails.length === 1 ? '1 mail' : `${mails.length}${mails.length === shownAtMost ? '+' : ''} mails`;
  byId('list').replaceChildren(...shown.map(line));
  byId('nothing').hidden = mails.length > 0;
  byId('clear').disabled = mails.length === 0;
  if (chosen && !mails.some((mail) => mail.id === chosen.id)) close();
};

const line = (mail) => {
  const button = element(
    'button',
    { type: 'button', onclick: () => open(mail.id) },
    element('span', { className: 'to', textContent: mail.rcptTo.join(', ') }),
    element('time', { dateTime: mail.date, textContent: new Date(mail.date).toLocaleTimeString() }),
    element('span', { className: 'subject', textContent: mail.subject || '(no subject)' }),
  );
  button.dataset.id = mail.id;
  if (mail.id === chosen?.id) button.setAttribute('aria-current', 'true');
  return element('li', {}, button);
};

const open = async (id) => {
  const answer = await fetch(`/api/messages/${id}`);
  if (!answer.ok) return load();
  chosen = await answer.json();
  for (const button of byId('list').querySelectorAll('button')) {
    if (button.dataset.id === id) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
  }
  byId('subject').textContent = chosen.subject || '(no subject)';
  byId('facts').replaceChildren(...facts(chosen));
  byId('reader').hidden = false;
  byId('tab-html').disabled = !chosen.html;
  show(chosen.html || view !== 'html' ? view : 'text');
};

const close = () => {
  chosen = undefined;
  byId('reader').hidden = true;
};

const facts = (mail) => {
  const rows = [
    ['From', mail.headers.from],
    ['Reply-To', mail.headers['reply-to']],
    ['To', mail.headers.to],
    ['Envelope', `${mail.from || '<>'} → ${mail.rcptTo.join(', ')}`],
    [
      'Taken',
      `${new Date(mail.date).toLocaleString()}, ${mail.size} bytes, ${mail.secure ? 'over TLS' : 'without TLS'}${mail.user ? `, as ${mail.user}` : ''}`,
    ],
  ].filter(([, value]) => value);
  const files = mail.attachments.map((file) =>
    element('a', {
      href: file.url,
      download: file.filename,
      textContent: `${file.filename || 'unnamed'} (${file.size} bytes)`,
    }),
  );
  if (files.length > 0) rows.push(['Attachments', ...files.flatMap((file, n) => (n ? [', ', file] : [file]))]);
  return rows.flatMap(([name, ...values]) => [element('dt', { textContent: name }), element('dd', {}, ...values)]);
};

const show = async (which) => {
  const mail = chosen;
  for (const tab of tabs) {
    const selected = tab === which;
    byId(`tab-${tab}`).setAttribute('aria-selected', String(selected));
    byId(`tab-${tab}`).tabIndex = selected ? 0 : -1;
  }
  byId('panel').setAttribute('aria-labelledby', `tab-${which}`);
  const content = await panels[which](mail);
  if (chosen === mail) byId('panel').replaceChildren(content);
};

const panels = {
  html: (mail) => {
    const frame = element('iframe', { title: 'The mail as HTML', src: `/api/messages/${mail.id}/html` });
    frame.setAttribute('sandbox', 'allow-popups');
    return frame;
  },
  text: (mail) => element('pre', { className: 'prose', textContent: mail.text || '(no text)' }),
  headers: (mail) =>
    element('pre', {
      textContent: Object.entries(mail.headers)
        .flatMap(([name, value]) => value.split('\n').map((one) => `${name}: ${one}`))
        .join('\n'),
    }),
  raw: async (mail) => element('pre', { textContent: await (await fetch(`/api/messages/${mail.id}/raw`)).text() }),
};

for (const tab of tabs) {
  byId(`tab-${tab}`).onclick = () => {
    view = tab;
    show(tab);
  };
}

// Arrow keys within the tabs, as the pattern for tabs of the ARIA authoring practices has it.
document.querySelector('[role=tablist]').onkeydown = (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const usable = tabs.filter((tab) => !byId(`tab-${tab}`).disabled);
  const now = usable.findIndex((tab) => document.activeElement === byId(`tab-${tab}`));
  const next = byId(`tab-${usable[(now + step + usable.length) % usable.length]}`);
  next.focus();
  next.click();
};

// The panel scrolls, and a keyboard must be able to do it.
byId('panel').tabIndex = 0;

byId('filter').oninput = drawList;
byId('clear').onclick = () => fetch('/api/messages', { method: 'DELETE' });

const live = (on) => {
  byId('live').className = on ? 'on' : '';
  byId('live').textContent = on ? 'live' : 'not connected';
};
const stream = new EventSource('/api/stream');
// Loaded anew at each connection, so that nothing is missed between a break and the next arrival.
stream.onopen = () => {
  live(true);
  load();
};
stream.onerror = () => live(false);
stream.addEventListener('arrival', (event) => {
  const mail = JSON.parse(event.data);
  if (mails.some((known) => known.id === mail.id)) return;
  mails = [mail, ...mails].slice(0, shownAtMost);
  drawList();
});
stream.addEventListener('cleared', () => {
  mails = [];
  drawList();
});
