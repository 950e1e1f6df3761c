// A small service in Node: `node upstream.js` prints its port. "overcharge" in a prompt charges twice.
'use strict';
const http = require('http');
const zlib = require('zlib');

const account = {credits: 500, account_type: 'PRO', next_expiration: null};
const generations = new Map();

function create(request) {
  const id = `node-${generations.size + 1}`;
  const credits = 8 * (request.n || 1);
  account.credits -= request.prompt.includes('overcharge') ? 2 * credits : credits;
  const common = {id, object: 'image_generation', model: request.model, quality: '1K', aspect_ratio: '1:1'};
  const images = Array.from({length: request.n || 1}, (_, index) => ({
    id: `${id}-${index}`, object: 'image', url: `http://localhost/${id}/${index}.png?a=1&b=2`,
    created_at: '2026-04-30T08:00:00Z',
  }));
  generations.set(id, {...common, status: 'succeeded', images, usage: {credits}, created_at: '2026-04-30T08:00:00Z'});
  if (request.async) {
    const url = `http://localhost/api/v1/generations/${id}`;
    const usage = {credits: 0, credits_requested: credits};
    return [202, {...common, status: 'queued', images: [], usage, created_at: '2026-04-30T08:00:00Z', poll_url: url}];
  }
  return [200, {...common, status: 'succeeded', images, usage: {credits}, balance: account}];
}

function answer(request, body) {
  if (request.url.endsWith('/credits')) return [200, account];
  if (request.method === 'POST') return create(JSON.parse(body));
  const found = generations.get(request.url.split('/').pop());
  return found ? [200, found] : [404, {error: {message: 'No such generation', code: 'notFound'}}];
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const [status, content] = answer(request, Buffer.concat(parts));
    // Escapes, as Go and PHP write them; compressed, as some gateways do unasked.
    const text = JSON.stringify(content, null, 1).replace(/&/g, '\\u0026').replace(/\//g, '\\/');
    response.writeHead(status, {'Content-Type': 'application/json; charset=utf-8', 'Content-Encoding': 'gzip'});
    response.end(zlib.gzipSync(text));
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
