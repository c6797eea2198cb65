// Reads requests as JSON lines and prints, for each, whether the platform's own kit for Node takes it for genuine.
// A body comes in base64 and is handed on as text, as the kit wants it.

const readline = require('node:readline');
const { VoiceCallbackWebhooks } = require('@sinch/sdk-core');

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const { key, secret, method, path, headers, body } = JSON.parse(line);
  const kit = new VoiceCallbackWebhooks({ applicationKey: key, applicationSecret: secret });
  const text = Buffer.from(body, 'base64').toString('utf8');
  console.log(kit.validateAuthenticationHeader(headers, text, path, method));
});
