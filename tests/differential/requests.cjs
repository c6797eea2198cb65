// Asks a platform at the URL that is given, with the platform's own kit for Node, everything that our client can ask too.

const { SinchClient } = require('@sinch/sdk-core');

const [url, applicationKey, applicationSecret] = process.argv.slice(2);
const { voice } = new SinchClient({ applicationKey, applicationSecret });
for (const api of [voice.applications, voice.calls, voice.callouts, voice.conferences]) {
  api.setHostname(url);
}

const destination = { type: 'number', endpoint: '+46000000001' };
const svaml = { action: { name: 'hangup' } };
const spoken = { instructions: [{ name: 'say', text: 'Hej \u00c5sa' }], action: { name: 'continue' } };
const participant = { conferenceId: 'room', callId: 'c1' };

(async () => {
  await voice.callouts.tts({ ttsCalloutRequestBody: {
    method: 'ttsCallout', ttsCallout: { destination, cli: '+46000000000', text: 'Hej \u00c5sa', enableAce: true },
  } });
  await voice.callouts.conference({ conferenceCalloutRequestBody: {
    method: 'conferenceCallout', conferenceCallout: { destination, conferenceId: 'room', mohClass: 'music1' },
  } });
  await voice.calls.get({ callId: 'c1' });
  await voice.calls.update({ callId: 'c1', updateCallRequestBody: svaml });
  await voice.calls.manageWithCallLeg({ callId: 'c1', callLeg: 'caller', manageWithCallLegRequestBody: spoken });
  await voice.conferences.get({ conferenceId: 'room' });
  await voice.conferences.kickAll({ conferenceId: 'room' });
  await voice.conferences.kickParticipant(participant);
  await voice.conferences.manageParticipant({
    ...participant, manageParticipantRequestBody: { command: 'onhold', moh: 'music1' },
  });
  await voice.applications.listNumbers({});
  await voice.applications.assignNumbers({ assignNumbersRequestBody: { numbers: ['+46000000001'], capability: 'voice' } });
  await voice.applications.unassignNumber({ unassignNumbersRequestBody: { number: '+46000000001' } });
  await voice.applications.getCallbackURLs({ applicationkey: applicationKey });
  await voice.applications.updateCallbackURLs({
    applicationkey: applicationKey, updateCallbacksRequestBody: { url: { primary: 'https://gate.example.com/' } },
  });
  await voice.applications.queryNumber({ number: '+46730170101' });
})();
