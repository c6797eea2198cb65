"""A connector of your own: calls become notes on parties in Tryton, over its JSON-RPC."""

from callgate.outbox.connector import Connector
from callgate.outbox.connector import Contact as Party
from callgate.outbox.connectors.credentials import exactly
from callgate.outbox.tokens import basic
from callgate.outbox.trouble import CrmFailed, Told, Trouble


class Tryton(Connector):
    OPTIONS = {"database": "crm", "unknown": "res.user,1"}  # a note must belong to somebody

    def __init__(self, setup):
        self._path = f"/{setup.options['database']}/rpc/"
        self._unknown = setup.options["unknown"]
        self._credentials = exactly(setup.credentials, "user", "password")

    def authorization(self):
        return basic(self._credentials["user"], self._credentials["password"])

    async def find_contacts(self, api, number):
        wanted = [["contact_mechanisms.value_compact", "=", number]]
        found = await self._call(api, "party.party.search", wanted, 0, 10, [["id", "ASC"]])
        return [Party(str(each), created_at=f"{each:012}") for each in found]

    async def add_contact(self, api, number):
        phone = {"type": "phone", "value": number}
        party = {"name": number, "contact_mechanisms": [["create", [phone]]]}
        (added,) = await self._call(api, "party.party.create", [party])
        return Party(str(added))

    async def find_call(self, api, call):
        wanted = [["message", "like", f"%{call.reference}%"]]
        found = await self._call(api, "ir.note.search", wanted, 0, 1, None)
        return str(found[0]) if found else None

    async def add_call(self, api, call, contact):
        whose = f"party.party,{contact.id}" if contact else self._unknown
        note = {"resource": whose, "message": "\n".join([call.title, *call.lines])}
        await self._call(api, "ir.note.create", [note])

    async def change_call(self, api, found, call, contact):
        await self._call(api, "ir.note.delete", [int(found)])  # notes cannot be changed
        await self.add_call(api, call, contact)

    async def _call(self, api, method, *words):
        reply = await api.ask("POST", self._path, json={"id": 1, "method": f"model.{method}", "params": [*words, {}]})
        body = reply.body if isinstance(reply.body, dict) else {}
        if "error" in body:  # the status is 200 all the same
            raise CrmFailed(Told(Trouble.RECORD_REFUSED, str(body["error"][0])))
        if "result" not in body:
            raise CrmFailed(Told(Trouble.UNREADABLE))
        return body["result"]
