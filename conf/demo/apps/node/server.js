// Serves what an app's render.js makes of Markdown. The apps docs and blog have
// this file in common, and conflicting versions of marked in their images.
//
// GET /   a sample      POST /   the Markdown in the body      GET /health
'use strict';

const http = require('http');
const render = require('./render.js');
const { version } = require('marked/package.json');

const app = process.env.APP;
const sample = '# Berths\n\nA ship *comes in*, another **leaves**.\n';

function answer(response, status, body) {
  const data = JSON.stringify({ app, ...body }) + '\n';
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(data),
  });
  response.end(data);
}

const server = http.createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8');
  request.on('data', (part) => { text += part; });
  request.on('end', () => {
    if (request.url === '/health') {
      answer(response, 200, { ready: true });
    } else {
      answer(response, 200, { marked: version, html: render(text || sample) });
    }
  });
});

// A proxy closes idle connections, not the app: else both may do so at once.
server.keepAliveTimeout = 0;
const port = Number(process.env.PORT || 8000);
server.listen(port, () => console.error(`${app}: listening on port ${port}`));
// PID 1 gets no signal that it does not handle.
process.on('SIGTERM', () => process.exit(0));
