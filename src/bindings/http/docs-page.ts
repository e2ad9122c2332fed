/** A page that renders `/openapi.json` in the browser: nothing from outside, no library. */
export const page = (title: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${htmlText(title)} API</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${htmlText(title)}</h1>
<p id="about">Reading <a href="/openapi.json">/openapi.json</a> …</p>
<label>API key, kept in this page only: <input id="key" type="password" autocomplete="off" spellcheck="false"></label>
<p><a href="/openapi.json">openapi.json</a> <a href="/readyz">readyz</a> <a href="/healthz">healthz</a></p>
</header>
<main id="api"></main>
<noscript><main><p>This page needs JavaScript; the description is at <a href="/openapi.json">/openapi.json</a>.</p></main></noscript>
<script>${SCRIPT}</script>
</body>
</html>
`;

const htmlText = (text: string): string => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

export const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); --soft: color-mix(in srgb, currentColor 7%, transparent) }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem 1.5rem 4rem; max-width: 62rem }
h1 { margin: 0 } h2 { margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line) }
header a { margin-right: 1rem }
input, textarea { font: inherit; font-family: ui-monospace, monospace; width: 100%; box-sizing: border-box; padding: .3rem .5rem }
#key { max-width: 30rem }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0 }
summary { padding: .4rem .7rem; cursor: pointer; display: flex; gap: .7rem; align-items: baseline; flex-wrap: wrap }
summary code { font-weight: 600 } summary span { opacity: .75 }
.in { padding: 0 .9rem .9rem }
.m { font: 600 .75rem/1.6 ui-monospace, monospace; padding: 0 .45rem; border-radius: 4px; color: #fff; min-width: 3.6em; text-align: center }
.get { background: #17689c } .post { background: #1c7a45 } .put { background: #8a5a00 } .delete { background: #a5292b }
pre { background: var(--soft); padding: .7rem; overflow: auto; max-height: 26rem; border-radius: 4px; font-size: .85rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-top: 1px solid var(--line) }
button { font: inherit; padding: .3rem 1rem; margin: .6rem 0 } .req { color: #c33 }
`;

export const SCRIPT = `
'use strict';
const make = (tag, properties, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};
const pretty = (value) => JSON.stringify(value, null, 2);
let spec;
const deref = (schema) => (schema && schema.$ref ? spec.components.schemas[schema.$ref.split('/').pop()] : schema) || {};
const nameOf = (schema) => {
  if (!schema) return '';
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.enum) return schema.enum.join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === 'array') return nameOf(schema.items) + '[]';
  const parts = schema.oneOf || schema.anyOf;
  if (parts) return [...new Set(parts.map(nameOf))].join(' | ');
  return [].concat(schema.type || 'any').join(' | ') + (schema.format ? ' (' + schema.format + ')' : '');
};
const schemaView = (schema) => {
  const whole = deref(schema);
  const box = make('div', {}, make('p', {}, make('b', { textContent: nameOf(schema) }), whole.description ? ' ' + whole.description : ''));
  if (whole.properties) {
    const required = whole.required || [];
    box.append(make('table', {}, ...Object.entries(whole.properties).map(([name, part]) => make('tr', {},
      make('td', {}, make('code', { textContent: name }), required.includes(name) ? make('span', { className: 'req', textContent: ' *' }) : ''),
      make('td', { textContent: nameOf(part) }), make('td', { textContent: part.description || deref(part).description || '' })))));
  }
  return box;
};
const field = (parameter) => {
  const example = parameter.example === undefined ? '' : typeof parameter.example === 'string' ? parameter.example : JSON.stringify(parameter.example);
  const input = make('input', { placeholder: example, name: parameter.name });
  return { parameter, input, row: make('tr', {},
    make('td', {}, make('code', { textContent: parameter.name }), parameter.required ? make('span', { className: 'req', textContent: ' *' }) : ''),
    make('td', {}, input), make('td', { textContent: parameter.description || '' })) };
};
const addressOf = (path, fields) => {
  const query = new URLSearchParams();
  for (const { parameter, input } of fields) {
    const value = input.value.trim();
    if (parameter.in === 'path') path = path.replace('{' + parameter.name + '}', value);
    else if (value === '') continue;
    else if (parameter.schema.type === 'array') for (const part of value.startsWith('[') ? JSON.parse(value) : value.split(' ')) query.append(parameter.name, part);
    else if (parameter.schema.type === 'object') for (const [key, part] of Object.entries(JSON.parse(value))) query.append(key, part);
    else query.set(parameter.name, value);
  }
  return path + (String(query) ? '?' + query : '');
};
const show = async (response, out) => {
  const lines = ['HTTP ' + response.status + ' ' + response.statusText];
  response.headers.forEach((value, name) => lines.push(name + ': ' + value));
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  while (text.length < 100000) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
    out.textContent = lines.join('\\n') + '\\n\\n' + text;
  }
  await reader.cancel();
  try { text = pretty(JSON.parse(text)); } catch { /* shown as it came */ }
  out.textContent = lines.join('\\n') + '\\n\\n' + text;
};
const operationView = (path, method, operation) => {
  const fields = operation.parameters.map(field);
  const schema = operation.requestBody && operation.requestBody.content['application/json'].schema;
  const examples = schema && (deref(schema).examples || schema.examples);
  const body = schema && make('textarea', { rows: 8, value: pretty(examples ? examples[0] : {}) });
  const out = make('pre', { hidden: true });
  const media = Object.keys((operation.responses['200'] || {}).content || {});
  const accept = make('select', {}, ...media.map((type) => make('option', { textContent: type })));
  const send = make('button', { textContent: 'Send', type: 'button', onclick: async () => {
    out.hidden = false;
    out.textContent = '…';
    const headers = {};
    const key = document.getElementById('key').value.trim();
    if (key) headers.Authorization = 'Bearer ' + key;
    if (body) headers['Content-Type'] = 'application/json';
    if (accept.value) headers.Accept = accept.value;
    try { await show(await fetch(addressOf(path, fields), { method: method.toUpperCase(), headers, body: body ? body.value : undefined }), out); }
    catch (error) { out.textContent = String(error); }
  } });
  return make('details', { id: operation.operationId },
    make('summary', {}, make('b', { className: 'm ' + method, textContent: method.toUpperCase() }), make('code', { textContent: path }), make('span', { textContent: operation.summary })),
    make('div', { className: 'in' },
      operation.description ? make('p', { textContent: operation.description }) : null,
      fields.length ? make('table', {}, ...fields.map((entry) => entry.row)) : null,
      schema ? schemaView(schema) : null, body,
      media.length > 1 ? make('p', {}, 'Accept ', accept) : null,
      make('p', {}, send), out,
      make('table', {}, ...Object.entries(operation.responses).map(([status, response]) => make('tr', {},
        make('td', {}, make('b', { textContent: status })), make('td', { textContent: response.description }),
        make('td', { textContent: Object.entries(response.content || {}).map(([type, entry]) => type + ': ' + nameOf(entry.schema)).join(', ') }))))));
};
fetch('/openapi.json').then((response) => response.json()).then((found) => {
  spec = found;
  document.getElementById('about').textContent = spec.info.description;
  const api = document.getElementById('api');
  for (const { name } of spec.tags) {
    api.append(make('h2', { textContent: name }));
    for (const [path, methods] of Object.entries(spec.paths)) {
      for (const [method, operation] of Object.entries(methods)) if (operation.tags[0] === name) api.append(operationView(path, method, operation));
    }
  }
  api.append(make('h2', { textContent: 'Data types' }));
  for (const [name, schema] of Object.entries(spec.components.schemas)) {
    api.append(make('details', { id: 'type-' + name }, make('summary', {}, make('code', { textContent: name }), make('span', { textContent: schema.description || '' })),
      make('div', { className: 'in' }, schemaView({ $ref: '#/' + name }), make('pre', { textContent: pretty(schema) }))));
  }
}).catch((error) => { document.getElementById('about').textContent = 'The description cannot be read: ' + error; });
`;
