// A callback server as many would write it: Express, and the platform's own kit for signatures, answers and REST calls.
// Each callback that it takes is printed as a line of JSON, and so is the outcome of each REST call that a line of standard
// input asks for: {"api": "calls", "method": "get", "data": {...}}.

const readline = require('node:readline');
const express = require('express');
const { SinchClient, Voice, VoiceCallbackWebhooks } = require('@sinch/sdk-core');

const { KEY, SECRET, PLATFORM } = process.env;
const credentials = { applicationKey: KEY, applicationSecret: SECRET };
const webhooks = new VoiceCallbackWebhooks(credentials);
const client = new SinchClient({
  ...credentials,
  voiceHostname: PLATFORM,
  voiceApplicationManagementHostname: PLATFORM,
});

globalThis.console = new console.Console(process.stderr); // the kit's own words are not ours
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const menu = Voice.pieActionHelper.runMenu({
  barge: true,
  menus: [{ id: 'main', mainPrompt: '#tts[Press 1]', options: [{ dtmf: '1', action: 'return(sales)' }] }],
});

function answer(event) {
  switch (event.event) {
    case 'ice': {
      const builder = new Voice.IceSvamletBuilder();
      builder.addInstruction(Voice.iceInstructionHelper.setCookie('seen', 'ice'));
      const isRented = event.to.type.toLowerCase() === 'did';
      const action = isRented
        ? menu
        : Voice.iceActionHelper.connectPstn({ number: event.to.endpoint, cli: 'private', maxDuration: 600 });
      return builder.setAction(action).build();
    }
    case 'ace': {
      const { connectConf, continue: goOn } = Voice.aceActionHelper;
      const action = event.custom === 'room' ? connectConf({ conferenceId: 'room' }) : goOn();
      return new Voice.AceSvamletBuilder().setAction(action).build();
    }
    case 'pie':
      return new Voice.PieSvamletBuilder()
        .addInstruction(Voice.pieInstructionHelper.say('Goodbye', 'en-US'))
        .setAction(Voice.pieActionHelper.hangup())
        .build();
    default:
      return {};
  }
}

const app = express();
app.use(express.text({ type: 'application/json' }));
app.post('/callback', (request, response) => {
  if (!webhooks.validateAuthenticationHeader(request.headers, request.body, request.path, request.method)) {
    print({ refused: request.headers });
    response.status(401).end();
    return;
  }
  const event = webhooks.parseEvent(request.body);
  print({ event });
  response.json(answer(event));
});

const server = app.listen(0, '127.0.0.1', () => print({ port: server.address().port }));

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const { api, method, data } = JSON.parse(line);
  try {
    print({ done: (await client.voice[api][method](data)) ?? null });
  } catch (error) {
    print({ failed: error.statusCode ?? String(error), told: error.data ?? null });
  }
}).on('close', () => server.close());
